"""From candidates to windows: merged, described and told how sure they are. Pure."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from keepiton.base.types import STAGES, Perspective, Stage, utc
from keepiton.detect.belief import IS_BAD, IS_SLOW_OR_BAD, MISSING
from keepiton.detect.observations import Observations
from keepiton.detect.policy import HOUR, Policy
from keepiton.detect.scopes import Candidate
from keepiton.detect.types import Scope, Severity, Side, Window
from keepiton.storage.rounds import Array, ranked
from keepiton.storage.rows import EvidenceRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_CELL_S = 6 * HOUR
ID_SHIFT_S = 73 * 60.0
"""Ids are made from the six-hour cell that a start lies in, so that an edge that moves a little
keeps them; the cells begin at odd minutes, since cuts begin at full hours."""
HALF_HOUR_S = 1800.0
SURE, LIKELY = 0.95, 0.80
GAP_STEPS = 3
LATE_SHARE = 0.25
"""A run may be this share of an interval late and still be the expected one."""
ANSWERS = 0.5
"""Share of bad rounds below which the other side answers."""
MAX_EVIDENCE = 5
FLAP_PIECES = 3
FLAP_S = 2 * HOUR
FLAP_LOOK, FLAP_SHARE, FLAP_CHANGES = 21, 0.2, 4
"""Naemon's flapping: more than a fifth of 21 observations change; of fewer observations too, if it
came back twice (docs/method/detection.md#flapping)."""


def instant(seconds: float) -> datetime:
    """Turn seconds since 1970 into an instant, to the millisecond."""
    return EPOCH + timedelta(milliseconds=round(seconds * 1000))


def merge_candidates(
    candidates: Iterable[Candidate], seen: Observations, policy: Policy
) -> list[list[Candidate]]:
    """Put together what is one disruption: pieces of a subject, and both its sides."""
    groups: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.scope, candidate.subject].append(candidate)
    slack = max(policy.merge_least_s, policy.merge_steps * seen.step_s)
    out = []
    for key in sorted(groups):
        current: list[Candidate] = []
        until = -np.inf
        for candidate in sorted(
            groups[key], key=lambda candidate: (candidate.begin, candidate.high, candidate.side)
        ):
            if current and candidate.begin - until > slack:
                out.append(current)
                current = []
            until = max(until, candidate.finish)
            current.append(candidate)
        out.append(current)
    return out


def build_windows(
    groups: Sequence[list[Candidate]], seen: Observations, unmasked: Array, policy: Policy
) -> list[Window]:
    """Make windows; ``unmasked`` holds the symbols of observations before any were masked."""
    newest = float(seen.at.max(initial=0.0))
    windows = [
        (_vantage_window if group[0].scope == "own_line" else _remote_window)(
            _edges(group, seen, policy, newest), group, seen, unmasked, policy
        )
        for group in groups
    ]
    windows.sort(
        key=lambda window: (window.start, window.scope, window.subject, window.end_earliest)
    )
    taken: Counter[str] = Counter()
    out = []
    for window in windows:
        taken[window.id] += 1
        number = taken[window.id]
        out.append(window if number == 1 else replace(window, id=f"{window.id}-{number}"))
    return out


@dataclass(frozen=True, slots=True)
class WindowEdges:
    """Where a window lies: its edges, seconds since 1970."""

    start: tuple[float | None, float, float]
    end: tuple[float, float | None, float | None]
    ongoing: bool
    span: tuple[float, float]
    """The first and the last instant that speak for trouble."""

    @property
    def begin(self) -> float:
        """The likeliest start."""
        return self.start[1]

    @property
    def finish(self) -> float:
        """The likeliest end, or the last failure."""
        return max(self.begin, self.end[0] if self.end[1] is None else self.end[1])

    def spans(self, at: Array) -> Array:
        """Which instants lie between the first and the last that speak for trouble."""
        return (at >= self.span[0] - 1e-6) & (at <= self.span[1] + 1e-6)

    def fields(self) -> dict[str, Any]:
        """Write the edges as a window holds them."""
        names = ("start_earliest", "start", "start_latest", "end_earliest", "end", "end_latest")
        named = zip(names, (*self.start, *self.end), strict=True)
        at = {name: None if seconds is None else instant(seconds) for name, seconds in named}
        return {**at, "ongoing": self.ongoing}


def _edges(
    group: list[Candidate], seen: Observations, policy: Policy, newest: float
) -> WindowEdges:
    """Return the outer edges, widened by what is not known of the clocks."""
    first = min(group, key=lambda candidate: candidate.begin)
    last = max(group, key=lambda candidate: (candidate.finish, candidate.high))
    runs = first.rows if first.scope == "own_line" else ranked(seen.run[first.rows])[0]
    uncertainty_s = float(np.median(seen.run_clock_uncertainty_s[runs]))
    earliest, begin, latest = first.episode.start
    start = (None if earliest is None else earliest - uncertainty_s, begin, latest + uncertainty_s)
    end_earliest, end, end_latest = last.episode.end
    spans = [candidate.episode.span for candidate in group]
    span = min(bounds[0] for bounds in spans), max(bounds[1] for bounds in spans)
    if end is None or end_latest is None:
        ongoing = newest - end_earliest <= policy.join_gap_s
        return WindowEdges(start, (end_earliest, None, None), ongoing, span)
    return WindowEdges(
        start,
        (end_earliest - uncertainty_s, end, end_latest + uncertainty_s),
        ongoing=False,
        span=span,
    )


def _remote_window(
    frame: WindowEdges, group: list[Candidate], seen: Observations, unmasked: Array, policy: Policy
) -> Window:
    head, rounds = group[0], seen.rounds
    theirs = np.zeros(len(seen.row), bool)
    for candidate in group:
        theirs[candidate.rows] = True
    rows = np.flatnonzero(theirs)
    span = rows[frame.spans(seen.at[rows])]
    sides = {candidate.side for candidate in group}
    side: Side = head.side if len(sides) == 1 else "both"
    slow = Counter(candidate.episode.kind for candidate in group).most_common(1)[0][0] == 2  # noqa: PLR2004
    bad = (IS_SLOW_OR_BAD if slow else IS_BAD)[unmasked[span]]
    affected = np.unique(np.concatenate([candidate.affected for candidate in group]))
    stages, failures = _failures(seen, span[bad])
    least = policy.bad_full if group[0].episode.kind == 0 else policy.bad_partial
    seers = _vantages(seen, span, bad, affected, sides, least)
    hit = np.isin(seen.subject[span], affected) & np.isin(
        rounds.vantages[seen.series_vantage[seen.series[span]]], seers[0]
    )
    share_bad = float(bad[hit].mean()) if hit.any() else 0.0
    share = len(affected) / max(len(np.unique(seen.subject[span])), len(affected))
    coverage, gaps = _coverage(seen, rows, frame)
    cap = policy.cap if side == "both" else policy.cap_one_perspective
    if len(seers[0]) <= 1 or all(candidate.single_vantage for candidate in group):
        cap = policy.cap_one_vantage
    belief = 1 - min(candidate.episode.least_up for candidate in group)
    confidence = round(min(belief, cap), 3)
    severity: Severity = "full" if share_bad >= policy.full_from else "partial"
    return Window(
        **frame.fields(),
        id=_id(head.scope, head.subject, frame.begin),
        scope=head.scope,
        subject=head.subject,
        perspective=side,
        severity="degraded" if slow else severity,
        flapping=_flapping(group, seen, span, bad),
        layer=_layer(stages),
        stages=_commonest_first(stages),
        failures=failures,
        targets=tuple(sorted({str(rounds.target[subject]) for subject in affected})),
        operators=tuple(sorted({str(rounds.operator[subject]) for subject in affected} - {""})),
        share=round(share, 3),
        vantages_for=seers[0],
        vantages_against=seers[1],
        vantages_without_data=seers[2],
        rounds=len(span),
        rounds_bad=int(bad.sum()),
        coverage=coverage,
        gaps=gaps,
        confidence=confidence,
        confidence_label=confidence_label(confidence, len(seers[0])),
        verdict=_verdict(head.scope, side, seen, unmasked, frame, affected),
        impact=round(share_bad * share * (frame.finish - frame.begin) / 60, 1),
        starts_on_half_hour=_starts_on_half_hour(frame),
        evidence=_evidence(seen, span[bad]),
    )


def _vantage_window(
    frame: WindowEdges, group: list[Candidate], seen: Observations, unmasked: Array, policy: Policy
) -> Window:
    del unmasked  # an own line is told by its controls alone
    head = group[0]
    runs = ranked(np.concatenate([candidate.rows for candidate in group]))[0]
    span = runs[frame.spans(seen.run_at[runs])]
    confidence = round(
        min(1 - min(candidate.episode.least_up for candidate in group), policy.cap), 3
    )
    return Window(
        **frame.fields(),
        id=_id("own_line", head.subject, frame.begin),
        scope="own_line",
        subject=head.subject,
        perspective=head.side,
        severity="full",
        flapping=len(group) >= FLAP_PIECES,
        layer=None,
        stages={},
        failures={},
        targets=(),
        operators=(),
        share=1.0,
        vantages_for=(head.subject,),
        vantages_against=(),
        vantages_without_data=(),
        rounds=len(span),
        rounds_bad=int(seen.run_bad[span].sum()),
        coverage=_share_of_runs(seen.run_at[runs], frame, seen.step_s),
        gaps=(),
        confidence=confidence,
        confidence_label=confidence_label(confidence, 1),
        verdict="the vantage's own line was down; it says nothing of others",
        impact=0.0,
        starts_on_half_hour=_starts_on_half_hour(frame),
        evidence=(),
    )


def confidence_label(confidence: float, vantages: int) -> str:
    """Say how sure (docs/method/detection.md#confidence)."""
    if confidence >= SURE:
        return "confirmed by several vantages" if vantages > 1 else "confirmed"
    return "likely" if confidence >= LIKELY else "possible"


def _id(scope: str, subject: str, begin: float) -> str:
    cell = utc(instant((begin - ID_SHIFT_S) // ID_CELL_S * ID_CELL_S + ID_SHIFT_S))
    return hashlib.sha256(f"{scope}|{subject}|{cell}".encode()).hexdigest()[:10]


def _starts_on_half_hour(frame: WindowEdges) -> bool:
    earliest, _, latest = frame.start
    return earliest is not None and latest // HALF_HOUR_S > (earliest - 1) // HALF_HOUR_S


def _failures(seen: Observations, bad: Array) -> tuple[Counter[str], dict[str, int]]:
    """Count failures by stage, and by stage and failure; ``-`` is a stage that is not ours."""
    rounds, rows = seen.rounds, seen.row[bad]
    rows = rows[rounds.failure[rows] >= 0]
    pairs = Counter(zip(rounds.stage[rows].tolist(), rounds.failure[rows].tolist(), strict=True))
    stages: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for (place, failure), count in pairs.items():
        stage = STAGES[place] if place >= 0 else "-"
        stages[stage] += count
        failures[f"{stage} {rounds.failures[failure]}"] += count
    return stages, _commonest_first(failures)


def _commonest_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _layer(stages: Counter[str]) -> Stage | None:
    """Return the first stage that failed in at least half of the failures."""
    half = stages.total() / 2
    commonest = max(STAGES, key=lambda stage: stages[stage])
    most = next((stage for stage in STAGES if stages[stage] >= half), commonest)
    return most if half else None


def _vantages(
    seen: Observations,
    span: Array,
    bad: Array,
    affected: Array,
    sides: set[Perspective],
    least: float,
) -> tuple[tuple[str, ...], ...]:
    """Return who saw it, who saw the opposite, and who could have looked and did not.

    Who saw it has at least that share of bad rounds, or as large a one as anybody.
    """
    rounds = seen.rounds
    count = len(rounds.vantages)
    chosen = np.isin(seen.subject[span], affected)
    vantage = seen.series_vantage[seen.series[span]]
    looked = np.bincount(vantage[chosen], minlength=count)
    failed = np.bincount(vantage[chosen & bad], minlength=count)
    able = np.zeros(count, bool)
    for side in sides:
        able[rounds.run_vantage[rounds.run_inside == (side == "inside")]] = True
    share = failed / np.maximum(looked, 1)
    saw = (share > 0) & (share >= min(least, share.max()))
    groups = saw, (looked > 0) & ~saw, able & (looked == 0)
    return tuple(
        tuple(str(rounds.vantages[number]) for number in np.flatnonzero(who)) for who in groups
    )


def _coverage(
    seen: Observations, rows: Array, frame: WindowEdges
) -> tuple[float, tuple[tuple[datetime, datetime], ...]]:
    """Return observed over expected runs, and the silences longer than three usual intervals."""
    at = seen.at[rows]
    slack = seen.step_s
    runs = np.unique(seen.run[rows[(at >= frame.begin - slack) & (at <= frame.finish + slack)]])
    times, vantages = seen.run_at[runs], seen.rounds.run_vantage[runs]
    shares = [
        _share_of_runs(times[vantages == vantage], frame, seen.step_s)
        for vantage in np.unique(vantages)
    ]
    times = np.sort(times)
    gaps = tuple(
        (instant(float(times[index])), instant(float(times[index + 1])))
        for index in np.flatnonzero(np.diff(times) > GAP_STEPS * seen.step_s)
    )
    return (round(float(np.mean(shares)), 3) if shares else 0.0), gaps


def _share_of_runs(at: Array, frame: WindowEdges, step_s: float) -> float:
    inside = ((at >= frame.begin) & (at <= frame.finish)).sum()
    expected = max(1, int((frame.finish - frame.begin) / step_s + LATE_SHARE))
    return round(min(1.0, float(inside) / expected), 3)


def _flapping(group: list[Candidate], seen: Observations, span: Array, bad: Array) -> bool:
    """Tell whether it came and went: by its pieces, or by how often the answers changed."""
    starts = sorted(candidate.begin for candidate in group if candidate.side == group[0].side)
    near = zip(starts, starts[FLAP_PIECES - 1 :], strict=False)
    if any(late - early <= FLAP_S for early, late in near):
        return True
    if not len(span):
        return False
    # By interval, and of all who looked: what most of them say.
    _, bins = ranked(((seen.at[span] - seen.at[span].min()) // seen.step_s).astype(np.int64))
    series = (np.bincount(bins, weights=bad) * 2 >= np.bincount(bins)).astype(np.int64)
    changes = np.abs(np.diff(series))
    if changes.sum() < FLAP_CHANGES or not FLAP_SHARE < series.mean() < 1 - FLAP_SHARE:
        return False
    look = min(FLAP_LOOK, len(series))
    return bool((np.convolve(changes, np.ones(look - 1), "valid") > FLAP_SHARE * look).any())


def _verdict(
    scope: Scope,
    side: Side,
    seen: Observations,
    unmasked: Array,
    frame: WindowEdges,
    affected: Array,
) -> str:
    """Say what inside and outside show together of the same targets.

    Of a country seen from inside the same are not asked: there its own targets count.
    """
    if side == "both":
        return "national isolation" if scope == "country" else "seen from inside and outside"
    near = frame.spans(seen.at) & (unmasked != MISSING) & (seen.inside != (side == "inside"))
    if scope == "country" and side == "inside":
        near &= (seen.rounds.control == "")[seen.subject]
    else:
        near &= np.isin(seen.subject, affected)
    answers = bool(near.any()) and float(IS_BAD[unmasked[near]].mean()) < ANSWERS
    if side == "outside":
        if not near.any():
            return "unreachable from outside; no data from inside"
        return f"unreachable from abroad; {'answers' if answers else 'unclear'} inside"
    if not near.any():
        return "trouble inside; no data from outside"
    if scope == "country" and answers:
        return "outbound trouble"
    return f"trouble inside; {'answers' if answers else 'unclear'} outside"


def _evidence(seen: Observations, bad: Array) -> tuple[EvidenceRow, ...]:
    """Choose failures that anybody can open: the first of each vantage, and the last."""
    rounds = seen.rounds
    bad = bad[rounds.file[seen.row[bad]] >= 0]
    ordered = bad[np.lexsort((seen.series[bad], seen.at[bad]))]
    firsts = np.sort(np.unique(seen.series_vantage[seen.series[ordered]], return_index=True)[1])
    picked = [*ordered[firsts][: MAX_EVIDENCE - 1], *ordered[-1:]]
    return tuple(
        EvidenceRow(
            str(rounds.files[rounds.file[seen.row[row]]]),
            str(rounds.run_id[seen.run[row]]),
            str(rounds.target[seen.subject[row]]),
        )
        for row in dict.fromkeys(map(int, picked))
    )
