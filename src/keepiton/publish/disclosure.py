"""Disclosure sheets: a page an operator, of what the public may ask it to say in full."""

from collections.abc import Sequence
from dataclasses import dataclass

from keepiton.base.language import gettext_noop
from keepiton.detect.types import Window
from keepiton.publish import html
from keepiton.report import phrases, vocabulary
from keepiton.report.markdown import escape
from keepiton.report.types import Report

UNKNOWN = (
    gettext_noop("Who or what caused it, and whether it was meant."),
    gettext_noop("How many subscribers it touched, in which places, and on which kinds of access."),
    gettext_noop("What happened between two looks, and where nobody looked."),
    gettext_noop("Whether phones on mobile networks fared as the probed networks did."),
)
ASKED = (
    gettext_noop("When did each disruption begin and end by your own records?"),
    gettext_noop("Which services, places and subscribers did it touch?"),
    gettext_noop("What caused it? If it was ordered: by whom, on what legal ground, for how long?"),
    gettext_noop("What was kept as evidence (logs, orders, routing changes), and who may see it?"),
    gettext_noop("What will be done so that it does not happen again?"),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One operator's page."""

    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]


def sheets(report: Report) -> list[Sheet]:
    """Write one sheet for each operator that a window touched, most touched first."""
    affected: dict[str, list[Window]] = {}
    for window in report.windows:
        for name in window.operators:
            affected.setdefault(name, []).append(window)
    ordered = sorted(affected, key=lambda name: -sum(window.impact for window in affected[name]))
    return [_sheet(name, affected[name], report) for name in ordered]


def _sheet(operator: str, windows: Sequence[Window], report: Report) -> Sheet:
    language = report.lang
    _ = language.gettext
    of_what = phrases.event_name(report.event, language) if report.event else phrases.title(report)
    files = {row.file for window in windows for row in window.evidence}
    hashes = {seal.file: seal.sha256 for seal in report.sealed}
    evidence = [
        _("{file}, SHA-256 {hash}", file=name, hash=hashes[name]) if name in hashes else name
        for name in sorted(files)
    ]
    compared = [
        "; ".join(
            f"{_(name)}: {value}"
            for name, value in zip(
                vocabulary.COMPARISON_HEADER[1:],
                phrases.comparison_cells(comparison, report)[1:],
                strict=True,
            )
        )
        for comparison in report.comparisons
        if comparison.subject == operator
    ]
    sections = [
        (_("When, what and for how long"), [_window(window, report) for window in windows]),
        (_("Before, during and after"), compared),
        (
            _("How it was measured"),
            [
                phrases.basis(report),
                _(
                    "Probes asked for names and connected over TCP, TLS and HTTP, as a browser"
                    " does; failures were confirmed, and controls told whether the prober's own"
                    " line was up."
                ),
                phrases.times(report),
            ],
        ),
        (_("What is unknown"), [*map(_, UNKNOWN), *phrases.remarks(report)]),
        (_("Evidence attached"), evidence or [_("Result files, on request.")]),
        (_("What only the operator can say"), list(map(_, ASKED))),
    ]
    return Sheet(
        _("Disclosure sheet: {operator}. {event}", operator=operator, event=of_what),
        tuple((name, tuple(lines)) for name, lines in sections if lines),
    )


def _window(window: Window, report: Report) -> str:
    language = report.lang
    return language.gettext(
        "{what}. Began {began}; ended {ended}; lasted {lasted}. {kind}. {verdict}. Targets:"
        " {targets}. {evidence}. Refuted by {refuted}.",
        what=phrases.heading(window, language),
        began=phrases.began(window, report),
        ended=phrases.ended(window, report),
        lasted=phrases.duration(window, language),
        kind=phrases.kind(window, language),
        verdict=language.gettext(window.verdict),
        targets=", ".join(window.targets),
        evidence=phrases.evidence(window, language),
        refuted=phrases.refuted_by(window, language),
    )


def in_markdown(report: Report) -> str:
    """Write the sheets one after another, for a letter or an issue."""
    out = []
    for sheet in sheets(report):
        out += [f"# {escape(sheet.title)}", ""]
        for name, lines in sheet.sections:
            out += [f"## {escape(name)}", "", *(f"- {escape(line)}" for line in lines), ""]
        out += ["---", ""]
    if not out:
        out = [phrases.none_found(report), ""]
    return "\n".join([*out, report.lang.gettext(vocabulary.CAVEAT)]) + "\n"


def in_html(report: Report) -> str:
    """Write the sheets as one page that prints one operator a sheet."""
    return html.fill("disclosure.html.jinja", report, sheets=sheets(report))
