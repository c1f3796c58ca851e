"""Our own list format: TOML, one file an operator or group."""

import difflib
import re
import tomllib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from keepiton.model import Expect, Query, Target, TargetList, clean
from keepiton.targets.normal import canonical

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

_HEADER = re.compile(r"\s*\[\[\s*target\s*\]\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*=")


def _lines(text: str) -> dict[tuple[int, str], int]:
    """Find the line of every key: (target number or -1, key) to line, and "" for the header."""
    found: dict[tuple[int, str], int] = {(-1, ""): 1}
    number = -1
    for at, line in enumerate(text.splitlines(), 1):
        if _HEADER.match(line):
            number += 1
            found[number, ""] = at
        elif key := _KEY.match(line):
            found.setdefault((number, key[1]), at)
    return found


def _model(loc: tuple[Any, ...]) -> type[BaseModel]:
    if "expect" in loc[:-1]:
        return Expect
    if "query" in loc[:-1]:
        return Query
    return Target if loc and loc[0] == "target" else TargetList


def _explain(
    error: ErrorDetails, data: dict[str, Any], lines: dict[tuple[int, str], int]
) -> tuple[int, str]:
    loc = error["loc"]
    number = loc[1] if len(loc) > 1 and loc[0] == "target" and isinstance(loc[1], int) else -1
    names = [part for part in loc[2 if number >= 0 else 0 :] if isinstance(part, str)]
    key = names[0] if names else ""
    at = lines.get((number, key)) or lines.get((number, ""), 1)
    who = ""
    if number >= 0:
        entry = data["target"][number]
        title = entry.get("id") if isinstance(entry, dict) else None
        who = f'target "{clean(str(title))}", ' if title else f"target number {number + 1}, "
    what = ".".join(names) or "the entry"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = sorted(_model(loc).model_fields)
        near = difflib.get_close_matches(names[-1], known, 1, 0.5)
        right = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return at, f"{who}{clean(what)}: unknown key; {right}"
    if error["type"] == "missing":
        right = RIGHT.get(key, "")
        return at, f"{who}{what}: missing" + (f"; give {right}" if right else "")
    shown = f" (found {clean(repr(error['input']), 60)})" if names else ""
    right = f"; write {RIGHT[key]}" if key in RIGHT else ""
    return at, f"{who}{what}: {message}{shown}{right}"


def read(name: str, text: str) -> tuple[TargetList | None, list[str]]:
    """Read a list; return it, or None and every mistake as ``file:line: …``."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"line (\d+)", str(exc))
        at = found[1] if found else str(text.count("\n") + 1)
        return None, [f"{name}:{at}: not TOML: {exc}; text values stand in quotation marks"]
    lines = _lines(text)
    mistakes: list[str] = []
    try:
        listed = TargetList.model_validate(data)
    except ValidationError as exc:
        entries = data.get("target")
        safe = data if isinstance(entries, list) else {**data, "target": []}
        for error in exc.errors(include_url=False, include_context=False):
            at, message = _explain(error, safe, lines)
            mistakes.append(f"{name}:{at}: {message}")
        return None, mistakes
    targets = []
    for number, target in enumerate(listed.target):
        try:
            targets.append(canonical(target))
        except ValueError as exc:
            field = str(exc).split(":", 1)[0]
            at = lines.get((number, field), 1)
            mistakes.append(f'{name}:{at}: target "{target.id}", {exc}{_right(field)}')
    return listed.model_copy(update={"target": tuple(targets)}), mistakes


def _right(field: str) -> str:
    return f"; write {RIGHT[field]}" if field in RIGHT else ""
