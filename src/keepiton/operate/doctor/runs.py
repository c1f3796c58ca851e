"""Checks of the runs: whether they begin by themselves, and whether they came."""

import statistics
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from keepiton.base.connectivity import Connectivity
from keepiton.base.language import gettext_noop
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    CheckText,
    check_text,
    info,
    ok,
    problem,
)
from keepiton.operate.schedule import Installed, installed
from keepiton.operate.schedule.job import EVERY
from keepiton.storage.rows import End
from keepiton.storage.runs import DAY as PACKED
from keepiton.storage.writer import NAME

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
SOON = timedelta(days=14)
"""Before its end, a schedule is to be renewed."""
LATE = 3
"""So many intervals without a run are a silence."""
STEADY_RUNS = 4
"""From so many runs in a week on, their usual distance is taken for the interval."""
LATEST = 10
"""Runs whose own line is told."""
END_BYTES = 4096
"""More than an end line has."""
MISSING = check_text(
    gettext_noop("See whether this machine was off, and begin one by hand: keepiton probe -v")
)


def _schedules(place: CheckContext) -> list[Installed]:
    """List the schedules that write into the folder."""
    own = place.data.resolve()
    return [one for one in installed() if one.data.resolve() == own]


def schedule(place: CheckContext) -> CheckResult:
    """Look whether runs begin by themselves, and will go on doing so."""
    found = _schedules(place)
    if not found:
        if installed():
            return info(
                check_text(gettext_noop("A schedule is installed, and writes into another folder."))
            )
        return info(
            check_text(gettext_noop("No schedule is installed: runs begin when you begin them.")),
            advice=check_text(
                gettext_noop("To let them begin by themselves: keepiton schedule --install")
            ),
        )
    text = gettext_noop("By {kind} every {every}, until {day}.")
    said = [
        check_text(text, kind=one.kind, every=one.every, day=one.until.isoformat()) for one in found
    ]
    renew = check_text(gettext_noop("To let it go on: keepiton schedule --install"))
    left = max(one.until for one in found) - place.now.date()
    if left < timedelta(0):
        return problem(*said, check_text(gettext_noop("It has ended.")), advice=renew)
    if left < SOON:
        return info(*said, check_text(gettext_noop("It ends soon.")), advice=renew)
    return ok(*said)


def begun_at(name: str) -> datetime:
    """Return when a run began, by its file's name."""
    stamp = name.rsplit("/", 1)[-1][:16]
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def since(place: CheckContext, first_at: datetime) -> list[tuple[datetime, Path]]:
    """List the runs that began since an instant, by their files' names, oldest first.

    Those of days that were packed are not among them.
    """
    results = place.data / "results"
    first_day = first_at.strftime("%Y/%m/%d")
    found = []
    for day in results.glob("*/*/*"):
        if day.relative_to(results).as_posix() < first_day or not day.is_dir():
            continue
        for path in day.iterdir():
            name = path.relative_to(place.data).as_posix()
            if NAME.fullmatch(name):
                with suppress(ValueError):
                    found.append((begun_at(name), path))
    return sorted(one for one in found if one[0] >= first_at)


def last_runs(place: CheckContext) -> CheckResult:
    """Look whether runs came as often as they should, and how they found their own line."""
    if not place.data.is_dir():
        raise CheckSkipped(check_text(gettext_noop("There is no data folder yet.")))
    runs = since(place, place.now - WEEK) or since(place, datetime.min.replace(tzinfo=UTC))[-1:]
    if not runs:
        return _none(place)
    newest = runs[-1][0]
    said = [check_text(gettext_noop("The last run began {at} UTC."), at=newest)]
    if newest > place.now + timedelta(minutes=1):
        return problem(
            *said,
            check_text(gettext_noop("That is in the future: the clock was wrong then, or is now.")),
            advice=check_text(gettext_noop("See clock, below.")),
        )
    every, scheduled = _interval(place, runs)
    if every:
        said += [
            _came(runs, place.now - DAY, place.now, every),
            _came(runs, place.now - WEEK, place.now, every),
        ]
    said += _own_lines(runs)
    silent = every and place.now - newest > LATE * every
    if silent and scheduled:
        return problem(
            *said, check_text(gettext_noop("Since then runs are missing.")), advice=MISSING
        )
    return (
        info(*said, check_text(gettext_noop("Since then there was none."))) if silent else ok(*said)
    )


def _none(place: CheckContext) -> CheckResult:
    """Say what there is where all runs are packed, or none was made."""
    names = (PACKED.fullmatch(one.name) for one in (place.data / "results").rglob("*.parquet"))
    days = [one["day"] for one in names if one]
    if not days:
        return info(
            check_text(gettext_noop("There was no run yet.")),
            advice=check_text(gettext_noop("Begin with: keepiton probe")),
        )
    said = check_text(
        gettext_noop("The last run was on {day}, and is packed."),
        day=str(date.fromisoformat(max(days))),
    )
    if _schedules(place):
        return problem(
            said, check_text(gettext_noop("Since then runs are missing.")), advice=MISSING
        )
    return info(said)


def _interval(
    place: CheckContext, runs: list[tuple[datetime, Path]]
) -> tuple[timedelta | None, bool]:
    """Return the interval of the runs, and whether a schedule says so."""
    named = [EVERY[one.every] for one in _schedules(place) if one.every in EVERY]
    if named:
        return timedelta(seconds=min(named)), True
    if len(runs) < STEADY_RUNS:
        return None, False
    usual = statistics.median(
        (after - before).total_seconds() for (before, _), (after, _) in pairwise(runs)
    )
    return timedelta(seconds=usual) if usual else None, False


def _came(
    runs: list[tuple[datetime, Path]], first_at: datetime, now: datetime, every: timedelta
) -> CheckText:
    first_at = max(first_at, runs[0][0])
    came = sum(at >= first_at for at, _path in runs)
    text = gettext_noop("Last {span}: {n} of {expected} runs.")
    return check_text(
        text, span=now - first_at, n=came, expected=max(came, int((now - first_at) / every) + 1)
    )


def _own_lines(runs: list[tuple[datetime, Path]]) -> list[CheckText]:
    """Tell how the latest runs found their own line."""
    found: Counter[Connectivity] = Counter()
    for _at, path in runs[-LATEST:]:
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - END_BYTES))
                last = file.read(END_BYTES).rstrip().rsplit(b"\n", 1)[-1]
            found[End.model_validate_json(last).line] += 1
        except (OSError, ValidationError):
            continue
    if not found:
        return []
    text = gettext_noop("Own line up in {up} of the last {n} runs.")
    return [check_text(text, up=found[Connectivity.UP], n=found.total())]
