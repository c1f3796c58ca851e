"""From rounds to windows. Pure: same rounds, policy and instant in, same findings out.

A first, simple and honest method (docs/detection.md): what this vantage could not have known adds
nothing; a window needs repeated failures without a success between; its edges are the intervals
between a good and a bad observation; silence never makes one.
"""

import hashlib
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Literal

from keepiton.model import (
    Detected,
    LinePeriod,
    LineState,
    Perspective,
    Round,
    Status,
    Window,
    utc,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Every threshold, with the reason for it."""

    min_bad: int = 2
    """Failing rounds a window needs: each is already confirmed by a second attempt, and one alone
    may still be a passing fault of the path."""
    operator_share: float = 0.7
    """Share of an operator's targets that must fail at once: in 2020 some stayed reachable."""
    operator_targets: int = 2
    """Targets an operator window needs: one alone cannot be told from a broken site."""
    join_gap: timedelta = timedelta(hours=12)
    """Longest silence between two failures that one window may span (shared method, 1.3)."""
    fresh: timedelta = timedelta(hours=2)
    """Older observations say nothing about now."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation of a scope: in one run, good or bad."""

    at: datetime
    vantage: str
    good: bool
    rounds: tuple[Round, ...]


@dataclass(slots=True)
class Stretch:
    """Bad observations without a good one between, and what lies around them."""

    before: Seen | None
    bad: list[Seen] = field(default_factory=list)
    after: Seen | None = None
    broken_off: bool = False
    """A silence longer than the policy joins follows."""


LATE_SHARE = 0.25
"""A look may be this share of the usual interval late and still be the expected one."""

Scope = tuple[Perspective, str]


def detect(
    rounds: Iterable[Round], lines: Sequence[LineState], policy: Policy, now: datetime
) -> Detected:
    """Find windows, own-line periods, and the state at ``now``.

    The order of the rounds does not matter.
    """
    ordered = _once_a_run(rounds)
    definite = [one for one in ordered if one.reached is not None]
    by_target = _group(definite, lambda one: one.target)
    answered = {one.target for one in definite if one.reached}
    operator_windows = []
    for scope, group in _group(definite, lambda one: one.operator or "").items():
        if scope[1]:
            seen = _operator_observations(group, answered, policy)
            operator_windows += _windows("operator", scope, seen, policy, definite)
    target_windows = [
        window
        for scope, group in by_target.items()
        if scope[1] in answered
        for window in _windows(
            "target",
            scope,
            [Seen(one.at, one.vantage, bool(one.reached), (one,)) for one in group],
            policy,
            definite,
        )
    ]
    windows = operator_windows + [
        one for one in target_windows if not any(_explains(wide, one) for wide in operator_windows)
    ]
    windows.sort(key=lambda one: (one.start_latest, one.scope, one.subject, one.perspective))
    return Detected(
        windows=tuple(windows),
        lines=tuple(_line_periods(lines)),
        operators=tuple(_statuses(ordered, "operator", windows, answered, policy, now)),
        targets=tuple(_statuses(ordered, "target", windows, answered, policy, now)),
        never_answered=tuple(sorted({one.target for one in definite} - answered)),
        vantages=tuple(sorted({one.vantage for one in ordered})),
        runs=len({one.run for one in ordered} | {one.run for one in lines}),
        rounds=len(ordered),
        first_at=ordered[0].at if ordered else None,
        last_at=ordered[-1].at if ordered else None,
    )


def _once_a_run(rounds: Iterable[Round]) -> list[Round]:
    """Order the rounds; where a run looked at a target twice (a control), an answer decides."""
    best: dict[tuple[str, str], Round] = {}
    for one in sorted(rounds, key=_order):
        known = best.setdefault((one.run, one.target), one)
        if not known.reached and one.reached is not None:
            best[one.run, one.target] = one
    return sorted(best.values(), key=_order)


def _order(one: Round) -> tuple[datetime, str, str, str]:
    return one.at, one.run, one.target, one.vantage


def _group(rounds: Iterable[Round], key: Callable[[Round], str]) -> dict[Scope, list[Round]]:
    groups: dict[Scope, list[Round]] = defaultdict(list)
    for one in rounds:
        groups[one.perspective, key(one)].append(one)
    return groups


def _operator_observations(
    rounds: Sequence[Round], answered: set[str], policy: Policy
) -> list[Seen]:
    """Judge an operator run by run, by the targets of its that ever answered anyone."""
    runs: dict[str, list[Round]] = defaultdict(list)
    for one in rounds:
        if one.target in answered:
            runs[one.run].append(one)
    observations = []
    for targets in runs.values():
        if len(targets) < policy.operator_targets:
            continue
        bad = tuple(one for one in targets if not one.reached)
        is_bad = len(bad) >= policy.operator_targets and len(bad) >= policy.operator_share * len(
            targets
        )
        members = bad if is_bad else tuple(targets)
        observations.append(
            Seen(min(one.at for one in members), members[0].vantage, not is_bad, members)
        )
    return sorted(observations, key=lambda one: (one.at, one.vantage))


def _stretches(seen: Sequence[Seen], policy: Policy) -> list[Stretch]:
    found: list[Stretch] = []
    current: Stretch | None = None
    last_good: Seen | None = None
    for one in seen:
        if one.good:
            if current:
                current.after = one
                current = None
            last_good = one
            continue
        if current and one.at - current.bad[-1].at > policy.join_gap:
            current.broken_off = True
            current, last_good = None, None
        if current is None:
            current = Stretch(last_good)
            found.append(current)
        current.bad.append(one)
    return [one for one in found if len(one.bad) >= policy.min_bad]


def _windows(
    scope: Literal["operator", "target"],
    key: Scope,
    seen: Sequence[Seen],
    policy: Policy,
    rounds: Sequence[Round],
) -> list[Window]:
    perspective, subject = key
    windows = []
    for stretch in _stretches(seen, policy):
        first, last = stretch.bad[0], stretch.bad[-1]
        inside = [one for one in seen if first.at <= one.at <= last.at]
        speaking = {one.vantage for one in inside}
        failures = Counter(
            f"{one.stage} {one.failure}" for each in stretch.bad for one in each.rounds
        )
        quiet_since = rounds[-1].at - last.at
        name = f"{scope}|{subject}|{perspective}|{utc(first.at)}"
        windows.append(
            Window(
                id=hashlib.sha256(name.encode()).hexdigest()[:10],
                scope=scope,
                subject=subject,
                perspective=perspective,
                start_earliest=stretch.before.at if stretch.before else None,
                start_latest=first.at,
                end_earliest=last.at,
                end_latest=stretch.after.at if stretch.after else None,
                ongoing=not stretch.after
                and not stretch.broken_off
                and quiet_since <= policy.join_gap,
                targets=tuple(sorted({one.target for each in stretch.bad for one in each.rounds})),
                vantages_for=tuple(sorted(speaking)),
                vantages_silent=tuple(sorted({one.vantage for one in seen} - speaking)),
                rounds=sum(len(one.rounds) for one in inside),
                rounds_bad=sum(len(one.rounds) for one in stretch.bad),
                coverage=_coverage(seen, first.at, last.at),
                failures=dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
                witness=first.rounds[0].file,
            )
        )
    return windows


def _coverage(seen: Sequence[Seen], start: datetime, end: datetime) -> float:
    """Observations inside the window over those that each vantage's usual interval asks for."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for one in seen:
        times[one.vantage].append(one.at)
    got = expected = 0.0
    for all_times in times.values():
        inside = [at for at in all_times if start <= at <= end]
        if not inside:
            continue
        gaps = [(after - before).total_seconds() for before, after in pairwise(all_times)]
        usual_s = statistics.median(gaps) if gaps else 0.0
        got += len(inside)
        # How often its usual step, counted from its first look inside, fits on either side.
        sides_s = (end - inside[0]).total_seconds(), (inside[0] - start).total_seconds()
        steps = sum(int(side / usual_s + LATE_SHARE) for side in sides_s) if usual_s else 0
        expected += max(len(inside), 1 + steps)
    return round(got / expected, 3) if expected else 0.0


def _explains(wide: Window, narrow: Window) -> bool:
    """Whether an operator's window already tells what a target's window would."""
    return (
        wide.perspective == narrow.perspective
        and narrow.subject in wide.targets
        and (wide.start_earliest or narrow.start_latest) <= narrow.start_latest
        and narrow.end_earliest <= (wide.end_latest or narrow.end_earliest)
    )


def _line_periods(lines: Sequence[LineState]) -> list[LinePeriod]:
    """Join looks of one vantage that found the same trouble with its own line."""
    periods = []
    ordered = sorted(lines, key=lambda one: (one.vantage, one.at, one.run))
    for (vantage, line), group in groupby(ordered, key=lambda one: (one.vantage, one.line)):
        looks = list(group)
        if line != "up":
            runs = len({one.run for one in looks})
            periods.append(LinePeriod(vantage, line, looks[0].at, looks[-1].at, runs))
    return sorted(periods, key=lambda one: (one.start, one.vantage))


def _statuses(
    rounds: Sequence[Round],
    scope: Literal["operator", "target"],
    windows: Sequence[Window],
    answered: set[str],
    policy: Policy,
    now: datetime,
) -> list[Status]:
    groups = _group(rounds, lambda one: _subject(one, scope))
    return [
        _status(key, groups[key], windows, answered, policy, now)
        for key in sorted(groups, key=lambda key: (key[1], key[0]))
    ]


def _subject(one: Round, scope: Literal["operator", "target"]) -> str:
    return one.operator or one.role if scope == "operator" else one.target


def _status(
    key: Scope,
    rounds: Sequence[Round],
    windows: Sequence[Window],
    answered: set[str],
    policy: Policy,
    now: datetime,
) -> Status:
    perspective, subject = key
    latest: dict[tuple[str, str], Round] = {}
    for one in rounds:
        if now - one.at <= policy.fresh:
            latest[one.vantage, one.target] = one
    targets = {one.target for one in rounds}
    up = {target for (_, target), one in latest.items() if one.reached}
    known = {target for (_, target), one in latest.items() if one.reached is not None}
    touching = [
        window
        for window in windows
        if window.perspective == perspective
        and (window.subject == subject or targets & set(window.targets))
    ]
    current = [one for one in touching if one.ongoing]
    good_at = [one.at for one in rounds if one.reached]
    views = {
        vantage: {target for (who, target), one in latest.items() if who == vantage and one.reached}
        for vantage in {who for who, _ in latest}
    }
    state: Literal["up", "partly", "disrupted", "unknown", "no data"]
    since: tuple[datetime | None, datetime] | None = None
    if not latest:
        state = "no data"
    elif not known:
        state = "unknown"
    elif known & answered <= up and up:
        state = "up"
        ended = max(touching, key=lambda one: one.end_earliest, default=None)
        if ended:
            since = (ended.end_earliest, ended.end_latest or ended.end_earliest)
        else:
            since = (None, good_at[0])
    elif current and not up:
        state = "disrupted"
    elif up:
        state = "partly"
    else:
        state = "unknown"
    if state in ("disrupted", "partly") and current:
        first = min(current, key=lambda one: one.start_latest)
        since = (first.start_earliest, first.start_latest)
    return Status(
        subject=subject,
        perspective=perspective,
        state=state,
        since=since,
        answering=len(up),
        targets=len(targets),
        last_seen=max(good_at, default=None),
        vantages_agree=sum(bool(view) == bool(up) for view in views.values()),
        vantages=len(views),
    )
