"""Timelines as SVG: operators as rows, stages inside, edges as sure as they are.

Drawn without a script, a link or a font of its own, so that it can stand in a page, in a post and
in print; what is uncertain fades, what nobody could know is hatched.
"""

import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from html import escape
from importlib import resources
from itertools import groupby

from keepiton.base.language import gettext_noop
from keepiton.base.types import STAGES, clean
from keepiton.detect.types import ConnectivityPeriod, Status, Window
from keepiton.report import phrases, vocabulary
from keepiton.report.types import ExternalSeries, Report

LABEL = 150
"""Pixels left of the plot."""
PLOT = 800
"""Most pixels of the plot."""
TOP = 66
ROW, BAR, STRIPE = 36, 9, 4
"""Heights: of a row, of the bar of its windows, of one stage."""
LINE = 16
OTHER = 54
LEVELS = (0.0, 0.1, 0.5, 0.9)
"""Failed shares up to which a stripe has each shade; the last shade is for more."""
TICKS_H = (1, 2, 3, 6, 12, 24, 48, 72, 168, 336, 720, 2160, 8760)
MOST_TICKS = 10
FOOT = 165
"""Most letters of a line below the picture."""
NAME = 22
"""Most letters of a name on the left."""
MOST_POINTS = 600
GAP_STEPS = 1.5
"""Usual intervals of other people's figures beyond which a line is not drawn on."""
EVENT_LINES, EVENT_NAME, LETTER = 3, 60, 5.6
"""Lines that names of events may take, their longest name, and how wide a letter is."""
LEGEND = (
    ("g0", gettext_noop("answered")),
    ("g1", gettext_noop("up to 10% failed")),
    ("g2", gettext_noop("up to half failed")),
    ("g3", gettext_noop("up to 90% failed")),
    ("g4", gettext_noop("more failed")),
    ("hid", gettext_noop("own line down: says nothing")),
    ("void", gettext_noop("no data")),
)


def styles() -> str:
    """Return the style sheet of timelines."""
    return (resources.files(__package__) / "timeline.css").read_text(encoding="utf-8")


def render(report: Report) -> str:
    """Write a picture that stands alone, with its heading and what it rests on."""
    _ = report.lang.gettext
    body, height = drawn(report, 34)
    foot = [
        f"{phrases.times(report)} {phrases.basis(report)}",
        _(vocabulary.CAVEAT),
        _("Made with keepiton. Names are no links."),
    ]
    lines = [line for note in foot for line in textwrap.wrap(clean(note, 600), FOOT)]
    notes = "".join(
        f'<text class="sub" x="8" y="{height + 14 * n}">{escape(line)}</text>'
        for n, line in enumerate(lines, 1)
    )
    title = escape(clean(phrases.title(report), 120))
    legend, last = _legend(report, height + 14 * len(lines) + 16)
    notes += legend
    tall = last + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" viewBox="0 0 {LABEL + PLOT + 10}'
        f' {tall}" width="{LABEL + PLOT + 10}" height="{tall}" role="img">'
        f"<title>{title}</title><style>{styles()}</style>"
        f'<rect class="paper" width="100%" height="100%"/>'
        f'<text class="head" x="8" y="22">{title}</text>{body}{notes}</svg>\n'
    )


def _legend(report: Report, y: int) -> tuple[str, int]:
    """Draw what each shade means, in as many lines as it takes; return where the last one is."""
    out, x = [], 8.0
    for kind, text in LEGEND:
        label = report.lang.gettext(text)
        wide = 40 + LETTER * len(label)
        if x + wide > LABEL + PLOT:
            x, y = 8.0, y + 16
        shape = (
            f'<rect class="void" x="{x:.0f}" y="{y - 8}" width="20" height="8"/>'
            if kind == "void"
            else f'<path class="row {kind}" stroke-width="8" d="M{x:.0f} {y - 4}h20"/>'
        )
        out.append(f'{shape}<text class="sub" x="{x + 24:.0f}" y="{y}">{escape(label)}</text>')
        x += wide
    return "".join(out), y


def inline(report: Report) -> str:
    """Write the picture for a page that has the style sheet."""
    body, height = drawn(report, 0)
    _ = report.lang.gettext
    title = escape(_("Timeline of what answered, by operator and stage"))
    return (
        f'<svg class="tl" viewBox="0 0 {LABEL + PLOT + 10} {height}" role="img"'
        f' aria-labelledby="tl-title"><title id="tl-title">{title}</title>{body}</svg>'
    )


class _Axis:
    """From instants to pixels."""

    def __init__(self, report: Report) -> None:
        self.count = max((len(status.trend.good) for status in report.statuses), default=24)
        self.each = max(1, PLOT // self.count)
        self.start = report.trend_start
        self.step = timedelta(seconds=report.trend_step_s)
        self.end = self.start + self.count * self.step
        self.width = self.count * self.each

    def x(self, at: datetime) -> float:
        """Return where an instant is, kept inside the plot."""
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return round(LABEL + share * self.width, 1)


def drawn(report: Report, top: int) -> tuple[str, int]:
    """Return the picture's inside and its height in pixels."""
    axis = _Axis(report)
    marks = _events(report, axis, top + 10)
    head = top + (TOP if marks else TOP - EVENT_LINES * 12)
    rows, y = [], head
    both = len({status.perspective for status in report.statuses}) > 1
    whole = [window for window in report.windows if window.scope == "country"]
    if whole:
        rows.append(_label(report.lang.gettext("whole country"), "", y))
        rows.append(_bars(whole, report, axis, y))
        y += ROW // 2 + 4
    for status in report.statuses:
        side = report.lang.gettext(vocabulary.SIDES[status.perspective]) if both else ""
        rows.append(
            f'<g role="img" aria-label="{escape(phrases.finding_title(status, report.lang))}">'
        )
        rows.append(_label(status.subject, side, y))
        rows.append(_stripes(status, axis, y + BAR + 2))
        mine = [window for window in report.windows if _belongs(window, status)]
        rows += [_bars(mine, report, axis, y), "</g>"]
        y += ROW
    for vantage, periods in groupby(
        sorted(report.connectivity_periods, key=lambda period: period.vantage),
        key=lambda period: period.vantage,
    ):
        rows.append(_label(vantage, report.lang.gettext("own line"), y))
        rows.append(_connectivity_periods(list(periods), report, axis, y))
        y += LINE + 14
    for series in report.external:
        rows.append(_external(series, axis, y))
        y += OTHER
    grid = _grid(report, axis, head - 4, y)
    bands = "".join(mark.format(tall=y - top - 36) for mark in marks)
    return f"{_DEFS}{bands}{grid}{''.join(rows)}", y + 6


_DEFS = (
    '<defs><pattern id="hid" width="5" height="5" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><path class="hatch" d="M0 0v5"/></pattern>'
    '<pattern id="void" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<circle class="dots" cx="2" cy="2" r=".8"/></pattern>'
    + "".join(
        f'<linearGradient id="{way}-{kind}"><stop class="w-{kind}" offset="0"'
        f' stop-opacity="{first}"/><stop class="w-{kind}" offset="1" stop-opacity="{last}"/>'
        "</linearGradient>"
        for kind in vocabulary.SEVERITIES
        for way, first, last in (("in", 0.08, 1), ("out", 1, 0.08))
    )
    + "</defs>"
)


def _belongs(window: Window, status: Status) -> bool:
    if window.scope == "country" or window.perspective not in (status.perspective, "both"):
        return False
    return status.subject == window.subject or status.subject in window.operators


def _label(name: str, below: str, y: int) -> str:
    shown = name if len(name) <= NAME else name[: NAME - 1] + "…"
    text = f'<text x="{LABEL - 8}" y="{y + 10}" text-anchor="end">{escape(shown)}</text>'
    if below:
        text += (
            f'<text class="sub" x="{LABEL - 8}" y="{y + 22}" text-anchor="end">'
            f"{escape(below)}</text>"
        )
    return text


def _levels(status: Status) -> Iterator[tuple[int, list[str]]]:
    """Yield each stage's place and the class of each of its cells; "" of none."""
    trend = status.trend
    for place, stage in enumerate(STAGES):
        cells = []
        for n, (tried, failed) in enumerate(
            zip(trend.tried[stage], trend.failed[stage], strict=True)
        ):
            if tried:
                share = failed / tried
                cells.append(f"g{sum(share > limit for limit in LEVELS)}")
            elif trend.good[n] + trend.bad[n]:
                cells.append("n")
            else:
                cells.append("hid" if trend.inconclusive[n] else "")
        yield place, cells


def _stripes(status: Status, axis: _Axis, y: int) -> str:
    paths: dict[str, list[str]] = {}
    for place, cells in _levels(status):
        at = LABEL
        middle = y + place * (STRIPE + 1) + STRIPE // 2
        for kind, same in groupby(cells):
            wide = sum(1 for _ in same) * axis.each
            for one_kind in ("n", kind) if kind == "hid" else (kind,):
                if one_kind:
                    paths.setdefault(one_kind, []).append(f"M{at} {middle}h{wide}")
            at += wide
    tall = len(STAGES) * (STRIPE + 1)
    base = f'<rect class="void" x="{LABEL}" y="{y}" width="{axis.width}" height="{tall - 1}"/>'
    return base + "".join(
        f'<path class="row {kind}" stroke-width="{STRIPE}" d="{"".join(parts)}"/>'
        for kind, parts in sorted(paths.items(), reverse=True)
    )


def _bars(windows: Iterable[Window], report: Report, axis: _Axis, y: int) -> str:
    out = []
    for window in windows:
        fade = axis.x(window.start_earliest or window.start_latest)
        begin = axis.x(window.start_latest)
        end = max(axis.x(window.end_earliest), begin + 2)
        gone = axis.x(window.end_latest or window.end_earliest)
        if window.ongoing:
            end = gone = max(end, axis.x(report.now))
        kind = window.severity
        label = f"{phrases.heading(window, report.lang)}; {phrases.began(window, report)}"
        shapes = [f'<rect class="w-{kind}" x="{begin}" y="{y}" width="{end - begin:.1f}"']
        if fade < begin:
            shapes.append(
                f'<rect fill="url(#in-{kind})" x="{fade}" y="{y}" width="{begin - fade:.1f}"'
            )
        if gone > end:
            shapes.append(
                f'<rect fill="url(#out-{kind})" x="{end}" y="{y}" width="{gone - end:.1f}"'
            )
        drawn_ = "".join(f'{shape} height="{BAR - 1}"/>' for shape in shapes)
        sure = report.lang.confidence(window.confidence)
        near = max(end, gone) + 2
        place = (
            f'x="{near}"'
            if near < LABEL + axis.width - 20
            else (f'x="{fade - 2}" text-anchor="end"')
        )
        out.append(
            f"<g><title>{escape(label)}</title>{drawn_}"
            f'<text class="sure" {place} y="{y + 7}">{sure}</text></g>'
        )
    return "".join(out)


def _connectivity_periods(
    periods: list[ConnectivityPeriod], report: Report, axis: _Axis, y: int
) -> str:
    _ = report.lang.gettext
    return "".join(
        f'<rect class="line{"" if period.connectivity.counts_as_offline else " told"}"'
        f' x="{axis.x(period.start)}"'
        f' y="{y}" width="{max(2.0, axis.x(period.end) - axis.x(period.start)):.1f}"'
        f' height="{LINE - 4}">'
        f"<title>{escape(_(period.connectivity.text))}</title></rect>"
        for period in periods
        if period.end >= axis.start and period.start <= axis.end
    )


def _external(series: ExternalSeries, axis: _Axis, y: int) -> str:
    """Draw other people's figures by themselves, from 0 or their least to their most."""
    inside = [(at, value) for at, value in series.points if axis.start <= at <= axis.end]
    values = [value for _, value in inside if value is not None]
    name = f"{series.source}: {series.name}"
    if not values:
        return _label(series.source, "-", y)
    low, high = min(0.0, *values), max(values)
    scale = (OTHER - 16) / ((high - low) or 1)
    size = -(-len(inside) // MOST_POINTS)
    gap = timedelta(seconds=GAP_STEPS * size * series.step_s)
    path: list[str] = []
    drawn_at: datetime | None = None
    for at, value in inside[::size]:
        if value is not None:
            pen = "L" if drawn_at and at - drawn_at <= gap else "M"
            path.append(f"{pen}{axis.x(at)} {y + OTHER - 10 - (value - low) * scale:.1f}")
        drawn_at = at if value is not None else None
    return (
        f"<g><title>{escape(name)}</title>{_label(series.source, series.name[:NAME], y)}"
        f'<text class="sub" x="{LABEL - 8}" y="{y + 36}" text-anchor="end">{low:g}–{high:g}</text>'
        f'<path class="other" d="{"".join(path)}"/></g>'
    )


def _grid(report: Report, axis: _Axis, y: int, bottom: int) -> str:
    length_h = (axis.end - axis.start) / timedelta(hours=1)
    step = timedelta(
        hours=next((hours for hours in TICKS_H if length_h / hours <= MOST_TICKS), TICKS_H[-1])
    )
    first = axis.start.astimezone(report.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    out = []
    for n in range(int((axis.end - first) / step) + 1):
        at = first + n * step
        if not axis.start <= at < axis.end:
            continue
        local = at.astimezone(report.zone)
        day = report.lang.day(local, year=False)
        text = day if local.hour == 0 else f"{local:%H:%M}"
        x = axis.x(at)
        out.append(f'<path class="grid" d="M{x} {y}V{bottom}"/>')
        if x < LABEL + axis.width - 24:
            out.append(f'<text class="tick" x="{x + 2}" y="{y - 3}">{escape(text)}</text>')
    return "".join(out)


def _events(report: Report, axis: _Axis, y: int) -> list[str]:
    """Draw a band for each event; how tall it is, ``{tall}``, is known when all rows stand."""
    out = []
    taken = [0.0] * EVENT_LINES
    for event in sorted(report.events, key=lambda event: event.span()):
        start, end = event.span()
        if end < axis.start or start > axis.end:
            continue
        left, right = axis.x(start), axis.x(end)
        name = clean(phrases.event_name(event, report.lang), EVENT_NAME)
        shown = escape(name).replace("{", "{{").replace("}", "}}")
        # The first line with room for it; without any, the name shows when it is pointed at.
        line = next((n for n, until in enumerate(taken) if until <= left), None)
        label = ""
        if line is not None:
            taken[line] = left + LETTER * len(name)
            label = f'<text class="eventname" x="{left + 2}" y="{y + 12 * line}">{shown}</text>'
        out.append(
            f'<g><title>{shown}</title><rect class="event" x="{left}" y="{y + 26}"'
            f' width="{max(2.0, right - left):.1f}" height="{{tall}}"/>{label}</g>'
        )
    return out
