"""Times made coarse for sharing: exact ones can identify one subscriber at the provider."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keepiton.detect.types import Coverage, LinePeriod, Status, Window
from keepiton.report.phrases import Report

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def down(at: datetime, step: timedelta) -> datetime:
    """Return the last whole step not after an instant."""
    return EPOCH + (at - EPOCH) // step * step


def up(at: datetime, step: timedelta) -> datetime:
    """Return the first whole step not before an instant."""
    return EPOCH - (EPOCH - at) // step * step


def coarsen(report: Report, step: timedelta) -> Report:
    """Widen every interval to whole steps, so that it stays true.

    Witnesses, files and ids are withheld: a file's name holds an exact time, and an id is made
    from one.
    """

    def window(one: Window) -> Window:
        return replace(
            one,
            id="",
            witnesses=(),
            gaps=tuple((down(a, step), up(b, step)) for a, b in one.gaps),
            on_mark=False,
            start=down(one.start, step),
            end=one.end and up(one.end, step),
            start_earliest=one.start_earliest and down(one.start_earliest, step),
            start_latest=up(one.start_latest, step),
            end_earliest=down(one.end_earliest, step),
            end_latest=one.end_latest and up(one.end_latest, step),
        )

    def period(one: LinePeriod) -> LinePeriod:
        return replace(one, start=down(one.start, step), end=up(one.end, step))

    def status(one: Status) -> Status:
        since = one.since and (one.since[0] and down(one.since[0], step), up(one.since[1], step))
        seen = one.last_seen and down(one.last_seen, step)
        return replace(one, since=since, last_seen=seen)

    def coverage(one: Coverage) -> Coverage:
        return replace(one, first_at=down(one.first_at, step), last_at=up(one.last_at, step))

    found = report.findings
    # Counts by spans of time stay where the spans are no finer than what is asked for.
    shown = found.trend_step_s % step.total_seconds() == 0
    return replace(
        report,
        now=down(report.now, step),
        since=report.since and down(report.since, step),
        until=report.until and up(report.until, step),
        findings=replace(
            found,
            first_at=found.first_at and down(found.first_at, step),
            last_at=found.last_at and down(found.last_at, step),
            coverage=tuple(map(coverage, found.coverage)),
            windows=(),
            own_lines=(),
            lines=(),
            statuses=tuple(map(status, found.statuses)) if shown else (),
        ),
        windows=tuple(map(window, report.windows)),
        own_lines=tuple(map(window, report.own_lines)),
        lines=tuple(map(period, report.lines)),
        sealed=(),
        complaints=(f"{len(report.complaints)} file(s) with unreadable lines",)
        if report.complaints
        else (),
    )
