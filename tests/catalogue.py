"""Extracts every text that people read, and brings the catalogues up to date."""

from collections.abc import Iterator
from contextlib import redirect_stderr
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from keepiton import cli
from keepiton.base.language import LOCALES
from keepiton.cli import i18n
from keepiton.commands import results
from keepiton.report import explain

SOURCE = Path(__file__).parent.parent / "src" / "keepiton"
METHODS = [("**.py", "python"), ("**.jinja", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "gettext_noop": None, "ngettext": (1, 2)}
DAY = datetime(2026, 11, 26, tzinfo=UTC)
"""In every catalogue's head, so that only what was translated differs."""
TRANSLATED = tuple(code for code in LOCALES if code != "en")


def path(code: str) -> Path:
    """Return where a language's catalogue lies."""
    return SOURCE / "locale" / code / "LC_MESSAGES" / "keepiton.po"


def commands() -> Iterator[click.Command]:
    """Yield every command."""

    def below(command: click.Command) -> Iterator[click.Command]:
        yield command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found
                yield from below(found)

    return below(cli.keepiton)


def texts() -> Iterator[tuple[str | tuple[str, ...], str]]:
    """Yield every text with where it stands: sources, help, and what failures are in short."""
    with redirect_stderr(StringIO()):  # Babel warns of f-strings in values, which are no texts
        extracted = list(extract_from_dir(SOURCE, METHODS, {}, KEYWORDS))
    for file, _line, message, _comments, _context in extracted:
        if message and str(message).strip():
            yield message, file
    for command in commands():
        for text in i18n.texts(command):
            yield text, f"help-of-{command.name}"
    for short in (*cli.COMMANDS.values(), *results.SHORTS.values()):
        yield short, "help-of-keepiton"
    for one in explain.kinds()["failure"].values():
        yield one.short, "report/explain.toml"


def read(code: str) -> Catalog:
    """Read a language's catalogue; an empty one where there is none."""
    if not path(code).is_file():
        return Catalog(locale=code, fuzzy=False)
    with path(code).open("rb") as file:
        return read_po(file, locale=code)


def updated(code: str) -> Catalog:
    """Return a language's catalogue with the texts of today and the translations of before."""
    old = read(code)
    new = Catalog(
        locale=code,
        header_comment="# keepiton, MIT licence. Terms: docs/reference/glossary.md",
        project="keepiton",
        version="",
        msgid_bugs_address="-",
        last_translator="the keepiton team",
        language_team=code,
        creation_date=DAY,
        revision_date=DAY,
        fuzzy=False,
    )
    for text, place in texts():
        new.add(text, locations=[(place, 0)])
    for message in new:
        message.flags.discard("python-format")  # a per cent sign is one here
        if message.id and (before := old.get(message.id)):
            message.string = before.string
    return new


def written(code: str) -> bytes:
    """Return a language's ``.po`` file as it must be."""
    file = BytesIO()
    write_po(file, updated(code), width=100, include_lineno=False, sort_output=True)
    return file.getvalue()


def compile_catalogue(code: str) -> None:
    """Write a language's ``.mo`` file, which is not kept in the repository."""
    with path(code).with_suffix(".mo").open("wb") as file:
        write_mo(file, read(code))
