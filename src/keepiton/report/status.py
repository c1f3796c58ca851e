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


def _cells(one: Status, report: Report) -> list[str]:
    _ = report.lang.gettext
    return [
        one.subject,
        phrases.state(one, report),
        phrases.since(one, report),
        _("{part} of {n}", part=one.answering, n=one.targets),
        _("{part} of {n}", part=one.vantages_agree, n=one.vantages),
    ]


def _above(report: Report) -> list[str]:
    zone = report.lang.gettext("Times are {zone}.", zone=phrases.zone_name(report))
    said = f"{zone} {phrases.basis(report)}."
    old = phrases.warning(report)
    return [f"!! {old} !!", said] if old else [said]


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
    sides = sorted({one.perspective for one in report.statuses})
    return [
        (
            report.lang.gettext(vocabulary.SEEN_FROM[side]),
            [one for one in report.statuses if one.perspective == side],
        )
        for side in sides
    ]


def table(report: Report) -> str:
    """Write one row a subject, or one card where the screen is narrow."""
    width = report.width
    _ = report.lang.gettext
    out = [line for one in _above(report) for line in textwrap.wrap(one, width)]
    header = [_(vocabulary.SCOPES[report.by]), *map(_, TITLES)]
    rows = [_cells(one, report) for one in report.statuses]
    wide = [max(map(cell_len, column)) + GAP for column in zip(header, *rows, strict=True)]
    last = cell_len(_(LAST))
    fit = next((fit for fit in FITS if sum(wide[: fit[0]]) + max(fit[1], last) <= width), None)
    for side, statuses in _sides(report):
        out += ["", f"{side[:1].upper()}{side[1:]}:", ""]
        if fit:
            told = [
                [*_cells(one, report)[: fit[0]], phrases.strip(one.trend, fit[1])]
                for one in statuses
            ]
            out += columns([*header[: fit[0]], _(LAST)], told, width).splitlines()
        else:
            for one in statuses:
                out += _card(one, report, width)
    out.append("")
    for note in _below(report):
        out += textwrap.wrap(note, width)
    return "\n".join(out) + "\n"


def _card(one: Status, report: Report, width: int) -> list[str]:
    _ = report.lang.gettext
    name, now, since, answers, agree = _cells(one, report)
    told = [
        _("since {since}", since=since),
        _("answers {share}, vantages {agree}", share=answers, agree=agree),
    ]
    lines = [f"{now}  {name}", *(f"  {line}" for line in told)]
    return [
        *(set_cell_size(line, width).rstrip() for line in lines),
        "  " + phrases.strip(one.trend, CELLS),
    ]


def in_markdown(report: Report) -> str:
    """Write the same as a Markdown table."""
    _ = report.lang.gettext
    header = [_(vocabulary.SCOPES[report.by]), *map(_, TITLES), _(LAST)]
    out = [markdown.escape(one) for one in _above(report)]
    for side, statuses in _sides(report):
        rows = [[*_cells(one, report), phrases.strip(one.trend, CELLS)] for one in statuses]
        out += ["", markdown.escape(side), "", *markdown.table(header, rows)]
    return "\n".join([*out, "", *(f"- {markdown.escape(one)}" for one in _below(report))]) + "\n"


def in_csv(report: Report) -> str:
    """Write one row a subject for a spreadsheet; times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for one in report.statuses:
        since = one.since or (None, None)
        told = {
            **{name: getattr(one, name) for name in HEADER if hasattr(one, name)},
            "group": report.by,
            "since_earliest": since[0],
            "since_latest": since[1],
        }
        writer.writerow([cell(told[name]) for name in HEADER])
    return out.getvalue()
