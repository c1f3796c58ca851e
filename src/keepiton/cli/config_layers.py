"""Configuration: files over each other, and the environment over them.

Nothing is known here of single options: names, kinds and defaults are those of the commands. Loaded
only where there is a file or a variable of ours.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from keepiton.base import suggest
from keepiton.base.errors import UserError
from keepiton.base.toml_lines import line_of
from keepiton.cli import folders
from keepiton.cli.settings_file import read_toml

MOST_MISTAKES = 50
"""Mistakes of a file that are told; one that has more is none of ours."""
SHOWN = 60
"""Characters of a wrong value or key that are shown."""
MOST_SAID = 400
"""Characters of what a type says against a value that are shown: it may name the value."""
MOST_NUMBER = 2**63
"""TOML has whole numbers of 64 bits."""
SIMPLE = click.types.BoolParamType | click.types.IntParamType | click.types.FloatParamType
"""Kinds that are not text in TOML."""
OWN = frozenset({"accept-risk", "on-change", "yes"})
"""Consent, and commands to run: not taken from the project's file, which may be a stranger's."""


SECRET = frozenset({"engine", "on-change"})
"""What may hold a password: never shown."""


@dataclass(frozen=True, slots=True)
class Key:
    """An option of a command, as configuration names it."""

    command: tuple[str, ...]
    """The words that call it, such as results prune."""
    name: str
    """That of the option, without the hyphens before it."""
    option: click.Option

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        variables = self.option.envvar
        if variables:
            return variables if isinstance(variables, str) else variables[0]
        return variable(*self.command, self.name)


@dataclass(frozen=True, slots=True)
class Value:
    """What a key is set to."""

    value: object
    """As TOML has it: text, a number, true or false, or a list of these."""
    origin: str
    """Where it comes from: PATH:LINE, or environment VARIABLE."""


Settings = dict[Key, Value]


def variable(*words: str) -> str:
    """Return the name of the variable that the words of a command and an option make."""
    return "_".join(["keepiton", *words]).replace("-", "_").upper()


def keys(group: click.Group, only: str | None = None) -> list[Key]:
    """List every option of every command, or of one command and those below it."""
    return list(_keys(group, (), only))


def _keys(group: click.Group, within: tuple[str, ...], only: str | None = None) -> Iterator[Key]:
    context = click.Context(group)
    for word in group.list_commands(context) if only is None else [only]:
        command = group.get_command(context, word)
        if command is None:
            continue
        for param in command.params:
            if isinstance(param, click.Option) and param.expose_value and not param.hidden:
                yield Key((*within, word), _name(param), param)
        if isinstance(command, click.Group):
            yield from _keys(command, (*within, word))


def _name(option: click.Option) -> str:
    long = next((flag for flag in option.opts if flag.startswith("--")), option.opts[0])
    return long.lstrip("-")


def defaults(group: click.Group, invoked: str | None) -> dict[str, Any]:
    """Return what is configured, as click takes it: by commands, then parameters. Raises UserError.

    Of the environment, only what the invoked command reads: the others are not loaded for it.
    """
    by_command: dict[str, Any] = {}
    for key, configured in settings(group, invoked).items():
        inner = by_command
        for word in key.command:
            inner = inner.setdefault(word, {})
        inner[str(key.option.name)] = configured.value
    return by_command


def settings(group: click.Group, invoked: str | None = None) -> Settings:
    """Read every file, and the environment of the invoked command or of all. Raises UserError.

    The nearest wins: the environment, the project's file, the user's, the system's; in a file, the
    table of the command over those around it. Every mistake of all of them is told at once.
    """
    files = present_files()
    known = keys(group, None if files else invoked)
    values: Settings = {}
    mistakes = []
    for layer, path in files.items():
        layer_values, wrong = _file(path, known, own=layer != "project")
        values |= layer_values
        mistakes += wrong
    layer_values, wrong = _environment([key for key in known if invoked in (None, key.command[0])])
    if mistakes + wrong:
        raise UserError("\n".join(mistakes + wrong))
    return values | layer_values


def present_files() -> dict[str, Path]:
    """Return the files that there are, by layer: the nearest last.

    A folder that may not be entered counts as one without a file: a service often may not look
    into the home of the user it runs as.
    """
    present: dict[str, Path] = {}
    for layer, path in folders.config_files().items():
        if os.path.realpath(path) in map(os.path.realpath, present.values()):
            continue  # where one stands in the user's folder
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError:
            pass  # such as a circle of links: told when it is read
        present[layer] = path
    return present


def _file(path: Path, known: Sequence[Key], *, own: bool) -> tuple[Settings, list[str]]:
    """Read one file; return what is right in it, and the mistakes."""
    if path.exists() and not path.is_file():
        return {}, [f"{path}: not a file; remove it, or write settings into one of this name"]
    try:
        lines, data = read_toml(path)
    except UserError as exc:
        return {}, [str(exc)]
    tables = {key.command[:depth] for key in known for depth in range(1, len(key.command) + 1)}
    values: Settings = {}
    mistakes: list[tuple[int, str]] = []
    seen: set[tuple[tuple[str, ...], str]] = set()
    for within, written, value in _entries(data, (), tables):
        where, name = _normal(within), written.replace("_", "-")
        line = line_of(lines, *within, written)
        fits = [key for key in known if key.name == name and key.command[: len(where)] == where]
        wrong = {key: _wrong(key.option, value) for key in fits}
        takes = [key for key in fits if not wrong[key]]
        mistake: str | None
        if not fits:
            mistake = _unknown(name, value, where, known, tables)
        elif (where, name) in seen:
            mistake = "written twice here; leave one of them"
        elif name in OWN and not own:
            mistake = "not taken from the file of a folder; write it into the user's keepiton.toml"
        elif not takes:
            mistake = wrong[fits[0]]
        else:
            mistake = None
        if mistake:
            mistakes.append((line, f"{path}:{line}: {printable(written[:SHOWN])}: {mistake}"))
        seen.add((where, name))
        values |= dict.fromkeys(takes, Value(value, f"{path}:{line}"))
        if len(mistakes) > MOST_MISTAKES:
            return {}, [*(text for _, text in mistakes), f"{path}: and more; not read any further"]
    return values, [text for _, text in sorted(mistakes)]


Entry = tuple[tuple[str, ...], str, Any]


def _entries(
    table: dict[str, Any], within: tuple[str, ...], tables: set[tuple[str, ...]]
) -> Iterator[Entry]:
    """Yield what a table gives: its own keys, then those of the commands' tables in it."""
    inner = []
    for name, value in table.items():
        if isinstance(value, dict) and _normal((*within, name)) in tables:
            inner.append(name)
        else:
            yield within, name, value
    for name in inner:
        yield from _entries(table[name], (*within, name), tables)


def _normal(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.replace("_", "-") for word in words)


def _unknown(
    name: str,
    value: object,
    where: tuple[str, ...],
    known: Sequence[Key],
    tables: set[tuple[str, ...]],
) -> str:
    """Say what was meant by a key that there is not."""
    if (*where, name) in tables:
        return f"a command; write a table, [{'.'.join((*where, name))}]"
    elsewhere = sorted({" ".join(key.command) for key in known if key.name == name})
    if elsewhere:
        return f"unknown key in [{'.'.join(where)}]; an option of: {', '.join(elsewhere)}"
    names = sorted({key.name for key in known if key.command[: len(where)] == where})
    below = sorted(table[-1] for table in tables if table[:-1] == where)
    if isinstance(value, dict):
        return f"unknown table; {suggest.did_you_mean(name, below or names, names)}"
    return f"unknown key; {suggest.did_you_mean(name, names, below)}"


def _environment(known: Sequence[Key]) -> tuple[Settings, list[str]]:
    """Read variables; an empty one counts as none, as everywhere."""
    values: Settings = {}
    mistakes = []
    for key in known:
        text = os.environ.get(key.variable)
        if not text:
            continue
        option = key.option
        value = option.type.split_envvar_value(text) if _listed(option) else text
        mistake = _refused(option, value)
        if mistake:
            mistakes.append(f"{key.variable}: {mistake}")
        else:
            values[key] = Value(_plain(option, value), f"environment {key.variable}")
    return values, list(dict.fromkeys(mistakes))


def unknown_variables(known: Sequence[Key]) -> list[str]:
    """Name the variables that look like ours and set nothing, each with the one that is meant."""
    ours = {key.variable for key in known}
    better = {variable(*key.command, key.name): key.variable for key in known}
    return [
        f"{printable(name[:SHOWN])}: sets nothing; "
        + (f"did you mean {better[name]}?" if name in better else _nearest(name, sorted(ours)))
        for name in sorted(os.environ)
        if name.startswith("KEEPITON_") and name not in ours
    ]


def _nearest(name: str, known: Sequence[str]) -> str:
    hint = suggest.did_you_mean(name, known)
    return hint if hint.startswith("did") else "see: keepiton config show --all --format json"


def _listed(option: click.Option) -> bool:
    return option.multiple or option.nargs != 1


def valid_values(option: click.Option) -> str:
    """Say what an option takes."""
    kind = option.type
    kind_text = "text"
    if isinstance(kind, click.Choice):
        kind_text = f"one of {', '.join(map(str, kind.choices))}"
    elif isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        kind_text = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
        if isinstance(kind, click.IntRange | click.FloatRange):
            kind_text += "" if kind.min is None else f", {kind.min} at least"
            kind_text += "" if kind.max is None else f", {kind.max} at most"
    elif isinstance(kind, click.types.BoolParamType):
        kind_text = "true or false"
    elif isinstance(kind, click.Path):
        what = "folder" if not kind.file_okay else "file"
        kind_text = f"the path of a {what}" + (" that is there" if kind.exists else "")
    return f"a list, each {kind_text}" if _listed(option) else kind_text


def _wrong(option: click.Option, value: object) -> str | None:
    """Say what is wrong with a value of a file, and what would be right."""
    if _listed(option) != isinstance(value, list):
        return f"cannot be {_shown(value)}; write {valid_values(option)}"
    kind = option.type
    types: tuple[type, ...] = (str,)
    if isinstance(kind, click.types.BoolParamType):
        types = (bool,)
    elif isinstance(kind, click.types.IntParamType):
        types = (int,)
    elif isinstance(kind, click.types.FloatParamType):
        types = (int, float)
    for item in value if isinstance(value, list) else [value]:
        fits = isinstance(item, types) and (bool in types or not isinstance(item, bool))
        if not fits or (isinstance(item, int) and abs(item) > MOST_NUMBER):
            return f"cannot be {_shown(item)}; write {valid_values(option)}"
    return _refused(option, value)


def _refused(option: click.Option, value: object) -> str | None:
    """Say what the option's own type says against a value."""
    context = click.Context(click.Command(None))
    for item in value if isinstance(value, Sequence) and _listed(option) else [value]:
        try:
            converted = option.type(item, None, context)
        except click.BadParameter as exc:
            if isinstance(option.type, SIMPLE | click.Choice):
                return f"cannot be {_shown(item)}; write {valid_values(option)}"
            message = printable(exc.message[:MOST_SAID]).rstrip(".")
            return (
                f"{message}; write {valid_values(option)}"
                if isinstance(option.type, click.Path)
                else message
            )
        if isinstance(converted, float) and not math.isfinite(converted):
            return f"cannot be {_shown(item)}; write {valid_values(option)}"
    return None


def _plain(option: click.Option, text: str | Sequence[str]) -> object:
    """Return what the environment gave, as TOML has it."""
    if not isinstance(option.type, SIMPLE):
        return text
    return [option.type(item) for item in text] if _listed(option) else option.type(text)


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > MOST_NUMBER:
        return "so large"
    text = json.dumps(value) if isinstance(value, str | bool | int | float) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def printable(text: str) -> str:
    """Return text that a terminal shows as it is: what a file holds may be hostile."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
