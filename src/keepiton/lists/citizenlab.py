"""Citizen Lab's test lists (CSV), as a user hands them over; none is shipped."""

import csv
import io
from collections.abc import Iterator

from keepiton.base.types import clean
from keepiton.lists.canonical import as_list, id_of_url, listed_url
from keepiton.lists.types import Target, TargetList

HARMLESS = frozenset({"CTRL", "CULTR", "ECON", "FOOD", "GOVT", "IGO", "SRCH", "ENV", "COMM"})
"""Categories without a known danger in visiting; every other one raises the list's risk."""


def matches(text: str) -> bool:
    """Whether the text is such a file."""
    return text.lstrip("\ufeff").startswith("url,category_code")


def _readable(
    name: str, rows: "csv.DictReader[str]", mistakes: list[str]
) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as exc:
        mistakes.append(f"{name}:{rows.line_num}: {exc}; save the file as CSV, a URL a line")


def read(name: str, text: str) -> tuple[TargetList | None, list[str]]:
    """Read a list; return it, or None and every mistake as ``file:line: …``."""
    targets: list[Target] = []
    mistakes: list[str] = []
    sensitive: set[str] = set()
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=None))
    for row in _readable(name, rows, mistakes):
        code = (row.get("category_code") or "").strip()
        try:
            url = listed_url(row.get("url") or "")
        except ValueError as exc:
            mistakes.append(f"{name}:{rows.line_num}: url: {exc}")
            continue
        if code not in HARMLESS:
            sensitive.add(clean(code, 8) or "none")
        role = code.lower() if code.isalnum() and code.isascii() else "other"
        targets.append(
            Target(id=id_of_url(url), url=url, role=role[:32], source="Citizen Lab test list")
        )
    if not targets and not mistakes:
        mistakes.append(f"{name}:2: no rows; a url in the first column is needed")
    if not sensitive:
        why = "a list of sites that may be illegal to visit"
        return as_list(name, targets, mistakes, risk="medium", why=why)
    why = f"holds categories that can be dangerous to visit: {', '.join(sorted(sensitive))}"
    return as_list(name, targets, mistakes, risk="high", why=why[:500])
