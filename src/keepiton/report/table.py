"""Plain text for a terminal, a mail or a chat."""

import io
import textwrap

from rich.console import Console
from rich.table import Table

from keepiton.report import common
from keepiton.report.common import Report


def columns(header: list[str], rows: list[list[str]], width: int = 100) -> str:
    """Lay rows out in columns of plain text."""
    grid = Table(*header, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*row)
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, highlight=False, markup=False)
    console.print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def render(report: Report) -> str:
    """Write the windows, the vantages' own lines and what to know beside them."""
    zone = report.zone
    out = [f"Disruptions. Times are {common.zone_name(report)}.", common.basis(report), ""]
    if not report.windows:
        out += ["No disruption found in this data.", ""]
    for window in report.windows:
        out += [
            common.heading(window),
            f"  began      {common.began(window, zone)}",
            f"  ended      {common.ended(window, zone)}",
            f"  lasted     {common.duration(window)}",
            f"  verdict    {window.verdict}",
            f"  kind       {common.kind(window)}",
            f"  evidence   {common.evidence(window)}",
            f"  vantages   {common.vantages(window)}",
            f"  targets    {', '.join(window.targets)}",
            *([f"  operators  {', '.join(window.operators)}"] if window.operators else []),
            f"  refuted by {common.refuted_by(window)}",
            *(f"  witness    {one}" for one in common.witnesses(window)),
            f"  id         {window.id}",
            "",
        ]
    if report.lines:
        out.append("The vantages' own lines (no windows come from these times):")
        out += [*(f"  {one}" for one in common.own_lines(report)), ""]
    out += [f"Note: {one}" for one in common.remarks(report)]
    out += [common.CAVEAT, "", *textwrap.wrap(common.policy(report), 100)]
    return "\n".join(out) + "\n"


def status(report: Report, first: str = "operator", width: int = 100) -> str:
    """Write the quick table: one row a subject."""
    both = len({one.perspective for one in report.statuses}) > 1
    header = [first, "state now", "since", "answering", "last seen", "vantages"]
    rows = []
    for one in report.statuses:
        name = f"{one.subject} ({one.perspective})" if both else one.subject
        share = f"{one.answering} of {one.targets}"
        agree = f"{one.vantages_agree} of {one.vantages}"
        rows.append(
            [
                name,
                common.STATES[one.state],
                common.since(one, report),
                share,
                common.last_seen(one, report),
                agree,
            ]
        )
    seen_from = "" if both else f"Seen from {report.statuses[0].perspective}. "
    times = f"Times are {common.zone_name(report)}."
    out = [f"{seen_from}{times} {common.basis(report)}", "", columns(header, rows, width)]
    out += [f"Note: {one}" for one in common.remarks(report)]
    return "\n".join(out).rstrip() + "\n"
