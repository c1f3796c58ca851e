"""How many rounds answered, failed and said nothing over equal spans of time. Pure."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from keepiton.base.types import STAGES, Stage
from keepiton.detect.belief import IS_BAD, MISSING
from keepiton.detect.observations import Observations
from keepiton.detect.types import Trend
from keepiton.detect.windows import EPOCH, instant
from keepiton.storage.rounds import TRIED, Array

STEPS_S = (600, 900, 1800, *(3600 * hours for hours in (1, 2, 3, 4, 6, 12, 24, 48, 168)))
"""Lengths of a span, so that people can name them."""
HIDDEN, GOOD, BAD = 0, 1, 3
"""Kinds of observation; BAD and the three after it are failures at the stages, the one before it at
none of them."""
FIRST_TRIED, TRIED_KINDS = TRIED["dns"], 16
"""The four bits of the stages tried are the highest of the flags."""
KINDS = (BAD + len(STAGES)) * TRIED_KINDS


@dataclass(frozen=True, slots=True)
class Spans:
    """Equal spans of time, beginning at a whole one since 1970."""

    start: datetime
    step_s: float
    count: int

    def of(self, at: Array) -> Array:
        """Return which span each instant (seconds since 1970) lies in; -1 of none."""
        share = (at - (self.start - EPOCH).total_seconds()) / self.step_s
        return np.where((share >= 0) & (share < self.count), share, -1).astype(np.int64)


def spans(first: datetime, last: datetime, most: int) -> Spans:
    """Cut a time into at most so many spans of a length that people can name."""
    begin, end = ((instant - EPOCH).total_seconds() for instant in (first, last))
    weeks = STEPS_S[-1] * np.ceil((end - begin) / STEPS_S[-1] / (most - 1))
    fits = (step_s for step_s in STEPS_S if end // step_s - begin // step_s + 1 <= most)
    step_s = float(next(fits, weeks))
    count = int(end // step_s - begin // step_s) + 1
    return Spans(instant(begin // step_s * step_s), step_s, count)


def stage_of(seen: Observations, rows: Array) -> Array:
    """Return the stage that some failures were at, as its place in STAGES; -1 of none."""
    return np.asarray(seen.rounds.stage[seen.row[rows]].astype(np.int64))


def tried(seen: Observations, stage: Stage) -> Array:
    """Return which observations are of rounds that tried a stage."""
    return np.asarray(seen.rounds.flags[seen.row] & TRIED[stage] > 0)


def trends(
    seen: Observations, unmasked: Array, group: Array, count: int, over: Spans
) -> list[Trend]:
    """Count by group (of each series; -1 of none) and span."""
    span = over.of(seen.at)
    place = group[seen.series]
    informative = (unmasked != MISSING) & seen.answered[seen.subject]
    # What each observation is, in one number: hidden, good, bad at a stage or at none of ours;
    # with the stages it tried. So all are counted at once.
    kind = np.where(informative, GOOD, HIDDEN)
    bad = np.flatnonzero(informative & IS_BAD[unmasked])
    kind[bad] = stage_of(seen, bad) + BAD
    tried_ = seen.rounds.flags[seen.row] // FIRST_TRIED
    cell = (place * over.count + span) * KINDS + kind * TRIED_KINDS + tried_
    cell = cell[(span >= 0) & (place >= 0)]
    counts = np.bincount(cell, minlength=count * over.count * KINDS)
    counts = counts.reshape(count, over.count, KINDS // TRIED_KINDS, TRIED_KINDS)
    by_kind = counts.sum(axis=3)

    def series(numbers: Array) -> tuple[int, ...]:
        return tuple(numbers.tolist())

    rows = []
    for n in range(count):
        tried = counts[n, :, GOOD:].sum(axis=1)
        rows.append(
            Trend(
                series(by_kind[n, :, GOOD]),
                series(by_kind[n, :, BAD - 1 :].sum(axis=1)),
                series(by_kind[n, :, HIDDEN]),
                {
                    stage: series(tried[:, np.arange(TRIED_KINDS) >> bit & 1 > 0].sum(axis=1))
                    for bit, stage in enumerate(STAGES)
                },
                {stage: series(by_kind[n, :, BAD + at]) for at, stage in enumerate(STAGES)},
            )
        )
    return rows
