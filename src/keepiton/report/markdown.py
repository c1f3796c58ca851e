"""Markdown for a chat, an issue or a wiki. Names are text, never links."""

import re

from keepiton.report import common
from keepiton.report.common import Report

HEADER = (
    *("what", "seen from", "how sure", "began", "ended", "lasted", "verdict", "failed"),
    *("vantages", "observed", "how"),
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def escape(text: str) -> str:
    """Write text so that it shows as it is, and no bare name becomes a link."""
    # A zero-width non-joiner keeps renderers from linking names and URLs by themselves.
    return _SPECIAL.sub(r"\\\1", text).replace("://", ":\u200c//").replace("www.", "www\u200c.")


def render(report: Report) -> str:
    """Write the windows as a table, with the notes that belong to them."""
    zone = report.zone
    out = [f"## Disruptions (times: {common.zone_name(report)})", "", escape(common.basis(report))]
    if report.windows:
        out += [
            "",
            f"| {' | '.join(HEADER)} |",
            "|---" * len(HEADER) + "|",
        ]
        for window in report.windows:
            cells = [
                f"{window.subject} ({window.scope})",
                window.perspective,
                common.sureness(window),
                common.began(window, zone),
                common.ended(window, zone),
                common.duration(window),
                f"{window.verdict}; {common.kind(window)}",
                f"{window.rounds_bad} of {window.rounds}",
                common.sides(window),
                f"{window.coverage:.0%}",
                common.failures(window),
            ]
            out.append("| " + " | ".join(escape(cell) for cell in cells) + " |")
    else:
        out += ["", "No disruption found in this data."]
    notes = [*common.own_lines(report), *common.remarks(report)]
    out += ["", *(f"- {escape(note)}" for note in notes)]
    out += ["", common.CAVEAT, "", escape(common.policy(report))]
    return "\n".join(out) + "\n"
