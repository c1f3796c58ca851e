"""Plain text for a terminal, a mail or a chat."""

import io
import textwrap

from rich.console import Console
from rich.table import Table

from keepiton.report import phrases, vocabulary
from keepiton.report.types import Report


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
    language = report.lang
    _ = language.gettext
    out = [f"{_('Disruptions.')} {phrases.times(report)}"]
    if old := phrases.warning(report):
        out.append(old)
    out += [phrases.basis(report), ""]
    if not report.windows:
        out += [phrases.none_found(report), ""]
    for window in report.windows:
        rows = [
            (_("began"), phrases.began(window, report)),
            (_("ended"), phrases.ended(window, report)),
            (_("lasted"), phrases.duration(window, language)),
            *phrases.facts(window, report),
        ]
        wide = max(len(name) for name, _told in rows)
        out.append(phrases.heading(window, language))
        out += [f"  {name:<{wide}} {value}" for name, value in rows]
        out.append("")
    if report.event:
        event = phrases.event_name(report.event, language)
        out.append(_("Before, during and after: {event}", event=event))
        out += textwrap.wrap(phrases.event_span(report, report.event), 100)
        for comparison in report.comparisons:
            subject, side, *cells = phrases.comparison_cells(comparison, report)
            out.append(f"{subject} ({side})")
            names = map(_, vocabulary.COMPARISON_HEADER[2:])
            out += [f"  {name}: {value}" for name, value in zip(names, cells, strict=True)]
        out += [*textwrap.wrap(_(vocabulary.COMPARISON_NOTE), 100), ""]
    if report.connectivity_periods:
        out.append(_("The vantages' own lines (no windows come from these times):"))
        out += [*(f"  {comparison}" for comparison in phrases.vantage_outages(report)), ""]
    out += [_("Note: {note}", note=comparison) for comparison in phrases.remarks(report)]
    out += [_(vocabulary.CAVEAT), "", *textwrap.wrap(phrases.policy(report), 100)]
    return "\n".join(out) + "\n"
