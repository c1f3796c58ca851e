"""Who answers now, and since when: quick tables for a terminal, a chat and a spreadsheet."""

import csv
import io
import textwrap

from rich.cells import cell_len, set_cell_size

from keepiton.base.language import gettext_noop
from keepiton.detect.types import Status
from keepiton.report import markdown, phrases, vocabulary
from keepiton.report.csv import cell
from keepiton.report.table import columns
from keepiton.report.types import Report

CELLS = 24
"""Of a trend, where there is room: one an hour."""
FITS = ((5, 24), (5, 12), (5, 8), (5, 6), (4, 12), (4, 8), (4, 6))
"""Columns before the trend and cells of it, the first that fits the screen; else cards."""
GAP = 2
HEADER = (
    *("subject", "group", "perspective", "state", "since_earliest", "since_latest", "confidence"),
    *("answering", "targets", "last_seen", "vantages_agree", "vantages"),
)
TITLES = (
    gettext_noop("state now"),
    gettext_noop("since"),
    gettext_noop("answers"),
    gettext_noop("vantages"),
)
LAST = gettext_noop("24 h")


def _cells(status: Status, report: Report) -> list[str]:
    _ = report.lang.gettext
    return [
        status.subject,
        phrases.state(status, report),
        phrases.since(status, report),
        _("{part} of {n}", part=status.answering, n=status.targets),
        _("{part} of {n}", part=status.vantages_agree, n=status.vantages),
    ]


def _above(report: Report) -> list[str]:
    zone = report.lang.gettext("Times are {zone}.", zone=phrases.zone_name(report))
    basis = f"{zone} {phrases.basis(report)}."
    old = phrases.warning(report)
    return [f"!! {old} !!", basis] if old else [basis]


def _below(report: Report) -> list[str]:
    _ = report.lang.gettext
    legend = _(
        "Last 24 h: the higher, the more answered; {nothing} no data, {hidden} could not tell.",
        nothing=vocabulary.NOTHING,
        hidden=vocabulary.HIDDEN,
    )
    lines = phrases.vantage_outages(report) if report.by == "vantage" else []
    return [legend, *lines, *phrases.remarks(report)]


def _sides(report: Report) -> list[tuple[str, list[Status]]]:
    """Return the states seen from each side, with what to call it."""
    sides = sorted({status.perspective for status in report.statuses})
    return [
        (
            report.lang.gettext(vocabulary.SEEN_FROM[side]),
            [status for status in report.statuses if status.perspective == side],
        )
        for side in sides
    ]


def table(report: Report) -> str:
    """Write one row a subject, or one card where the screen is narrow."""
    width = report.width
    _ = report.lang.gettext
    out = [line for status in _above(report) for line in textwrap.wrap(status, width)]
    header = [_(vocabulary.SCOPES[report.by]), *map(_, TITLES)]
    rows = [_cells(status, report) for status in report.statuses]
    wide = [max(map(cell_len, column)) + GAP for column in zip(header, *rows, strict=True)]
    last = cell_len(_(LAST))
    fit = next((fit for fit in FITS if sum(wide[: fit[0]]) + max(fit[1], last) <= width), None)
    for side, statuses in _sides(report):
        out += ["", f"{side[:1].upper()}{side[1:]}:", ""]
        if fit:
            cells = [
                [*_cells(status, report)[: fit[0]], phrases.strip(status.trend, fit[1])]
                for status in statuses
            ]
            out += columns([*header[: fit[0]], _(LAST)], cells, width).splitlines()
        else:
            for status in statuses:
                out += _card(status, report, width)
    out.append("")
    for note in _below(report):
        out += textwrap.wrap(note, width)
    return "\n".join(out) + "\n"


def _card(status: Status, report: Report, width: int) -> list[str]:
    _ = report.lang.gettext
    name, now, since, answers, agree = _cells(status, report)
    details = [
        _("since {since}", since=since),
        _("answers {share}, vantages {agree}", share=answers, agree=agree),
    ]
    lines = [f"{now}  {name}", *(f"  {line}" for line in details)]
    return [
        *(set_cell_size(line, width).rstrip() for line in lines),
        "  " + phrases.strip(status.trend, CELLS),
    ]


def in_markdown(report: Report) -> str:
    """Write the same as a Markdown table."""
    _ = report.lang.gettext
    header = [_(vocabulary.SCOPES[report.by]), *map(_, TITLES), _(LAST)]
    out = [markdown.escape(note) for note in _above(report)]
    for side, statuses in _sides(report):
        rows = [[*_cells(note, report), phrases.strip(note.trend, CELLS)] for note in statuses]
        out += ["", markdown.escape(side), "", *markdown.table(header, rows)]
    return "\n".join([*out, "", *(f"- {markdown.escape(note)}" for note in _below(report))]) + "\n"


def in_csv(report: Report) -> str:
    """Write one row a subject for a spreadsheet; times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for status in report.statuses:
        since = status.since or (None, None)
        cells = {
            **{name: getattr(status, name) for name in HEADER if hasattr(status, name)},
            "group": report.by,
            "since_earliest": since[0],
            "since_latest": since[1],
        }
        writer.writerow([cell(cells[name]) for name in HEADER])
    return out.getvalue()
