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


def _name(finding: Finding, *, defang: bool) -> str:
    return name(clean(finding.target)) if defang else clean(finding.target)


def table(findings: Sequence[tuple[str, Finding]], *, show_all: bool, defang: bool) -> str:
    """Write each finding with what it rests on; what was simply reached as a count."""
    out = []
    left = 0
    for file, finding in sorted(
        findings, key=lambda pair: (pair[1].kind == "insufficient", pair[1].target)
    ):
        if finding.kind == "reached" and not finding.detail and not show_all:
            left += 1
            continue
        at = _name(finding, defang=defang) + (f" (redirect {finding.hop})" if finding.hop else "")
        by = f": {clean(finding.artefact)}" if finding.artefact else ""
        lines = ", ".join(map(str, finding.rows[:6])) + (" ..." if len(finding.rows) > 6 else "")  # noqa: PLR2004
        out.append(f"{at}  {finding.kind.replace('_', ' ')}{by}")
        differ = (
            f"; names {finding.names}" if finding.names in ("plausible", "inconsistent") else ""
        )
        out.append(f"  {clean(finding.detail) or 'answered'} (rule {finding.rule}{differ})")
        out.append(f"  {clean(file)}, line{'s' if len(finding.rows) > 1 else ''} {lines}")
    if left:
        out.append(f"{left} reached, with nothing to say of them")
    return "\n".join([*out, NOTE]) + "\n"


def json(findings: Sequence[tuple[str, Finding]], *, defang: bool) -> str:
    """Write every finding as one JSON list."""
    out = [
        {
            "file": clean(file),
            "run": finding.run,
            "vantage": finding.vantage,
            "target": _name(finding, defang=defang),
            "hop": finding.hop,
            "at": utc(finding.at),
            "kind": finding.kind,
            "artefact": finding.artefact and clean(finding.artefact),
            "rule": finding.rule,
            "rows": finding.rows,
            "names": finding.names,
            "detail": clean(finding.detail),
        }
        for file, finding in findings
    ]
    return standard.dumps(out, ensure_ascii=False, indent=1) + "\n"
