"""From rounds to observations: corrected times, the own line, what a round says, how noisy it is.

Pure. What a vantage could not have known becomes missing, and missing adds nothing.
"""

from dataclasses import dataclass, field

import numpy as np

from keepiton.base.connectivity import (
    CONNECTIVITIES,
    UNEXPECTED,
    Connectivity,
    ControlTally,
    verdict,
)
from keepiton.base.types import STAGES
from keepiton.detect.belief import (
    CONFIRMED_FAIL,
    IS_BAD,
    MISSING,
    OK,
    SINGLE_STAGE_FAIL,
    SINGLE_STAGE_OK,
    SINGLE_STAGE_SLOW,
    SLOW,
    UNCONFIRMED_FAIL,
    log_likelihood_ratios,
)
from keepiton.detect.policy import DAY, Policy
from keepiton.storage.rounds import (
    CONFIRMED,
    FAILED,
    LOOKED_UP,
    NO_CLOCK,
    ONE_STAGE,
    REACHED,
    RESOLVED,
    UNRESOLVED,
    Array,
    Rounds,
    ranked,
)

HOME_ROLES = ("domestic", "tld-ns-domestic", "tld-registry", "isp-resolver")
"""Beginnings of the roles of targets that stand in the country without a named operator."""
ABROAD_ROLES = ("cdn", "tld-ns-abroad")
"""Roles of targets that stand abroad and that nobody filters by name."""
BRACKETING_CHECKS = 2
"""Looks after the one before a row that must have found the line usable too."""
BLOCK = 12
"""Observations of a block of the baseline rate
(docs/method/detection.md#baseline-failure-rate)."""
WEEK_S = 7 * DAY
NOISE_STEP = 0.0005
"""Background rates are told apart so far: a quarter of the least one."""
MAX_CHECKS = 1 << 14
"""More than any reader lets through."""
KNOWN = REACHED | FAILED | CONFIRMED | UNRESOLVED
"""Flags that a symbol is made of."""


def _symbol(flags: int) -> int:
    """Say what a round tells by its flags; a name that failed beside an answer is soft trouble."""
    if flags & REACHED:
        return UNCONFIRMED_FAIL if flags & UNRESOLVED else OK
    if flags & FAILED:
        return CONFIRMED_FAIL if flags & CONFIRMED else UNCONFIRMED_FAIL
    return MISSING


SYMBOLS = np.array([_symbol(flags) for flags in range(KNOWN + 1)], dtype=np.int8)
SINGLE_STAGE_SYMBOLS = np.arange(SINGLE_STAGE_FAIL + 1, dtype=np.int8)
SINGLE_STAGE_SYMBOLS[[OK, UNCONFIRMED_FAIL, CONFIRMED_FAIL]] = (
    SINGLE_STAGE_OK,
    SINGLE_STAGE_FAIL,
    SINGLE_STAGE_FAIL,
)
"""What a symbol becomes of a subject of which only one stage is tried."""


@dataclass(slots=True)
class ConnectivityChecks:
    """One look at the own line each: what its controls say."""

    run: Array
    number: Array
    at: Array
    connectivity: Array
    """Index into LINES."""
    controls: Array
    key: Array
    """Sorted: run and number in one."""
    span: int

    def checked(self, runs: int) -> Array:
        """Which of so many runs asked any control."""
        return np.bincount(self.run, minlength=runs) > 0

    def find(self, run: Array, number: Array) -> Array:
        """Return the lines at looks, -1 where there was none."""
        if not len(self.key):
            return np.full(len(run), -1)
        wanted = run.astype(np.int64) * self.span + number
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        there = (self.key[place] == wanted) & (number >= 0) & (number < self.span)
        return np.where(there, self.connectivity[place], -1)


@dataclass(slots=True)
class Observations:
    """Observations in columns, one a target and run; what the levels of detection share."""

    rounds: Rounds
    row: Array
    """The round of each: index into ``rounds``."""
    run: Array
    subject: Array
    at: Array
    """Seconds since 1970 UTC, corrected by the clock offset."""
    symbol: Array
    control_symbol: Array
    """What controls said, whatever it says of the own line; missing for all else."""
    failure_rate: Array
    """Background rate of failures of each, in steps of NOISE_STEP."""
    baseline_failure_rate: Array
    """By series, the same without what a run's own controls add: they do not testify against
    themselves."""
    series: Array
    """Index of the vantage, its side and the subject; rows are in order of it and of time."""
    begins: Array
    """The first row of each series, and the number of rows."""
    series_vantage: Array
    series_inside: Array
    series_subject: Array
    step_s: float
    """The usual interval between two runs of a vantage."""
    answered: Array
    """By subject: whether anybody ever saw it answer."""
    run_bad: Array
    run_at: Array
    run_controls: Array
    run_clock_uncertainty_s: Array
    """How far the clock may be off, seconds."""
    _tables: dict[float, Array] = field(default_factory=dict)

    @property
    def vantage(self) -> Array:
        """Each observation's vantage."""
        return np.asarray(self.series_vantage[self.series])

    @property
    def inside(self) -> Array:
        """Whether each was made from inside the country."""
        return np.asarray(self.series_inside[self.series])

    @property
    def bad(self) -> Array:
        """Which observations are failures."""
        return np.asarray(IS_BAD[self.symbol])

    def usable(self, series: Array) -> Array:
        """Return the rows of some series (a mask) that say anything of a subject that answers."""
        series = series & self.answered[self.series_subject]
        return np.flatnonzero(np.repeat(series, np.diff(self.begins)) & (self.symbol != MISSING))

    def mask(self, series: Array, low: float, high: float) -> None:
        """Make missing what some series (a mask) say between two instants."""
        for number in np.flatnonzero(series):
            theirs = slice(self.begins[number], self.begins[number + 1])
            first, last = np.searchsorted(self.at[theirs], (low, np.nextafter(high, np.inf)))
            self.symbol[theirs][first:last] = MISSING

    def log_likelihoods(self, rows: Array, left: float) -> Array:
        """Return the evidence of some observations, where a share is left working (see belief)."""
        return self._log_likelihoods(left, self.failure_rate[rows], self.symbol[rows])

    def control_log_likelihoods(self, rows: Array) -> Array:
        """Return what controls say of the own line, whatever was masked for it."""
        usual = self.baseline_failure_rate[self.series[rows]]
        return self._log_likelihoods(0.0, usual, self.control_symbol[rows])

    def is_informative(self, rows: Array, left: float) -> Array:
        """Return which observations speak for trouble of any kind."""
        table = np.any(self._table(left) > 0, axis=2)
        place = self.failure_rate[rows] * table.shape[1] + self.symbol[rows]
        return np.asarray(table.ravel().take(place))

    def _log_likelihoods(self, left: float, failure_rate: Array, symbol: Array) -> Array:
        table = self._table(left)  # flat, it is looked up in half the time
        flat = table.reshape(-1, table.shape[2])
        return np.asarray(flat.take(failure_rate * table.shape[1] + symbol, axis=0))

    def _table(self, left: float) -> Array:
        if left not in self._tables:
            steps = np.arange(1, int(self.failure_rate.max(initial=0)) + 1)
            self._tables[left] = log_likelihood_ratios(np.append(1, steps) * NOISE_STEP, left)
        return self._tables[left]


def judge_connectivity(rounds: Rounds) -> ConnectivityChecks:
    """Judge every look at the own line from its controls, as the run did."""
    is_control = rounds.control != ""
    here = np.flatnonzero(is_control[rounds.subject] & (rounds.check_number >= 0))
    span = int(rounds.check_number.max(initial=0)) + 2
    keys, place = ranked(rounds.run[here].astype(np.int64) * span + rounds.check_number[here])
    subject, flags = rounds.subject[here], rounds.flags[here]
    foreign, domestic = ((rounds.control == kind)[subject] for kind in ("foreign", "domestic"))
    ok = flags & REACHED > 0
    named = foreign & (flags & LOOKED_UP > 0)
    unexpected = np.append(np.isin(rounds.failures, list(UNEXPECTED)), False)
    counted = [
        np.bincount(place, weights=column, minlength=len(keys)).astype(np.int64)
        for column in (
            foreign,
            foreign & ok,
            domestic,
            domestic & ok,
            named,
            named & (flags & RESOLVED == 0),
            foreign & unexpected[rounds.failure[here]],
        )
    ]
    run = (keys // span).astype(np.int64)
    columns = [*counted, rounds.run_inside[run], rounds.run_mixed[run]]
    which = np.zeros(len(keys), np.int64)
    for column in columns:  # much faster than sorting whole rows
        which = ranked(which * (int(column.max(initial=0)) + 1) + column)[1]
    kinds = np.column_stack(columns)[np.unique(which, return_index=True)[1]]
    lines: list[Connectivity] = [
        Connectivity.MIXED
        if kind[8]
        else verdict(ControlTally(*map(int, kind[:7])), inside=bool(kind[7]))
        for kind in kinds
    ]
    at = np.full(len(keys), np.iinfo(np.int64).max)
    np.minimum.at(at, place, rounds.at[here])
    return ConnectivityChecks(
        run=run,
        number=keys % span,
        at=at,
        connectivity=np.array([CONNECTIVITIES.index(verdict) for verdict in lines], dtype=np.int64)[
            which
        ],
        controls=counted[0] + counted[2],
        key=keys,
        span=span,
    )


def observe(rounds: Rounds, looks: ConnectivityChecks, policy: Policy) -> Observations:
    """Make one observation of every target and run."""
    answered = np.zeros(len(rounds.target), bool)
    answered[rounds.subject[rounds.flags & REACHED > 0]] = True
    known = rounds.run_clock_ms != NO_CLOCK
    large = known & (np.abs(rounds.run_clock_ms) > policy.clock_from_s * 1000)
    kept = _once_a_run(rounds)
    at_ms = rounds.at[kept]
    if large.any():
        at_ms = at_ms + np.where(large, rounds.run_clock_ms, 0)[rounds.run[kept]]
    width = max(len(rounds.target), 1)
    place = rounds.run_vantage.astype(np.int64) * 2 + rounds.run_inside
    pairs, series = ranked((place * width)[rounds.run[kept]] + rounds.subject[kept])
    order = _in_time(series, at_ms, rounds, kept)
    row, series, at = kept[order], series[order], at_ms[order] / 1000.0
    run, subject = rounds.run[row], rounds.subject[row]
    run_at = np.full(len(rounds.run_id), np.inf)
    np.minimum.at(run_at, run, at)
    symbol, control_symbol = _symbols(row, run, subject, rounds, looks)
    run_bad = np.zeros(len(rounds.run_id), bool)
    run_controls = np.zeros(len(rounds.run_id), np.int64)
    np.maximum.at(run_controls, looks.run, looks.controls)
    down = np.array([verdict.is_offline for verdict in CONNECTIVITIES])[looks.connectivity]
    run_bad[looks.run[down]] = True
    seen = Observations(
        rounds=rounds,
        row=row,
        run=run,
        subject=subject,
        at=at,
        symbol=symbol,
        control_symbol=control_symbol,
        failure_rate=np.zeros(0, np.int64),
        baseline_failure_rate=np.zeros(0, np.int64),
        series=series,
        begins=np.searchsorted(series, np.arange(len(pairs) + 1)),
        series_vantage=pairs // width // 2,
        series_inside=pairs // width % 2 == 1,
        series_subject=pairs % width,
        step_s=_step(rounds, run_at),
        answered=answered,
        run_bad=run_bad,
        run_at=run_at,
        run_controls=run_controls,
        run_clock_uncertainty_s=np.where(known, 1.0, policy.clock_unknown_s),
    )
    _mask_without_controls(seen, looks)
    if seen.run_bad.any():
        seen.symbol[seen.run_bad[seen.run]] = MISSING
    seen.baseline_failure_rate = np.round(_background(seen, policy) / NOISE_STEP).astype(np.int64)
    of_run = np.round(_noise(seen, policy) / NOISE_STEP).astype(np.int64)
    seen.failure_rate = np.maximum(seen.baseline_failure_rate[seen.series], of_run[seen.run])
    _slow(seen, policy)
    return seen


def _in_time(series: Array, at_ms: Array, rounds: Rounds, kept: Array) -> Array:
    """Return the order by series and time; of one instant, by run."""
    low = int(at_ms.min(initial=0))
    span = int(at_ms.max(initial=0)) - low + 1
    if int(series.max(initial=0)) < 2**62 // span:
        key = series * span + (at_ms - low)
        order = np.argsort(key, kind="stable")  # quick, since each part is in order already
        if (np.diff(key[order]) > 0).all():
            return order
    names = np.argsort(np.argsort(rounds.run_id, kind="stable"), kind="stable")
    return np.lexsort((rounds.subject[kept], names[rounds.run[kept]], at_ms, series))


def _once_a_run(rounds: Rounds) -> Array:
    """Choose one round a target and run: of a control that was looked at again, an answer."""
    again = np.flatnonzero(rounds.check_number >= 0)
    informative = (rounds.flags[again] & (REACHED | FAILED) > 0).astype(np.int64)
    reached = (rounds.flags[again] & REACHED).astype(np.int64)
    key = rounds.run[again].astype(np.int64) * len(rounds.target) + rounds.subject[again]
    # Best first: reached, else at least told of; then the earliest look.
    rank = (key * 4 + (3 - informative - 2 * reached)) * MAX_CHECKS + rounds.check_number[again]
    order = np.argsort(rank)
    first = np.ones(len(order), bool)
    first[1:] = np.diff(key[order]) != 0
    keep = rounds.check_number < 0
    keep[again[order[first]]] = True
    return np.flatnonzero(keep)


def _symbols(
    row: Array, run: Array, subject: Array, rounds: Rounds, looks: ConnectivityChecks
) -> tuple[Array, Array]:
    """Say what each round tells, and what the controls do before the own line is considered."""
    flags = rounds.flags[row]
    symbol = SYMBOLS.take(flags & KNOWN)
    # A subject of which only one stage is ever tried.
    many = np.zeros(len(rounds.target), bool)
    many[subject[(flags & (REACHED | ONE_STAGE)) == REACHED]] = True
    symbol = np.where(many[subject], symbol, SINGLE_STAGE_SYMBOLS.take(symbol))
    if rounds.run_mixed.any():
        symbol[rounds.run_mixed[run]] = MISSING
    control = np.where((rounds.control != "")[subject], symbol, np.int8(MISSING))
    doubtful = np.flatnonzero(IS_BAD[symbol])
    symbol[doubtful[_not_bracketed(rounds.of(row[doubtful]), rounds, looks)]] = MISSING
    return symbol, control


def _not_bracketed(bad: Rounds, rounds: Rounds, looks: ConnectivityChecks) -> Array:
    """Which failures lie beside a look that found the own line unusable, or beside none.

    A row carries the number of the look before it. The next look must have come too: without it
    (a killed run) nobody knows whether the line had died. A run without any control at all cannot
    be judged so; what it says is weighed with the others' (see ``_without_controls``).
    """
    dns = bad.stage == STAGES.index("dns")
    opaque = np.array([line.hides("tcp") for line in CONNECTIVITIES] + [False])
    opaque_dns = np.array([line.hides("dns") for line in CONNECTIVITIES] + [False])
    checked = looks.checked(len(rounds.run_id))
    own = bad.check_number >= 0
    first = np.where(own, bad.check_number, bad.first_check)
    last = np.where(own, bad.check_number, bad.last_check + BRACKETING_CHECKS)
    hidden = (first < 0) | (~own & (looks.find(bad.run, bad.last_check + 1) < 0))
    for step in range(int((last - first).max(initial=-1)) + 1):
        left = np.flatnonzero(first + step <= last)
        line = looks.find(bad.run[left], first[left] + step)
        hidden[left] |= np.where(dns[left], opaque_dns[line], opaque[line])
    return np.asarray(hidden & (checked[bad.run] | (bad.first_check >= 0)))


def _mask_without_controls(seen: Observations, looks: ConnectivityChecks) -> None:
    """Find runs without controls in which all failed while others of the side saw some of it.

    With nobody else to tell by, such a run is taken for the vantage's own fault: an alarm that
    rests on it could not be defended.
    """
    rounds = seen.rounds
    checked = looks.checked(len(rounds.run_id))
    informative = (seen.symbol != MISSING) & seen.answered[seen.subject]
    some = informative & ~checked[seen.run]
    if not some.any():
        return
    runs = len(rounds.run_id)
    good = np.bincount(seen.run[informative & ~seen.bad], minlength=runs)
    suspects = np.unique(seen.run[some & seen.bad & (good[seen.run] == 0)])
    if not len(suspects):
        return
    vantage, inside, bad = seen.vantage, seen.inside, seen.bad
    by_run = np.argsort(seen.run, kind="stable")
    begins = np.searchsorted(seen.run[by_run], np.arange(runs + 1))
    by_time = np.argsort(seen.at, kind="stable")
    times = seen.at[by_time]
    for run in suspects:
        mine = by_run[begins[run] : begins[run + 1]]
        mine = mine[informative[mine]]
        if len(np.unique(rounds.operator[seen.subject[mine]])) < 2:  # noqa: PLR2004
            continue
        at = seen.at[mine]
        low = np.searchsorted(times, at.min() - seen.step_s)
        high = np.searchsorted(times, at.max() + seen.step_s)
        near = by_time[low:high]
        near = near[
            informative[near]
            & (vantage[near] != vantage[mine[0]])
            & (inside[near] == inside[mine[0]])
            & np.isin(seen.subject[near], seen.subject[mine])
        ]
        seen.run_bad[run] = not len(near) or bool((~bad[near]).any())


def _step(rounds: Rounds, run_at: Array) -> float:
    """Return the usual interval between two runs of one vantage, seconds (10 min without any)."""
    known = np.flatnonzero(np.isfinite(run_at))
    order = known[np.lexsort((run_at[known], rounds.run_vantage[known]))]
    gaps = np.diff(run_at[order])[np.diff(rounds.run_vantage[order]) == 0]
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else 600.0


def _background(seen: Observations, policy: Policy) -> Array:
    """Return each series' background rate of failures, robustly by blocks.

    The reasons: docs/method/detection.md#baseline-failure-rate.
    """
    count = len(seen.series_subject)
    before = np.append(0, np.cumsum(seen.symbol != MISSING))
    bounds = before[seen.begins]
    looked = np.diff(bounds)
    blocks = -(-looked // BLOCK)
    starts, total = np.cumsum(blocks) - blocks, int(blocks.sum())
    failed = np.flatnonzero(seen.bad)
    series = seen.series[failed]
    place = starts[series] + (before[failed] - bounds[series]) // BLOCK
    bad = np.bincount(place, minlength=total).astype(np.float64)
    some = blocks > 0
    size = np.full(total, BLOCK)
    size[(starts + blocks - 1)[some]] = (looked - (blocks - 1) * BLOCK)[some]
    owner = np.repeat(np.arange(count), blocks)
    median = np.zeros(count)
    median[some] = medians(bad, owner, blocks)[some] if total else 0.0
    # What fails more often than it answers is no noise.
    kept = (bad <= 2 * median[owner] + 2) & (bad <= BLOCK / 2)
    failures = np.bincount(owner, weights=bad * kept, minlength=count)
    looked = np.bincount(owner, weights=size * kept, minlength=count)
    return np.clip(
        (failures + 0.2) / (looked + 100), policy.background_least, policy.background_most
    )


def _noise(seen: Observations, policy: Policy) -> Array:
    """Return how noisy each run was by its own controls: what they lose, others lose too.

    From outside only foreign controls count, since domestic ones are part of what is asked; from
    inside domestic ones, and foreign ones unless most of them fail, which is a finding.
    """
    rounds = seen.rounds
    runs = len(rounds.run_id)
    informative = seen.control_symbol != MISSING
    bad = IS_BAD[seen.control_symbol]
    sums = []
    for kind in ("foreign", "domestic"):
        mine = informative & (rounds.control == kind)[seen.subject]
        sums.append(np.bincount(seen.run[mine], minlength=runs))
        sums.append(np.bincount(seen.run[mine & bad], minlength=runs))
    foreign, foreign_bad, domestic, domestic_bad = sums
    inside = rounds.run_inside
    abroad = ~inside | (foreign_bad * 2 < foreign)
    looked = foreign * abroad + domestic * inside
    lost = foreign_bad * abroad + domestic_bad * inside
    share = np.maximum(lost - 1, 0) / (looked + policy.noise_weight)
    return np.asarray(np.minimum(share, policy.background_most))


def _slow(seen: Observations, policy: Policy) -> None:
    """Mark answers that took much longer than is usual for this vantage and target.

    Usual is the week before, by calendar weeks since 1970; of the first week, that week itself.
    """
    took_ms = seen.rounds.latency_ms[seen.row]
    good = np.flatnonzero(np.isin(seen.symbol, (OK, SINGLE_STAGE_OK)) & (took_ms > 0))
    if not len(good):
        return
    # A series whose slowest answer is below the least factor of its fastest holds no slow one.
    counts = np.diff(np.searchsorted(good, seen.begins))
    begins = (np.cumsum(counts) - counts)[counts > 0]
    took_ms = took_ms[good].astype(np.float64)
    most, least = (pick.reduceat(took_ms, begins) for pick in (np.maximum, np.minimum))
    wide = np.repeat(most > policy.slow_factor * least, counts[counts > 0])
    good, log = good[wide], np.log(took_ms[wide])
    if not len(good):
        return
    week = (seen.at[good] // WEEK_S).astype(np.int64)
    weeks = int(week.max() - week.min()) + 2
    groups, place = ranked(seen.series[good] * weeks + (week - week.min() + 1))
    size = np.bincount(place)
    median = medians(log, place, size)
    spread = medians(np.abs(log - median[place]), place, size)
    # The week before, where it tells enough.
    before = np.minimum(np.searchsorted(groups, groups - 1), len(groups) - 1)
    use = (groups[before] == groups - 1) & (size[before] >= policy.slow_least)
    source = np.where(use, before, np.arange(len(groups)))
    limit = median[source] + np.maximum(
        np.log(policy.slow_factor), policy.slow_deviations * 1.4826 * spread[source]
    )
    limit[size[source] < policy.slow_least] = np.inf
    slow = good[log > limit[place]]
    seen.symbol[slow] = np.where(seen.symbol[slow] == OK, SLOW, SINGLE_STAGE_SLOW)


def medians(values: Array, place: Array, size: Array) -> Array:
    """Return each group's median (the upper one of two); values are below a hundred."""
    ordered = np.sort(place * 128.0 + values) - np.repeat(np.arange(len(size)) * 128.0, size)
    middle = np.cumsum(size) - size + size // 2
    return np.asarray(ordered[np.minimum(middle, max(len(ordered) - 1, 0))])
