"""Help in the reader's language: what click prints, and what commands say of themselves."""

import gettext
import inspect
import os
from collections.abc import Iterator, Sequence

import click

from keepiton.base.language import (
    DOMAIN,
    ENGLISH,
    LOCALES,
    Language,
    folder,
    gettext_noop,
    load,
    of_system,
)

CLICK = (
    *(
        gettext_noop("Usage:"),
        gettext_noop("Options"),
        gettext_noop("Commands"),
        gettext_noop("Show this message and exit."),
    ),
    *(
        gettext_noop("Show the version and exit."),
        gettext_noop("default: {default}"),
        gettext_noop("Error: {message}"),
    ),
    *(
        gettext_noop("Try '{command} {option}' for help."),
        gettext_noop("No such command {name!r}."),
    ),
)
"""Texts of click's own that people meet; it looks them up in the same catalogue."""


def requested_language(words: Sequence[str], environment: dict[str, str]) -> str:
    """Return the language that a command line, else the environment, asks for."""
    for number, word in enumerate(words):
        if word == "--lang" and number + 1 < len(words):
            return words[number + 1]
        if word.startswith("--lang="):
            return word.removeprefix("--lang=")
    return environment.get("KEEPITON_LANG") or of_system(environment)


def activate(words: Sequence[str]) -> Language:
    """Let click speak the language asked for; one that is not known is left to the option."""
    code = requested_language(words, dict(os.environ))
    language = load(code if code in LOCALES else "en")
    if language.code != "en":
        os.environ["LANGUAGE"] = language.code  # where gettext itself looks
        gettext.bindtextdomain(DOMAIN, str(folder()))
        gettext.textdomain(DOMAIN)
    return language


def texts(command: click.Command) -> Iterator[str]:
    """Yield what a command and its options say of themselves."""
    if command.help:
        yield inspect.cleandoc(command.help)
    for param in command.params:
        if isinstance(param, click.Option) and param.help:
            yield param.help


def translate(command: click.Command, language: Language) -> None:
    """Make a command speak a language, with all that is loaded below it."""
    if command.help:
        command.help = language.gettext(inspect.cleandoc(command.help))
    for param in command.params:
        if isinstance(param, click.Option) and param.help:
            param.help = language.gettext(param.help)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            translate(below, language)


def language(code: str | None) -> Language:
    """Find the language asked for here, or the one that help is shown in. Raises UserError."""
    return load(code) if code else click.get_current_context().obj or ENGLISH
