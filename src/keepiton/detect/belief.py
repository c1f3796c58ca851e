"""A continuous-time hidden Markov model: up, down, partial, slow. Pure.

Trinocular's belief update with transitions added, so that gaps and uneven intervals need no special
case (docs/method/detection.md#states-and-emissions).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Any

import numpy as np

from keepiton.detect.policy import HOUR, Policy
from keepiton.storage.rounds import Array

(
    MISSING,
    OK,
    SLOW,
    UNCONFIRMED_FAIL,
    CONFIRMED_FAIL,
    SINGLE_STAGE_OK,
    SINGLE_STAGE_SLOW,
    SINGLE_STAGE_FAIL,
) = range(8)
"""What a round says: the last three where only one stage is ever tried."""
IS_BAD = np.isin(
    np.arange(SINGLE_STAGE_FAIL + 1), (UNCONFIRMED_FAIL, CONFIRMED_FAIL, SINGLE_STAGE_FAIL)
)
IS_SLOW_OR_BAD = IS_BAD | np.isin(np.arange(SINGLE_STAGE_FAIL + 1), (SLOW, SINGLE_STAGE_SLOW))
"""By symbol."""
PRIOR_SPLIT = (0.60, 0.25, 0.15)
"""Shares of down, partial and slow in what is not up (docs/method/detection.md#transitions)."""
REST_AFTER = 16
"""Good observations in a row after which belief is at rest: partial loss gains nothing by 16."""
MIN_EVIDENCE_NATS = 3.0
"""Nats for trouble below which no window can come of a stretch: every prior costs more."""


def log_likelihood_ratios(background: Array, left: float) -> Array:
    """Return log-likelihood ratios to "up" of down, partial and slow, by background and symbol.

    ``left`` is the share of the scope that keeps working; the table and its reasons are in
    docs/method/detection.md#states-and-emissions.
    """
    q = np.clip(background + 0.35, 0.5, 0.85)
    h = 0.6 * background**2 + 0.0008
    rows: dict[int, tuple[Any, Any, Any, Any]] = {
        OK: (0.99 - background - h, 0.01, 0.95 - q, 0.10),
        SLOW: (0.01, 0.01, 0.05, 0.80),
        UNCONFIRMED_FAIL: (background, 0.17, 0.45 * q, 0.08),
        CONFIRMED_FAIL: (h, 0.80, 0.55 * q, 0.02),
        SINGLE_STAGE_OK: (0.99 - background, 0.01, 0.50, 0.12),
        SINGLE_STAGE_SLOW: (0.01, 0.01, 0.05, 0.80),
        SINGLE_STAGE_FAIL: (background, 0.97, 0.45, 0.08),
    }
    table = np.zeros((len(background), SINGLE_STAGE_FAIL + 1, 3))
    for symbol_kind, (up, *others) in rows.items():
        for k, p in enumerate(others):
            table[:, symbol_kind, k] = np.log((1 - left) * p + left * up) - np.log(up)
    return table


@dataclass(frozen=True, slots=True)
class Episode:
    """What belief makes of a run of steps; ``first`` and ``last`` are the steps that are not up."""

    first: int
    last: int
    least_up: float
    kind: int
    """0 down, 1 partial, 2 slow: where most belief was."""
    start: tuple[float | None, float, float]
    """Earliest, likeliest and latest instant of the change, seconds."""
    end: tuple[float, float | None, float | None]
    span: tuple[float, float]
    """The first and the last instant that speak for trouble."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What belief walks over: instants in seconds, ascending, with a row of evidence each."""

    at: Array
    first: Array
    """When the step's first observation was made."""
    last: Array
    llr: Array

    def between(self, before: int, after: int) -> tuple[float, float, float]:
        """Return a change between two steps: earliest, middle and latest instant."""
        middle = float(self.at[before] + self.at[after]) / 2
        return float(self.first[before]), middle, float(self.last[after])


def find_episodes(
    steps: Steps, every_s: float, policy: Policy, keep_below: float
) -> Iterator[Episode]:
    """Find where a scope was not up."""
    llr = steps.llr
    gain = llr.max(axis=1)
    hot = np.flatnonzero(gain > 0)
    if not len(hot):
        return
    cuts = np.flatnonzero(np.diff(hot) > 2 * REST_AFTER) + 1
    for part in np.split(hot, cuts):
        if gain[part].sum() < MIN_EVIDENCE_NATS:
            continue
        low, high = max(0, part[0] - REST_AFTER), min(len(llr), part[-1] + REST_AFTER + 1)
        here = Steps(*(column[low:high] for column in (steps.at, steps.first, steps.last, llr)))
        for episode in _smooth(here, every_s, policy, keep_below, from_start=low == 0):
            yield replace(episode, first=episode.first + low, last=episode.last + low)


def _smooth(
    steps: Steps, every_s: float, policy: Policy, keep_below: float, *, from_start: bool
) -> list[Episode]:
    t, llr = steps.at.tolist(), steps.llr
    n = len(t)
    top = np.maximum(llr.max(axis=1), 0)
    like = np.exp(np.column_stack([-top, llr - top[:, None]])).tolist()
    fall, rise = 1 / every_s, 1 / policy.recovery_s
    both = fall + rise
    rest = fall / both
    s0, s1, s2 = PRIOR_SPLIT
    prior = (1 - rest, rest * s0, rest * s1, rest * s2)
    forward: list[tuple[float, float, float, float]] = []
    moves: list[tuple[float, float, float]] = []
    u, d, p, s = prior
    for i in range(n):
        if i:
            dt = max(t[i] - t[i - 1], 1e-3)
            change = 1 - exp(-both * dt)
            fell, rose = rest * change, rise / both * change
            mixed = 1 - exp(-policy.moves_per_hour * dt / HOUR)
            moves.append((fell, rose, mixed))
            u, d, p, s = _step(u, d, p, s, fell, rose, mixed)
        a, b, c, e = like[i]
        u, d, p, s = u * a, d * b, p * c, s * e
        total = u + d + p + s
        u, d, p, s = u / total, d / total, p / total, s / total
        forward.append((u, d, p, s))
    up = [0.0] * n
    started, ended = [0.0] * n, [0.0] * n
    kinds = [(0.0, 0.0, 0.0)] * n
    bu = bd = bp = bs = 1.0
    for i in range(n - 1, -1, -1):
        fu, fd, fp, fs = forward[i]
        total = fu * bu + fd * bd + fp * bp + fs * bs
        up[i] = fu * bu / total
        kinds[i] = (fd * bd / total, fp * bp / total, fs * bs / total)
        a, b, c, e = like[i]
        wu, wd, wp, ws = a * bu, b * bd, c * bp, e * bs
        if not i:
            break
        fell, rose, mixed = moves[i - 1]
        gu, gd, gp, gs = forward[i - 1]
        out = fell * (s0 * wd + s1 * wp + s2 * ws)
        inside = s0 * wd + s1 * wp + s2 * ws
        bu = (1 - fell) * wu + out
        bd = rose * wu + (1 - rose) * ((1 - mixed) * wd + mixed * inside)
        bp = rose * wu + (1 - rose) * ((1 - mixed) * wp + mixed * inside)
        bs = rose * wu + (1 - rose) * ((1 - mixed) * ws + mixed * inside)
        total = gu * bu + gd * bd + gp * bp + gs * bs
        started[i] = gu * out / total
        ended[i] = (gd + gp + gs) * rose * wu / total
        scale = max(bu, bd, bp, bs)
        bu, bd, bp, bs = bu / scale, bd / scale, bp / scale, bs / scale
    return list(
        _episodes(steps, up, kinds, started, ended, policy, keep_below, from_start=from_start)
    )


def _step(
    u: float, d: float, p: float, s: float, fell: float, rose: float, mixed: float
) -> tuple[float, float, float, float]:
    down = d + p + s
    new = fell * u + (1 - rose) * mixed * down
    stay = (1 - rose) * (1 - mixed)
    return (
        (1 - fell) * u + rose * down,
        stay * d + PRIOR_SPLIT[0] * new,
        stay * p + PRIOR_SPLIT[1] * new,
        stay * s + PRIOR_SPLIT[2] * new,
    )


def _episodes(
    steps: Steps,
    up: Sequence[float],
    kinds: Sequence[tuple[float, float, float]],
    started: Sequence[float],
    ended: Sequence[float],
    policy: Policy,
    keep_below: float,
    *,
    from_start: bool,
) -> Iterator[Episode]:
    t = steps.at.tolist()
    n = len(t)
    i = 0
    before = 0
    while i < n:
        if up[i] >= policy.open_below:
            i += 1
            continue
        j = i
        while j + 1 < n and up[j + 1] < policy.open_below and t[j + 1] - t[j] <= policy.join_gap_s:
            j += 1
        least = min(up[i : j + 1])
        if least < keep_below:
            after = j + 1
            while after < n and up[after] >= policy.open_below:
                after += 1
            sure = min(range(i, j + 1), key=up.__getitem__)
            weights = [sum(kinds[k][state] for k in range(i, j + 1)) for state in range(3)]
            # Where the data ends, partial loss is never ruled out: two answers in a row bound it.
            bad = [k for k in range(i, j + 1) if steps.llr[k].max() > 0]
            if i == 0 and from_start:
                start = _start_from_first_step(steps, bad[0])
            elif i and up[i - 1] < policy.open_below:  # broken off by a silence, and still there
                start = None, t[i], float(steps.last[i])
            else:
                start = _edge(steps, started, before + 1, sure, i, policy.edge_mass)
            if j + 1 == n or t[j + 1] - t[j] > policy.join_gap_s:
                end = _end_at_last_step(steps, bad[-1], j)
            else:
                end = _edge(steps, ended, sure + 1, min(after, n) - 1, j + 1, policy.edge_mass)
            span = float(steps.first[bad[0]]), float(steps.last[bad[-1]])
            kind = weights.index(max(weights))
            yield Episode(i, j, least, kind, start, end, span)
        before = j
        i = j + 1


def _start_from_first_step(steps: Steps, bad: int) -> tuple[float | None, float, float]:
    """Return the start of what is there from the first steps on."""
    if not bad:
        return None, float(steps.at[0]), float(steps.last[0])
    _, middle, latest = steps.between(bad - 1, bad)
    return float(steps.first[max(0, bad - 2)]), middle, latest


def _end_at_last_step(
    steps: Steps, bad: int, last: int
) -> tuple[float, float | None, float | None]:
    """Return the end of what lasts until the last step, where two answers follow."""
    if last - bad < 2:  # noqa: PLR2004 - two answers
        return float(steps.first[bad]), None, None
    earliest, middle, _ = steps.between(bad, bad + 1)
    return earliest, middle, float(steps.last[bad + 2])


def _edge(
    steps: Steps, change: Sequence[float], low: int, high: int, likely: int, mass: float
) -> tuple[float, float, float]:
    """Return earliest, likeliest and latest instant of a change.

    Its chance to lie between steps k-1 and k is ``change[k]``, uniform in between. The interval
    holds whole steps, since cuts begin at full hours and so do runs.
    """
    t, first, last = steps.at, steps.first, steps.last
    among = range(max(low, 1), max(high, likely, 1) + 1)
    total = sum(change[k] for k in among)
    if total <= 0:
        return steps.between(max(likely - 1, 0), likely)
    quantiles = []
    for share in (mass, 0.5, 1 - mass):
        left = share * total
        for k in among:
            if left <= change[k] or k == among[-1]:
                quantiles.append((k, min(1.0, left / change[k]) if change[k] > 0 else 1.0))
                break
            left -= change[k]
    (early, _), (middle, part), (late, _) = quantiles
    likeliest = t[middle - 1] + part * (t[middle] - t[middle - 1])
    return float(first[early - 1]), float(likeliest), float(last[late])
