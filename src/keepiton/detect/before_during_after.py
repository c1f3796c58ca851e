"""Before, during and after an event: how much was reached, and how fast. Pure.

Intervals are of the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap,
1993, chapter 13), by clusters (Davison and Hinkley, Bootstrap Methods and their Application, 1997,
section 3.8). What is resampled is whole hours with all that every vantage saw in them: targets of a
run fall together, and so do the runs of an hour, whoever made them, so that intervals from single
rounds or runs would be much too narrow. Hours are not independent either: of one long cut, or of
fewer than some twenty hours, an interval is still too narrow. Where all hours agree it has no
width, which says that nothing varied, not that nothing could. A latency is that of what answered:
where slow targets fall silent, it sinks.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import numpy as np

from keepiton.base.types import Perspective
from keepiton.detect.belief import IS_BAD, MISSING
from keepiton.detect.observations import Observations, medians
from keepiton.detect.policy import HOUR
from keepiton.detect.scopes import SIDES
from keepiton.detect.types import BeforeDuringAfter, Difference, InsufficientData, Period
from keepiton.detect.windows import EPOCH
from keepiton.storage.rounds import Array, ranked

WEEK = timedelta(days=7)
MOST_HOURS = 168
"""A longer period is cut into so many equal parts instead of hours, so that it costs no more."""
MIN_HOURS = 5
"""Hours that a period needs: 5 can be drawn in 126 ways; 4 in 35, too few for a tail of 2.5 %."""
DRAWS = 2000
TAILS = (0.025, 0.975)
SEED = 2022
"""Fixed, so that the same rounds give the same interval; each period has its own stream."""
INSUFFICIENT: tuple[tuple[InsufficientData, InsufficientData], ...] = (
    ("too little seen before", "too few answers before"),
    ("too little seen during", "too few answers during"),
    ("too little seen after", "too few answers after"),
)
Span = tuple[datetime, datetime]
Periods = tuple[Span, Span, Span]
Estimate = tuple[float, Array]
"""A value, and the same of each resample."""


def around(event: Span, before: timedelta = WEEK, after: timedelta = WEEK) -> Periods:
    """Return the time before an event, its own and the time after; ends are no part of them."""
    start, end = event
    return (start - before, start), event, (end, end + after)


def compare_periods(
    seen: Observations, unmasked: Array, periods: Periods
) -> tuple[BeforeDuringAfter, ...]:
    """Compare three periods by operator (role, of what has none) and side.

    ``unmasked`` holds the symbol of each observation. What is missing, foreign controls and targets
    that nobody ever saw answer count for nothing. A run belongs to the period that it began in.
    """
    rounds = seen.rounds
    labels = np.where(rounds.operator != "", rounds.operator, rounds.role)[seen.series_subject]
    wanted = ((rounds.control != "foreign") & seen.answered)[seen.series_subject]
    inside = seen.series_inside
    keys = sorted({(str(labels[row]), bool(inside[row])) for row in np.flatnonzero(wanted)})
    group = np.full(len(wanted), -1)
    for number, (subject, within) in enumerate(keys):
        group[wanted & (labels == subject) & (inside == within)] = number
    slot, edges = _slots(seen.run_at, periods)
    counts = _count(seen, unmasked, group, slot, (len(keys), edges[-1]))
    comparisons = []
    for stream, (span, low, high) in enumerate(zip(periods, edges, edges[1:], strict=False)):
        shares = _shares(counts.reached[:, low:high], counts.total[:, low:high], stream)
        comparisons.append(
            [_estimate(counts, n, slice(low, high), span, stream, shares) for n in range(len(keys))]
        )
    return tuple(
        _compare(subject, SIDES[within], *three)
        for (subject, within), three in zip(keys, zip(*comparisons, strict=True), strict=True)
    )


def _slots(run_at: Array, periods: Periods) -> tuple[Array, list[int]]:
    """Return each run's hour, -1 in no period, and where each period's hours begin and end."""
    slot, edges = np.full(len(run_at), -1), [0]
    for span in periods:
        begin, end = ((instant - EPOCH).total_seconds() for instant in span)
        step_s = max(HOUR, (end - begin) / MOST_HOURS)
        hours = max(ceil((end - begin) / step_s), 1)
        mine = (run_at >= begin) & (run_at < end)
        slot[mine] = edges[-1] + np.minimum((run_at[mine] - begin) // step_s, hours - 1)
        edges.append(edges[-1] + hours)
    return slot, edges


@dataclass(frozen=True, slots=True)
class _Counts:
    """What each hour (column) tells of each group."""

    reached: Array
    total: Array
    runs: Array
    took_ms: Array
    """Median answer; NaN without any."""


def _count(
    seen: Observations, unmasked: Array, group: Array, slot: Array, shape: tuple[int, int]
) -> _Counts:
    row = np.flatnonzero((unmasked != MISSING) & (group >= 0)[seen.series] & (slot >= 0)[seen.run])
    good, run = ~IS_BAD[unmasked[row]], seen.run[row]
    owner = group[seen.series[row]]
    cell = owner * shape[1] + slot[run]
    took_ms = seen.rounds.latency_ms[seen.row[row]]
    timed = good & (took_ms > 0)
    pairs, _ = ranked(run * np.int64(shape[0]) + owner)
    of_runs = pairs % shape[0] * shape[1] + slot[pairs // shape[0]]
    total, reached, runs = (
        np.bincount(places, minlength=shape[0] * shape[1]) for places in (cell, cell[good], of_runs)
    )
    medians = _by_cell(took_ms[timed], cell[timed], len(total))
    return _Counts(*(column.reshape(shape) for column in (reached, total, runs, medians)))


def _shares(reached: Array, total: Array, stream: int) -> Array:
    """Return the share reached of each resample (row) and group; NaN where it holds none of it."""
    hours = total.shape[1]
    rng = np.random.default_rng((SEED, stream))
    drawn = rng.integers(0, hours, (DRAWS, hours)) + np.arange(DRAWS)[:, None] * hours
    times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(DRAWS, hours) * 1.0
    with np.errstate(invalid="ignore"):
        return np.asarray((times @ reached.T) / (times @ total.T))


@dataclass(frozen=True, slots=True)
class _PeriodEstimate:
    """One period of one group, and what was resampled; None of too little."""

    period: Period
    share: Estimate | None
    latency_ms: Estimate | None


def _estimate(
    counts: _Counts, group: int, hours: slice, span: Span, stream: int, shares: Array
) -> _PeriodEstimate:
    total, took_ms = counts.total[group, hours], counts.took_ms[group, hours]
    took_ms = np.sort(took_ms[took_ms > 0])
    rounds, answers = int(total.sum()), len(took_ms)
    share = float(counts.reached[group, hours].sum()) / max(rounds, 1)
    latency_ms = float(took_ms[answers // 2]) if answers else 0.0
    return _PeriodEstimate(
        Period(
            *span,
            runs=int(counts.runs[group, hours].sum()),
            rounds=rounds,
            share=share if rounds else None,
            latency_ms=latency_ms if answers else None,
        ),
        (share, shares[:, group]) if np.count_nonzero(total) >= MIN_HOURS else None,
        (latency_ms, _resampled(took_ms, stream)) if answers >= MIN_HOURS else None,
    )


def _by_cell(took_ms: Array, cell: Array, cells: int) -> Array:
    """Return the median of each cell, to the microsecond; NaN of an empty one."""
    size = np.bincount(cell, minlength=cells)
    median = np.full(cells, np.nan)
    if len(cell):
        log = medians(np.log(took_ms.astype(np.float64)), cell, size)
        median[size > 0] = np.round(np.exp(log[size > 0]), 3)
    return median


def _resampled(ordered: Array, stream: int) -> Array:
    """Return medians of resamples, without drawing these: the middle of n uniforms is beta.

    David and Nagaraja, Order Statistics, 2003, section 2.3; Efron, Annals of Statistics 7, 1979.
    """
    n = len(ordered)
    rank = n // 2 + 1
    middle = np.random.default_rng((SEED, stream)).beta(rank, n + 1 - rank, DRAWS)
    return np.asarray(ordered[np.minimum((middle * n).astype(np.int64), n - 1)])


def _compare(
    subject: str,
    side: Perspective,
    before: _PeriodEstimate,
    during: _PeriodEstimate,
    after: _PeriodEstimate,
) -> BeforeDuringAfter:
    parts = (before, during, after)
    thin = tuple(
        words[part.share is not None]
        for part, words in zip(parts, INSUFFICIENT, strict=True)
        if part.latency_ms is None
    )
    return BeforeDuringAfter(
        subject=subject,
        perspective=side,
        before=before.period,
        during=during.period,
        after=after.period,
        difference=_difference(during.share, before.share),
        difference_after=_difference(after.share, before.share),
        latency_difference_ms=_difference(during.latency_ms, before.latency_ms),
        latency_difference_after_ms=_difference(after.latency_ms, before.latency_ms),
        insufficient=thin,
    )


def _difference(later: Estimate | None, earlier: Estimate | None) -> Difference | None:
    if not (later and earlier):
        return None
    low, high = np.nanquantile(later[1] - earlier[1], TAILS)
    return Difference(later[0] - earlier[0], float(low), float(high))
