"""Our own list format: TOML, one file an operator or group."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from keepiton.base.suggest import closest
from keepiton.base.toml_lines import KeyPath, line_numbers, line_of
from keepiton.base.types import clean
from keepiton.lists.canonical import canonical
from keepiton.lists.types import Expect, Query, Target, TargetList

RIGHT = {
    "addresses": 'an IPv4 or IPv6 address, such as "192.0.2.7"',
    "asn": "the number alone, such as 6697",
    "checked": "a date, such as 2026-11-23",
    "control": '"foreign" or "domestic"',
    "country": 'two lower-case letters, such as "by"',
    "id": "a name without spaces, 200 characters at most",
    "operator": "lower-case letters, digits and hyphens, 32 at most",
    "perspective": '"any", "inside" or "outside"',
    "ports": '"443/tcp" or "53/udp"',
    "query": '{ name = "by.", type = "SOA" }',
    "risk": '"low", "medium" or "high"',
    "role": "lower-case letters, digits and hyphens, 32 at most",
    "url": '"https://example.org/"',
}
"""What a right value looks like, by field."""

Whole = TypeVar("Whole", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class TomlForm(Generic[Whole]):
    """What one kind of file holds."""

    whole: type[Whole]
    entry: str
    """What its entries are called: ``target`` of ``[[target]]``."""
    parts: Mapping[str, type[BaseModel]]
    """The entry and what stands in it, by name."""
    right: Mapping[str, str]
    """What a right value looks like, by field."""


TARGETS = TomlForm(
    TargetList, "target", {"target": Target, "expect": Expect, "query": Query}, RIGHT
)


def _explain(
    error: ErrorDetails, data: dict[str, Any], lines: dict[KeyPath, int], form: TomlForm[Any]
) -> tuple[int, str]:
    loc = error["loc"]
    number = loc[1] if len(loc) > 1 and loc[0] == form.entry and isinstance(loc[1], int) else -1
    names = [part for part in loc[2 if number >= 0 else 0 :] if isinstance(part, str)]
    key = names[0] if names else ""
    at = line_of(lines, form.entry, number, *names) if number >= 0 else line_of(lines, *names)
    who = ""
    if number >= 0:
        entry = data[form.entry][number]
        title = entry.get("id") if isinstance(entry, dict) else None
        named = f'"{clean(str(title))}"' if title else f"number {number + 1}"
        who = f"{form.entry} {named}, "
    what = ".".join(names) or "the entry"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        inside = [form.parts[name] for name in map(str, loc[:-1]) if name in form.parts]
        known = sorted([form.whole, *inside][-1].model_fields)
        near = closest(names[-1], known)
        right = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return at, f"{who}{clean(what)}: unknown key; {right}"
    if error["type"] == "missing":
        right = form.right.get(key, "")
        return at, f"{who}{what}: missing" + (f"; give {right}" if right else "")
    shown = f" (found {clean(repr(error['input']), 60)})" if names else ""
    return at, f"{who}{what}: {message}{shown}{_right(key, form)}"


def parse(
    form: TomlForm[Whole], name: str, text: str
) -> tuple[Whole | None, dict[KeyPath, int], list[str]]:
    """Read a file of some form; return it, or None and every mistake as ``file:line: …``."""
    lines = line_numbers(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        place = re.search(r"line (\d+)", str(exc))
        at = place[1] if place else str(text.count("\n") + 1)
        wrong = f"{name}:{at}: not TOML: {exc}; text values stand in quotation marks"
        return None, lines, [wrong]
    try:
        return form.whole.model_validate(data), lines, []
    except ValidationError as exc:
        mistakes: list[str] = []
        entries = data.get(form.entry)
        safe = data if isinstance(entries, list) else {**data, form.entry: []}
        for error in exc.errors(include_url=False, include_context=False):
            line, message = _explain(error, safe, lines, form)
            mistakes.append(f"{name}:{line}: {message}")
        return None, lines, mistakes


def read(name: str, text: str) -> tuple[TargetList | None, list[str]]:
    """Read a target list; return it, or None and every mistake as ``file:line: …``."""
    listed, lines, mistakes = parse(TARGETS, name, text)
    if not listed:
        return None, mistakes
    targets = []
    for number, target in enumerate(listed.target):
        try:
            targets.append(canonical(target))
        except ValueError as exc:
            field = str(exc).split(":", 1)[0]
            at = line_of(lines, TARGETS.entry, number, field)
            mistakes.append(f'{name}:{at}: target "{target.id}", {exc}{_right(field, TARGETS)}')
    return listed.model_copy(update={"target": tuple(targets)}), mistakes


def _right(field: str, form: TomlForm[Any]) -> str:
    return f"; write {form.right[field]}" if field in form.right else ""
