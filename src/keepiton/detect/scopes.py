"""From observations to candidate windows, widest scope first. Pure.

What an upper level explains is missing below it (docs/method/detection.md#scopes).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from keepiton.base.types import Perspective
from keepiton.detect.belief import (
    IS_BAD,
    IS_SLOW_OR_BAD,
    MISSING,
    REST_AFTER,
    Episode,
    Steps,
    find_episodes,
)
from keepiton.detect.observations import ABROAD_ROLES, HOME_ROLES, NOISE_STEP, Observations
from keepiton.detect.policy import Policy
from keepiton.detect.types import Scope
from keepiton.storage.rounds import Array, ranked

SIDES: tuple[Perspective, ...] = ("outside", "inside")
CONTROL_LIKELIHOODS = 3.5
"""Nats of a dead control for a dead line (docs/method/detection.md#vantage-connectivity)."""
BLIND_LIKELIHOODS = 3 * CONTROL_LIKELIHOODS
"""Nats of a bad run without controls: three controls' worth."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A time in which one scope, seen from one side, was not up."""

    scope: Scope
    subject: str
    side: Perspective
    episode: Episode
    rows: Array
    """Observations of its members at all times: indices into Seen (runs, of an own line)."""
    affected: Array
    """Subjects that were mostly bad."""
    single_vantage: bool = False
    """One vantage says so, against others or with nobody else to ask."""

    @property
    def low(self) -> float:
        """The earliest instant it may have begun."""
        earliest, _, latest = self.episode.start
        return latest if earliest is None else earliest

    @property
    def high(self) -> float:
        """The latest instant it may have ended."""
        earliest, _, latest = self.episode.end
        return earliest if latest is None else latest

    @property
    def begin(self) -> float:
        """The likeliest start."""
        return self.episode.start[1]

    @property
    def finish(self) -> float:
        """The likeliest end; of one without an end, the last failure."""
        earliest, likeliest, _ = self.episode.end
        return earliest if likeliest is None else likeliest


@dataclass(frozen=True, slots=True)
class Level:
    """What is asked at one level, of one side."""

    scope: Scope
    side: Perspective
    every_s: float
    keep_below: float
    least_bad: int
    single_vantage: bool = False


def vantage_outages(seen: Observations, policy: Policy) -> list[Candidate]:
    """Find when each vantage's own line was down, from its runs."""
    rounds = seen.rounds
    gain = _control_evidence(seen)
    candidates = []
    for number, name in enumerate(rounds.vantages):
        runs = np.flatnonzero((rounds.run_vantage == number) & np.isfinite(seen.run_at))
        runs = runs[np.lexsort((rounds.run_id[runs], seen.run_at[runs]))]
        at = seen.run_at[runs]
        steps = Steps(at, at, at, gain[runs])
        for episode in find_episodes(
            steps, policy.vantage_outage_every_s, policy, policy.keep_below
        ):
            inside = runs[episode.first : episode.last + 1]
            down = episode.kind == 0  # a lossy line is masked run by run, and is no cut
            if down and seen.run_bad[inside].sum() >= policy.controls_dead:
                side = SIDES[int(rounds.run_inside[inside[0]])]
                candidates.append(
                    Candidate("own_line", str(name), side, episode, runs, np.zeros(0, np.int64))
                )
    return candidates


def _control_evidence(seen: Observations) -> Array:
    """Return what each run says of its own line, nats: its controls' words, added up."""
    runs = len(seen.run_bad)
    rows = np.flatnonzero(seen.control_symbol != MISSING)
    words = seen.control_log_likelihoods(rows)
    sums = [np.bincount(seen.run[rows], weights=column, minlength=runs) for column in words.T]
    # Controls that could not even be asked (no route) speak of the line all the more.
    mute = np.maximum(seen.run_controls - np.bincount(seen.run[rows], minlength=runs), 0)
    sums[0] = sums[0] + np.where(seen.run_bad, CONTROL_LIKELIHOODS * mute, 0.0)
    total = np.column_stack(sums)
    # At most 12, and what tells down from lossy stays.
    gain = np.maximum(total - np.maximum(total.max(axis=1, keepdims=True) - 12.0, 0.0), -6.0)
    gain[~seen.run_bad] = np.minimum(gain[~seen.run_bad], (-6.0, 0.0, 0.0))
    gain[seen.run_bad & (seen.run_controls == 0)] = (BLIND_LIKELIHOODS, 0.0, 0.0)
    answers = np.bincount(seen.run[(seen.symbol != MISSING) & ~seen.bad], minlength=runs) > 0
    gain[~seen.run_bad & (seen.run_controls == 0)] = 0.0
    gain[~seen.run_bad & (seen.run_controls == 0) & answers] = (-6.0, 0.0, 0.0)
    return np.asarray(gain)


def remote_outages(seen: Observations, policy: Policy) -> list[Candidate]:
    """Find country, operator and target windows; ``seen`` loses what they explain."""
    rounds = seen.rounds
    foreign = rounds.control == "foreign"
    abroad = foreign | np.isin(rounds.role, ABROAD_ROLES)
    at_home = (rounds.operator != "") | (rounds.control == "domestic")
    for role in HOME_ROLES:
        at_home |= np.char.startswith(rounds.role, role)
    at_home &= ~abroad
    home = at_home & (rounds.control == "")
    countries = [str(country) for country in np.unique(rounds.run_country) if country]
    candidates: list[Candidate] = []
    for side in SIDES:
        here = seen.series_inside == (side == "inside")
        if not here.any():
            continue
        usual = policy.keep_below
        level = Level("country", side, policy.country_every_s, usual, policy.country_bad)
        if countries:
            members = abroad if side == "inside" else home
            hidden = ~at_home if side == "inside" else at_home
            rows = seen.usable(here & members[seen.series_subject])
            for candidate in _country(seen, policy, level, "+".join(countries).upper(), rows):
                candidates.append(candidate)
                _mask(seen, candidate, here & hidden[seen.series_subject])
        level = replace(
            level, scope="operator", every_s=policy.operator_every_s, least_bad=policy.target_bad
        )
        chosen = here & (home & (rounds.operator != ""))[seen.series_subject]
        candidates += _explained(seen, policy, level, chosen, rounds.operator, policy.operator_left)
        level = replace(level, scope="target", every_s=policy.target_every_s)
        chosen = here & ~foreign[seen.series_subject]
        candidates += _explained(seen, policy, level, chosen, rounds.target, 0.0)
        # What one vantage sees alone: networks that treat a target in their own way.
        rows = seen.usable(chosen)
        if len(np.unique(seen.series_vantage[ranked(seen.series[rows])[0]])) > 1:
            level = replace(
                level,
                keep_below=policy.keep_below_alone,
                least_bad=policy.alone_bad,
                single_vantage=True,
            )
            names = rounds.target[seen.series_subject]
            candidates += _grouped(seen, policy, level, rows, names, np.arange(len(names)), 0.0)
    return candidates


def _explained(
    seen: Observations, policy: Policy, level: Level, chosen: Array, labels: Array, left: float
) -> list[Candidate]:
    """Find the windows of subjects of one label, and make missing what they explain."""
    names, group = np.unique(labels[seen.series_subject], return_inverse=True)
    candidates = list(_grouped(seen, policy, level, seen.usable(chosen), names, group, left))
    here = seen.series_inside == (level.side == "inside")
    for candidate in candidates:
        _mask(seen, candidate, here & (names == candidate.subject)[group])
    return candidates


def _mask(seen: Observations, candidate: Candidate, series: Array) -> None:
    slack = 1.5 * seen.step_s
    seen.mask(series, candidate.low - slack, candidate.high + slack)


def _summed(key: Array, llr: Array, least: float, most: float) -> tuple[Array, Array, Array]:
    """Add up the rows of each key and clip; return the keys, each row's place and the sums."""
    keys, place = ranked(key)
    total = [np.bincount(place, weights=column, minlength=len(keys)) for column in llr.T]
    return keys, place, np.clip(np.column_stack(total), least, most)


def _country(
    seen: Observations, policy: Policy, level: Level, name: str, rows: Array
) -> Iterator[Candidate]:
    if not len(rows):
        return
    rounds = seen.rounds
    # An operator is a unit; what has none stands for itself.
    labels = np.where(rounds.operator != "", rounds.operator, rounds.target)
    units = np.unique(labels, return_inverse=True)[1]
    count = int(units.max()) + 1
    keys, _, total = _summed(
        seen.run[rows].astype(np.int64) * count + units[seen.subject[rows]],
        seen.log_likelihoods(rows, policy.country_left),
        policy.unit_least,
        policy.unit_most_country,
    )
    runs, _, steps = _summed(keys // count, total, -policy.run_most, policy.run_most)
    place = ranked(seen.run[rows])[1]
    yield from _windows(seen, policy, level, name, rows, runs, place, steps, units)


def _grouped(
    seen: Observations,
    policy: Policy,
    level: Level,
    rows: Array,
    names: Array,
    group: Array,
    left: float,
) -> Iterator[Candidate]:
    """Find the windows of every group of rows; ``group`` is of all series and indexes names."""
    # Two runs near each other must speak for trouble: no single one decides, whatever it says.
    hot = rows[seen.is_informative(rows, left)]
    key = group[seen.series[hot]]
    order = np.lexsort((seen.at[hot], key))
    hot, key = hot[order], key[order]
    near = max(2 * REST_AFTER * seen.step_s, policy.join_gap_s)
    pairs = (np.diff(key) == 0) & (np.diff(seen.at[hot]) <= near) & (np.diff(seen.run[hot]) != 0)
    bounds = np.searchsorted(rows, seen.begins)
    for number in np.unique(key[1:][pairs]):
        theirs = np.flatnonzero(group == number)
        mine = np.concatenate([rows[bounds[unit] : bounds[unit + 1]] for unit in theirs])
        if level.scope == "operator":
            members = ranked(seen.subject[mine])[0]
            if len(members) < policy.operator_targets:
                continue
        words, name = seen.log_likelihoods(mine, left), str(names[number])
        runs, place, steps = _summed(seen.run[mine], words, policy.unit_least, policy.run_most)
        if (steps > 0).any(axis=1).sum() > 1:
            yield from _windows(seen, policy, level, name, mine, runs, place, steps, None)


def _windows(
    seen: Observations,
    policy: Policy,
    level: Level,
    subject: str,
    rows: Array,
    runs: Array,
    place: Array,
    evidence_by_run: Array,
    units: Array | None,
) -> Iterator[Candidate]:
    """Let belief run over the steps and keep the windows that are broad enough.

    ``place`` is each row's run: index into ``runs``.
    """
    at = seen.at[rows]
    times = np.bincount(place, weights=at) / np.bincount(place)
    first, last = np.full(len(runs), np.inf), np.full(len(runs), -np.inf)
    np.minimum.at(first, place, at)
    np.maximum.at(last, place, at)
    order = np.argsort(times)
    if (np.diff(times[order]) == 0).any():  # of one instant by run; comparing names is slow
        order = np.lexsort((seen.rounds.run_id[runs], times))
    walk = Steps(times[order], first[order], last[order], evidence_by_run[order])
    for episode in find_episodes(walk, level.every_s, policy, level.keep_below):
        inside = np.zeros(len(runs), bool)
        inside[order[episode.first : episode.last + 1]] = True
        affected = _affected(seen, policy, level, rows, rows[inside[place]], episode, units)
        if affected is not None:
            yield Candidate(
                level.scope, subject, level.side, episode, rows, affected, level.single_vantage
            )
            continue
        for piece in _where_broad(seen, policy, level, rows, place, walk, order, episode):
            inside[:] = False
            inside[order[piece.first : piece.last + 1]] = True
            part = rows[inside[place]]
            affected = _affected(seen, policy, level, rows, part, piece, units, policy.run_most)
            if affected is not None:
                yield Candidate(
                    level.scope, subject, level.side, piece, rows, affected, level.single_vantage
                )


def _where_broad(
    seen: Observations,
    policy: Policy,
    level: Level,
    rows: Array,
    place: Array,
    walk: Steps,
    order: Array,
    whole: Episode,
) -> Iterator[Episode]:
    """Find the parts of a stretch that are broad enough, where it is not so as a whole.

    One of several targets that stays down for longer would hide what befell all of them.
    """
    if level.scope == "target":
        return
    need = policy.country_share if level.scope == "country" else policy.operator_share
    bad = np.bincount(place, weights=IS_BAD[seen.symbol[rows]])
    share = (bad / np.bincount(place))[order]
    broad = np.flatnonzero(share[whole.first : whole.last + 1] >= need) + whole.first
    for part in np.split(broad, np.flatnonzero(np.diff(broad) > 1) + 1):
        if len(part) < 2:  # noqa: PLR2004 - one run never decides
            continue
        first, last = int(part[0]), int(part[-1])
        start, end = whole.start, whole.end
        if first > whole.first:
            start = walk.between(first - 1, first)
        if last < whole.last:
            end = walk.between(last, last + 1)
        span = float(walk.first[first]), float(walk.last[last])
        yield Episode(first, last, whole.least_up, 0, start, end, span)


def _affected(
    seen: Observations,
    policy: Policy,
    level: Level,
    rows: Array,
    inner: Array,
    episode: Episode,
    units: Array | None,
    least_own: float = 0.0,
) -> Array | None:
    """Return the subjects that are mostly bad, None where they are too few for the scope.

    The evidence of each must be above ``least_own``, nats: in a part that was chosen for being bad,
    above what one run may weigh.
    """
    slow = episode.kind == 2  # noqa: PLR2004 - belief's third state
    bad = (IS_SLOW_OR_BAD if slow else IS_BAD)[seen.symbol[inner]]
    subjects, place = ranked(seen.subject[inner])
    looked = np.bincount(place)
    share = np.bincount(place, weights=bad) / looked
    need = np.full(len(subjects), policy.bad_full)
    if episode.kind == 1:
        expected = np.bincount(place, weights=seen.failure_rate[inner]) * NOISE_STEP / looked
        need = np.maximum(policy.bad_partial, policy.bad_noise * expected)
    # Noise may reach a share; it does not make trouble the likelier story of the target's own rows.
    words = seen.log_likelihoods(inner, 0.0)
    own = np.column_stack([np.bincount(place, weights=column) for column in words.T]).max(axis=1)
    affected = subjects[(share >= need) & (own > least_own)]
    if not len(affected) or bad.sum() < level.least_bad:
        return None
    if level.scope == "country":
        assert units is not None  # noqa: S101 - the caller gives them
        theirs, hit = np.unique(units[subjects]), np.unique(units[affected])
        broad = (
            len(affected) >= policy.country_share * len(subjects)
            and len(hit) >= policy.country_share * len(theirs)
            and len(hit) >= policy.country_operators
        )
    elif level.scope == "operator":
        members = len(ranked(seen.subject[rows])[0])
        broad = len(affected) >= max(policy.operator_targets, policy.operator_share * members)
    else:
        broad = True
    return np.asarray(affected) if broad else None
