"""``keepiton config``: prints what is configured, as a keepiton.toml or as JSON."""

import json
import os
from typing import NamedTuple

import click

from keepiton.base.errors import UserError
from keepiton.base.suggest import did_you_mean
from keepiton.cli import config_layers, folders
from keepiton.cli.config_layers import Key, Settings

DEFAULT = "default"
"""The origin of what nobody set."""


class Row(NamedTuple):
    """A key of a command, with what holds."""

    command: tuple[str, ...]
    name: str
    value: object
    """As TOML has it; None where nothing is set, or what is may not be shown."""
    origin: str


def show(
    context: click.Context, command: tuple[str, ...], form: str, *, origin: bool, every: bool
) -> None:
    """Run the command: its options are those of :mod:`keepiton.commands.config`."""
    root = context.find_root().command
    if not isinstance(root, click.Group):
        raise TypeError(root)
    known = config_layers.keys(root)
    below = [key for key in known if key.command[: len(command)] == command]
    if not below:
        names = sorted({" ".join(key.command) for key in known})
        asked = " ".join(command)
        raise UserError(f"config show {asked}: no such command; {did_you_mean(asked, names)}")
    rows = _rows(below, config_layers.settings(root), every=every)
    if form == "json":
        click.echo(_json(rows))
    else:
        head = _head() if origin else []
        click.echo("\n".join([*head, *_toml(rows, known, origin=origin)]))
    for line in config_layers.unknown_variables(known):
        click.echo(f"keepiton: {line}", err=True)


def _rows(below: list[Key], settings: Settings, *, every: bool) -> list[Row]:
    """List what holds for keys, or of those only what somebody set."""
    rows = []
    for key in below:
        setting = settings.get(key)
        if setting:
            value = None if key.name in config_layers.SECRET else setting.value
            rows.append(Row(key.command, key.name, value, setting.origin))
        elif every:
            rows.append(Row(key.command, key.name, default(key.option), DEFAULT))
    return rows


def default(option: click.Option) -> object:
    """Return what an option is without being set, as TOML has it; None where that is nothing."""
    value = option.to_info_dict()["default"]
    if value is None or callable(value) or value in ("", ()):
        return None
    if isinstance(value, tuple | list):
        return list(map(str, value))
    return value if isinstance(value, bool | int | float) else str(value)


def _files() -> list[tuple[str, str, bool]]:
    """List the files that are looked for: layer, path, whether it is read."""
    there = config_layers.present_files()
    return [
        (layer, str(path), there.get(layer) == path)
        for layer, path in folders.config_files().items()
    ]


def _head() -> list[str]:
    return [
        "# The nearest wins: a flag, the environment, then these files, the last one first.",
        *(
            f"# {layer:<7}  {config_layers.printable(path)}  ({'read' if read else _unread(path)})"
            for layer, path, read in _files()
        ),
        "",
    ]


def _unread(path: str) -> str:
    return "not read" if os.path.lexists(path) else "not there"


def _json(rows: list[Row]) -> str:
    files = [{"layer": layer, "path": path, "read": read} for layer, path, read in _files()]
    values = [
        {"command": " ".join(row.command), "key": row.name, "value": row.value}
        | {"origin": row.origin}
        for row in rows
    ]
    return json.dumps({"files": files, "values": values}, indent=1)


def _toml(rows: list[Row], known: list[Key], *, origin: bool) -> list[str]:
    """Write rows as TOML: first what all commands share that have the key, then a table each."""
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.name, _text(row.value), row.origin), []).append(row)
    shared = {
        same[0].name: same
        for same in alike.values()
        if 1 < len(same) == sum(key.name == same[0].name for key in known)
    }
    out = [_line(same[0], origin=origin) for same in shared.values()]
    tables: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.name not in shared:
            tables.setdefault(row.command, []).append(row)
    for command, own in tables.items():
        out += [*([""] if out else []), f"[{'.'.join(command)}]"]
        out += [_line(row, origin=origin) for row in own]
    return out or ["# Nothing is set."]


def _line(row: Row, *, origin: bool) -> str:
    if row.value is None:
        line = f"# {row.name}: {'not set' if row.origin == DEFAULT else 'set, not shown'}"
    else:
        line = f"{'# ' if row.origin == DEFAULT else ''}{row.name} = {_text(row.value)}"
    return f"{line}  # {config_layers.printable(row.origin)}" if origin else line


def _text(value: object) -> str:
    """Write a value as TOML has it; of text, what no terminal shows is escaped."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    return str(value)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if "\ud800" <= character <= "\udfff":  # a byte of the environment that is no text
        return "\N{REPLACEMENT CHARACTER}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
