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
    words = report.words
    _ = words.say
    out = [f"{_('Disruptions.')} {common.times(report)}"]
    if old := common.warning(report):
        out.append(old)
    out += [common.basis(report), ""]
    if not report.windows:
        out += [common.none_found(report), ""]
    for window in report.windows:
        rows = [
            (_("began"), common.began(window, report)),
            (_("ended"), common.ended(window, report)),
            (_("lasted"), common.duration(window, words)),
            (_("verdict"), _(window.verdict)),
            (_("kind"), common.kind(window, words)),
            (_("evidence"), common.evidence(window, words)),
            (_("vantages"), common.vantages(window, words)),
            (_("targets"), ", ".join(window.targets)),
            (_("operators"), ", ".join(window.operators)),
            (_("refuted by"), common.refuted_by(window, words)),
            *((_("witness"), one) for one in common.witnesses(window)),
            (_("id"), window.id),
        ]
        wide = max(len(name) for name, _told in rows)
        out.append(common.heading(window, words))
        out += [f"  {name:<{wide}} {told}" for name, told in rows if told]
        out.append("")
    if report.lines:
        out.append(_("The vantages' own lines (no windows come from these times):"))
        out += [*(f"  {one}" for one in common.own_lines(report)), ""]
    out += [_("Note: {note}", note=one) for one in common.remarks(report)]
    out += [_(common.CAVEAT), "", *textwrap.wrap(common.policy(report), 100)]
    return "\n".join(out) + "\n"
