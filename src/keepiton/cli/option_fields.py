"""Options of a command as fields of a dataclass: type, flags, default and help in one place."""

from collections.abc import Callable
from dataclasses import Field, field, fields
from typing import Any, TypeVar, cast

import click

Value = TypeVar("Value")
Command = Callable[..., Any]
OptionDecorator = Callable[[Command], Command]


def declared(default: Value, decorator: OptionDecorator) -> Value:
    """Return a field whose option an existing decorator adds."""
    return field(default=default, metadata={"decorator": decorator})


def option(*flags: str, default: Value, setting: str = "", **attributes: object) -> Value:
    """Return a field with its option; ``attributes`` are those of ``click.option``.

    False makes a switch, a tuple an option that can be repeated; numbers and words that are a
    default are shown in the help. ``setting`` names the field of a run's settings that it sets.
    """
    return field(
        default=default,
        metadata={"flags": flags, "attributes": attributes, "setting": setting},
    )


def add_options(structure: type) -> OptionDecorator:
    """Return a decorator that adds the option of every field of a dataclass, in their order."""

    def add(function: Command) -> Command:
        for entry in reversed(fields(structure)):
            function = _decorator(entry)(function)
        return function

    return add


def _decorator(entry: "Field[Any]") -> OptionDecorator:
    if "decorator" in entry.metadata:
        return cast("OptionDecorator", entry.metadata["decorator"])
    attributes = dict(entry.metadata["attributes"])
    if entry.default is False:
        attributes["is_flag"] = True
    elif entry.default == ():
        attributes["multiple"] = True
    else:
        attributes["default"] = entry.default
        attributes["show_default"] = entry.default not in (None, "")
    return click.option(*entry.metadata["flags"], entry.name, **attributes)
