"""Findings of single runs, as a table or JSON."""

import json as standard
from collections.abc import Sequence

from keepiton.base.types import clean, utc
from keepiton.findings.types import Finding
from keepiton.report.defang import name

NOTE = (
    "A finding rests on one run from one vantage; report weighs many."
    " Rules: docs/reference/findings.md."
)


def _name(one: Finding, *, defang: bool) -> str:
    return name(clean(one.target)) if defang else clean(one.target)


def table(found: Sequence[tuple[str, Finding]], *, show_all: bool, defang: bool) -> str:
    """Write each finding with what it rests on; what was simply reached as a count."""
    out = []
    left = 0
    for file, one in sorted(
        found, key=lambda pair: (pair[1].kind == "insufficient", pair[1].target)
    ):
        if one.kind == "reached" and not one.detail and not show_all:
            left += 1
            continue
        at = _name(one, defang=defang) + (f" (redirect {one.hop})" if one.hop else "")
        by = f": {clean(one.artefact)}" if one.artefact else ""
        lines = ", ".join(map(str, one.rows[:6])) + (" ..." if len(one.rows) > 6 else "")  # noqa: PLR2004
        out.append(f"{at}  {one.kind.replace('_', ' ')}{by}")
        differ = f"; names {one.names}" if one.names in ("plausible", "inconsistent") else ""
        out.append(f"  {clean(one.detail) or 'answered'} (rule {one.rule}{differ})")
        out.append(f"  {clean(file)}, line{'s' if len(one.rows) > 1 else ''} {lines}")
    if left:
        out.append(f"{left} reached, with nothing to say of them")
    return "\n".join([*out, NOTE]) + "\n"


def json(found: Sequence[tuple[str, Finding]], *, defang: bool) -> str:
    """Write every finding as one JSON list."""
    out = [
        {
            "file": clean(file),
            "run": one.run,
            "vantage": one.vantage,
            "target": _name(one, defang=defang),
            "hop": one.hop,
            "at": utc(one.at),
            "kind": one.kind,
            "artefact": one.artefact and clean(one.artefact),
            "rule": one.rule,
            "rows": one.rows,
            "names": one.names,
            "detail": clean(one.detail),
        }
        for file, one in found
    ]
    return standard.dumps(out, ensure_ascii=False, indent=1) + "\n"
