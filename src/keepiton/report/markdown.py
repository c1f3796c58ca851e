"""Markdown for a chat, an issue or a wiki. Names are text, never links."""

import re
from collections.abc import Iterable

from keepiton.language import noted
from keepiton.report import common
from keepiton.report.common import Report

HEADER = (
    *(noted("what"), noted("seen from"), noted("how sure"), noted("began"), noted("ended")),
    *(noted("lasted"), noted("verdict"), noted("failed"), noted("vantages"), noted("observed")),
    noted("how"),
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def escape(text: str) -> str:
    """Write text so that it shows as it is, and no bare name becomes a link."""
    # A zero-width non-joiner keeps renderers from linking names and URLs by themselves.
    return _SPECIAL.sub(r"\\\1", text).replace("://", ":\u200c//").replace("www.", "www\u200c.")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Write a table, its cells escaped."""
    names = [escape(one) for one in header]
    return [
        f"| {' | '.join(names)} |",
        "|---" * len(names) + "|",
        *("| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows),
    ]


def render(report: Report) -> str:
    """Write the windows as a table, with the notes that belong to them."""
    words = report.words
    _ = words.say
    title = f"{_('Disruptions.')} {common.times(report)}"
    out = [f"## {escape(title)}", "", escape(common.basis(report))]
    if old := common.warning(report):
        out += ["", f"**{escape(old)}**"]
    rows = [
        [
            f"{window.subject} ({_(common.SCOPES[window.scope])})",
            _(common.SIDES[window.perspective]),
            common.sureness(window, words),
            common.began(window, report),
            common.ended(window, report),
            common.duration(window, words),
            f"{_(window.verdict)}; {common.kind(window, words)}",
            _("{bad} of {n}", bad=window.rounds_bad, n=window.rounds),
            common.sides(window, words),
            words.percent(window.coverage),
            common.failures(window, words),
        ]
        for window in report.windows
    ]
    out += ["", *(table(map(_, HEADER), rows) if rows else [common.none_found(report)])]
    if report.event:
        event = common.event_name(report.event, words)
        out += ["", f"### {escape(_('Before, during and after: {event}', event=event))}", ""]
        out += [escape(common.event_span(report, report.event)), ""]
        told = (common.contrast(one, report) for one in report.findings.contrasts)
        out += [*table(map(_, common.CONTRAST_HEADER), told), "", escape(_(common.CONTRAST_NOTE))]
    notes = [*common.own_lines(report), *common.remarks(report)]
    out += ["", *(f"- {escape(note)}" for note in notes)]
    out += ["", _(common.CAVEAT), "", escape(common.policy(report))]
    return "\n".join(out) + "\n"
