"""Citizen Lab's test lists (CSV), as a user hands them over; none is shipped."""

import csv
import io

from keepiton.model import Target, TargetList, clean
from keepiton.names import web_url

HARMLESS = frozenset({"CTRL", "CULTR", "ECON", "FOOD", "GOVT", "IGO", "SRCH", "ENV", "COMM"})
"""Categories without a known danger in visiting; every other one raises the list's risk."""


def matches(text: str) -> bool:
    """Whether the text is such a file."""
    return text.lstrip("\ufeff").startswith("url,category_code")


def read(name: str, text: str) -> tuple[TargetList | None, list[str]]:
    """Read a list; return it, or None and every mistake as ``file:line: …``."""
    targets: list[Target] = []
    mistakes: list[str] = []
    sensitive: set[str] = set()
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    for row in rows:
        code = (row.get("category_code") or "").strip()
        try:
            url = web_url(row.get("url") or "")
        except ValueError as exc:
            mistakes.append(f"{name}:{rows.line_num}: url: {exc}")
            continue
        if code not in HARMLESS:
            sensitive.add(clean(code, 8) or "none")
        role = code.lower() if code.isalnum() and code.isascii() else "other"
        targets.append(Target(id=url, url=url, role=role[:32], source="Citizen Lab test list"))
    if not targets and not mistakes:
        mistakes.append(f"{name}:2: no rows; a url in the first column is needed")
    if mistakes:
        return None, mistakes
    why = f"holds categories that can be dangerous to visit: {', '.join(sorted(sensitive))}"
    return (
        TargetList(
            title=name[:200],
            target=tuple(targets),
            risk="high" if sensitive else "medium",
            why=why[:500] if sensitive else "a list of sites that may be illegal to visit",
        ),
        [],
    )
