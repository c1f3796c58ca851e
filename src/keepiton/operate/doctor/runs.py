"""Checks of the runs: whether they begin by themselves, and whether they came."""

import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from keepiton.base.connectivity import Connectivity
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    CheckText,
    info,
    ok,
    problem,
)
from keepiton.operate.doctor.types import lazy_gettext as _
from keepiton.operate.schedule import Installed, installed
from keepiton.operate.schedule.job import EVERY
from keepiton.storage.rows import End
from keepiton.storage.run_name import DayName, RunName
from keepiton.storage.seal import end_of, parse_line

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
SOON = timedelta(days=14)
"""So long before its end, a schedule should be renewed."""
LATE = 3
"""Intervals without a run from which on runs are missing."""
STEADY_RUNS = 4
"""Runs in a week from which on their median distance is taken for the interval."""
LATEST = 10
"""Runs whose connectivity verdicts are counted."""
MISSING = _("See whether this machine was off, and begin one by hand: keepiton probe -v")


def _schedules(context: CheckContext) -> list[Installed]:
    """List the schedules that write into the folder."""
    own = context.data.resolve()
    return [schedule for schedule in installed() if schedule.data.resolve() == own]


def schedule(context: CheckContext) -> CheckResult:
    """Check that a schedule starts runs, and does not end soon."""
    schedules = _schedules(context)
    if not schedules:
        if installed():
            return info(_("A schedule is installed, and writes into another folder."))
        return info(
            _("No schedule is installed: runs begin when you begin them."),
            advice=_("To let them begin by themselves: keepiton schedule --install"),
        )
    messages = [
        _(
            "By {kind} every {every}, until {day}.",
            kind=schedule.kind,
            every=schedule.every,
            day=schedule.until.isoformat(),
        )
        for schedule in schedules
    ]
    renew = _("To let it go on: keepiton schedule --install")
    left = max(schedule.until for schedule in schedules) - context.now.date()
    if left < timedelta(0):
        return problem(*messages, _("It has ended."), advice=renew)
    if left < SOON:
        return info(*messages, _("It ends soon."), advice=renew)
    return ok(*messages)


def since(context: CheckContext, first_at: datetime) -> list[tuple[datetime, Path]]:
    """List the runs that began since an instant, according to their file names, oldest first.

    Runs of packed days are left out.
    """
    results = context.data / "results"
    first_day = first_at.strftime("%Y/%m/%d")
    runs = []
    for day in results.glob("*/*/*"):
        if day.relative_to(results).as_posix() < first_day or not day.is_dir():
            continue
        runs += [
            (name.started_at, path)
            for path in day.iterdir()
            if (name := RunName.parse_path(path.relative_to(context.data).as_posix()))
        ]
    return sorted((at, path) for at, path in runs if at >= first_at)


def last_runs(context: CheckContext) -> CheckResult:
    """Check that runs came as often as they should, and count their connectivity verdicts."""
    if not context.data.is_dir():
        raise CheckSkipped(_("There is no data folder yet."))
    runs = (
        since(context, context.now - WEEK) or since(context, datetime.min.replace(tzinfo=UTC))[-1:]
    )
    if not runs:
        return _no_open_days(context)
    newest = runs[-1][0]
    messages = [_("The last run began {at} UTC.", at=newest)]
    if newest > context.now + timedelta(minutes=1):
        return problem(
            *messages,
            _("That is in the future: the clock was wrong then, or is now."),
            advice=_("See clock, below."),
        )
    every, scheduled = _interval(context, runs)
    if every:
        messages += [
            _expected_and_actual(runs, context.now - DAY, context.now, every),
            _expected_and_actual(runs, context.now - WEEK, context.now, every),
        ]
    messages += _connectivity_counts(runs)
    silent = every and context.now - newest > LATE * every
    if silent and scheduled:
        return problem(*messages, _("Since then runs are missing."), advice=MISSING)
    return info(*messages, _("Since then there was none.")) if silent else ok(*messages)


def _no_open_days(context: CheckContext) -> CheckResult:
    """Return the result where all days are packed, or no run was made."""
    paths = (context.data / "results").rglob("*.parquet")
    days = [name.day for path in paths if (name := DayName.parse(path.name))]
    if not days:
        return info(_("There was no run yet."), advice=_("Begin with: keepiton probe"))
    message = _("The last run was on {day}, and is packed.", day=str(max(days)))
    if _schedules(context):
        return problem(message, _("Since then runs are missing."), advice=MISSING)
    return info(message)


def _interval(
    context: CheckContext, runs: list[tuple[datetime, Path]]
) -> tuple[timedelta | None, bool]:
    """Return the interval of the runs, and whether it comes from a schedule."""
    intervals_s = [
        EVERY[schedule.every] for schedule in _schedules(context) if schedule.every in EVERY
    ]
    if intervals_s:
        return timedelta(seconds=min(intervals_s)), True
    if len(runs) < STEADY_RUNS:
        return None, False
    usual_s = statistics.median(
        (after - before).total_seconds() for (before, _), (after, _) in pairwise(runs)
    )
    return timedelta(seconds=usual_s) if usual_s else None, False


def _expected_and_actual(
    runs: list[tuple[datetime, Path]], first_at: datetime, now: datetime, every: timedelta
) -> CheckText:
    first_at = max(first_at, runs[0][0])
    came = sum(at >= first_at for at, _path in runs)
    return _(
        "Last {span}: {n} of {expected} runs.",
        span=now - first_at,
        n=came,
        expected=max(came, int((now - first_at) / every) + 1),
    )


def _connectivity_counts(runs: list[tuple[datetime, Path]]) -> list[CheckText]:
    """Count the connectivity verdicts of the latest runs."""
    verdicts: Counter[Connectivity] = Counter()
    for _at, path in runs[-LATEST:]:
        try:
            with path.open("rb") as file:
                end = parse_line(End, end_of(file))
        except OSError:
            continue
        if end:
            verdicts[end.line] += 1
    if not verdicts:
        return []
    up = verdicts[Connectivity.UP]
    return [_("Own line up in {up} of the last {n} runs.", up=up, n=verdicts.total())]
