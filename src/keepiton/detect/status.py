"""What is known now of each operator, target, stage or vantage, and of own lines. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from keepiton.base.connectivity import CONNECTIVITIES, Connectivity
from keepiton.base.types import STAGES, Perspective, Stage
from keepiton.detect.belief import IS_BAD, MISSING, OK
from keepiton.detect.observations import ABROAD_ROLES, ConnectivityChecks, Observations
from keepiton.detect.policy import Policy
from keepiton.detect.scopes import SIDES
from keepiton.detect.trends import Spans, stage_of, trends, tried
from keepiton.detect.types import ConnectivityPeriod, Coverage, Group, Status, Trend, Window
from keepiton.detect.types import Side as Sides
from keepiton.detect.windows import EPOCH, instant
from keepiton.storage.rounds import Array, Rounds

Availability = Literal["up", "partial", "disrupted", "unknown", "no_data"]


def connectivity_periods(rounds: Rounds, looks: ConnectivityChecks) -> list[ConnectivityPeriod]:
    """Join looks of one vantage that found the same trouble with its own line."""
    if not len(looks.run):
        return []
    vantage = rounds.run_vantage[looks.run]
    order = np.lexsort((looks.number, looks.run, looks.at, vantage))
    vantage, line, at, run = (
        vantage[order],
        looks.connectivity[order],
        looks.at[order],
        looks.run[order],
    )
    change = np.flatnonzero((np.diff(vantage) != 0) | (np.diff(line) != 0)) + 1
    periods = []
    for part in np.split(np.arange(len(order)), change):
        kind = CONNECTIVITIES[line[part[0]]]
        if kind is not Connectivity.UP:
            periods.append(
                ConnectivityPeriod(
                    str(rounds.vantages[vantage[part[0]]]),
                    kind,
                    instant(at[part[0]] / 1000),
                    instant(at[part[-1]] / 1000),
                    len(np.unique(run[part])),
                )
            )
    return sorted(periods, key=lambda index: (index.start, index.vantage))


def coverage(seen: Observations) -> list[Coverage]:
    """Count each vantage's runs, against those expected at the usual interval."""
    rounds = seen.rounds
    rows = []
    for number, name in enumerate(rounds.vantages):
        mine = (rounds.run_vantage == number) & np.isfinite(seen.run_at)
        if not mine.any():
            continue
        at, inside = seen.run_at[mine], rounds.run_inside[mine]
        first, last = float(at.min()), float(at.max())
        expected = max(1, round((last - first) / seen.step_s) + 1)
        side: Sides = "both" if inside.any() != inside.all() else SIDES[bool(inside.all())]
        share = min(1.0, len(at) / expected)
        rows.append(
            Coverage(str(name), side, len(at), round(share, 3), instant(first), instant(last))
        )
    return rows


def statuses(
    seen: Observations,
    unmasked: Array,
    windows: Sequence[Window],
    policy: Policy,
    now: datetime,
    by: Group,
    over: Spans,
) -> list[Status]:
    """Return the state of every operator (or role, of what has none), target, stage or vantage."""
    rounds = seen.rounds
    subject = seen.series_subject
    if by == "stage":
        return [
            status
            for stage in STAGES
            for status in _grouped(
                seen,
                _at_stage(seen, unmasked, stage),
                [window for window in windows if window.layer == stage],
                policy,
                now,
                np.full(len(subject), stage),
                over,
            )
        ]
    names: Array = {
        "operator": np.where(rounds.operator != "", rounds.operator, rounds.role)[subject],
        "target": rounds.target[subject],
        "vantage": rounds.vantages[seen.series_vantage],
    }[by]
    return _grouped(seen, unmasked, windows, policy, now, names, over)


def _at_stage(seen: Observations, unmasked: Array, stage: Stage) -> Array:
    """Return what observations say of one stage: nothing of those that did not get so far."""
    bad = np.flatnonzero(IS_BAD[unmasked])
    passed = unmasked.copy()
    passed[bad[stage_of(seen, bad) != STAGES.index(stage)]] = OK
    return np.where(tried(seen, stage), passed, MISSING)


def _grouped(
    seen: Observations,
    unmasked: Array,
    windows: Sequence[Window],
    policy: Policy,
    now: datetime,
    names: Array,
    over: Spans,
) -> list[Status]:
    """Return the state of every group of series that has one name and one side."""
    good = np.flatnonzero((unmasked != MISSING) & ~IS_BAD[unmasked])
    bounds = np.searchsorted(good, seen.begins)  # rows are in order of series and time
    ever = np.diff(bounds) > 0
    first, last = np.full(len(ever), np.inf), np.full(len(ever), -np.inf)
    first[ever] = seen.at[good[bounds[:-1][ever]]]
    last[ever] = seen.at[good[bounds[1:][ever] - 1]]
    # The newest row of each series that is fresh enough.
    newest = seen.begins[1:] - 1
    fresh = seen.at[newest] >= (now - EPOCH).total_seconds() - policy.fresh_s
    latest = np.where(fresh, unmasked[newest], -1)
    inside = seen.series_inside
    wanted = (seen.rounds.control != "foreign")[seen.series_subject]
    keys = sorted({(str(names[row]), bool(inside[row])) for row in np.flatnonzero(wanted)})
    group = np.full(len(names), -1)
    for number, (subject, within) in enumerate(keys):
        group[wanted & (names == subject) & (inside == within)] = number
    courses = trends(seen, unmasked, group, len(keys), over)
    rows = []
    for number, (subject, within) in enumerate(keys):
        mine = np.flatnonzero(group == number)
        look = _SubjectView(
            seen, mine, latest[mine], float(first[mine].min()), float(last[mine].max())
        )
        rows.append(_status(subject, SIDES[within], look, windows, courses[number]))
    return rows


@dataclass(frozen=True, slots=True)
class _SubjectView:
    """The series of one subject from one side, and the newest that each of them says."""

    seen: Observations
    series: Array
    latest: Array
    """Symbols; -1 where nothing is fresh."""
    first_good: float
    last_good: float

    @property
    def abroad(self) -> bool:
        """Whether any of it stands abroad."""
        roles = self.seen.rounds.role[self.seen.series_subject[self.series]]
        return bool(np.isin(roles, ABROAD_ROLES).any())

    def targets(self, chosen: Array) -> set[str]:
        """Name the targets of some of the series."""
        subjects = np.unique(self.seen.series_subject[self.series[chosen]])
        return {str(self.seen.rounds.target[subject]) for subject in subjects}


def _status(
    subject: str, side: Perspective, look: _SubjectView, windows: Sequence[Window], trend: Trend
) -> Status:
    seen = look.seen
    fresh = look.latest >= 0
    informative = look.latest > MISSING
    up = informative & ~IS_BAD[look.latest]
    targets = look.targets(np.ones(len(fresh), bool))
    answering = look.targets(up)
    could = look.targets(informative & seen.answered[seen.series_subject[look.series]])
    vantage = seen.series_vantage[look.series]
    looking = np.unique(vantage[fresh])
    agree = sum(
        bool(up[vantage == vantage_number].any()) == bool(up.any()) for vantage_number in looking
    )
    touching = [
        window
        for window in windows
        if window.perspective in (side, "both")
        and (window.subject == subject or targets & set(window.targets))
        # Seen from inside, a country's window is about what lies abroad.
        and (window.scope != "country" or side == "outside" or look.abroad)
    ]
    current = [window for window in touching if window.ongoing]
    state: Availability
    since: tuple[datetime | None, datetime] | None = None
    if not fresh.any():
        state = "no_data"
    elif not informative.any():
        state = "unknown"
    elif could <= answering and answering:
        state = "up"
        ended = max(touching, key=lambda window: window.end_earliest, default=None)
        if ended:
            since = (ended.end_earliest, ended.end_latest or ended.end_earliest)
        else:
            since = (None, instant(look.first_good))
    elif current and not answering:
        state = "disrupted"
    elif answering:
        state = "partial"
    else:
        state = "unknown"
    if state in ("disrupted", "partial") and current:
        begun = min(current, key=lambda window: window.start)
        since = (begun.start_earliest, begun.start_latest)
    return Status(
        subject=subject,
        perspective=side,
        confidence=max((window.confidence for window in current), default=0.0),
        state=state,
        since=since,
        answering=len(answering),
        targets=len(targets),
        last_seen=instant(look.last_good) if look.last_good > -np.inf else None,
        vantages_agree=agree,
        vantages=len(looking),
        trend=trend,
    )
