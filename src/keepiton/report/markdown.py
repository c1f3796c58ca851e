"""Markdown for a chat, an issue or a wiki. Names are text, never links."""

import re
from collections.abc import Iterable

from keepiton.base.language import gettext_noop
from keepiton.report import phrases, vocabulary
from keepiton.report.types import Report

HEADER = (
    *(
        gettext_noop("what"),
        gettext_noop("seen from"),
        gettext_noop("how sure"),
        gettext_noop("began"),
        gettext_noop("ended"),
    ),
    *(
        gettext_noop("lasted"),
        gettext_noop("verdict"),
        gettext_noop("failed"),
        gettext_noop("vantages"),
        gettext_noop("observed"),
    ),
    gettext_noop("how"),
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def escape(text: str) -> str:
    """Write text so that it shows as it is, and no bare name becomes a link."""
    # A zero-width non-joiner keeps renderers from linking names and URLs by themselves.
    return _SPECIAL.sub(r"\\\1", text).replace("://", ":\u200c//").replace("www.", "www\u200c.")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Write a table, its cells escaped."""
    names = [escape(name) for name in header]
    return [
        f"| {' | '.join(names)} |",
        "|---" * len(names) + "|",
        *("| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows),
    ]


def render(report: Report) -> str:
    """Write the windows as a table, with the notes that belong to them."""
    language = report.lang
    _ = language.gettext
    title = f"{_('Disruptions.')} {phrases.times(report)}"
    out = [f"## {escape(title)}", "", escape(phrases.basis(report))]
    if old := phrases.warning(report):
        out += ["", f"**{escape(old)}**"]
    rows = [
        [
            f"{window.subject} ({_(vocabulary.SCOPES[window.scope])})",
            _(vocabulary.SIDES[window.perspective]),
            phrases.confidence_text(window, language),
            phrases.began(window, report),
            phrases.ended(window, report),
            phrases.duration(window, language),
            f"{_(window.verdict)}; {phrases.kind(window, language)}",
            _("{bad} of {n}", bad=window.rounds_bad, n=window.rounds),
            phrases.sides(window, language),
            language.percent(window.coverage),
            phrases.failures(window, language),
        ]
        for window in report.windows
    ]
    out += ["", *(table(map(_, HEADER), rows) if rows else [phrases.none_found(report)])]
    if report.event:
        event = phrases.event_name(report.event, language)
        out += ["", f"### {escape(_('Before, during and after: {event}', event=event))}", ""]
        out += [escape(phrases.event_span(report, report.event)), ""]
        comparisons = (
            phrases.comparison_cells(comparison, report) for comparison in report.comparisons
        )
        out += [
            *table(map(_, vocabulary.COMPARISON_HEADER), comparisons),
            "",
            escape(_(vocabulary.COMPARISON_NOTE)),
        ]
    notes = [*phrases.vantage_outages(report), *phrases.remarks(report)]
    out += ["", *(f"- {escape(note)}" for note in notes)]
    out += ["", _(vocabulary.CAVEAT), "", escape(phrases.policy(report))]
    return "\n".join(out) + "\n"
