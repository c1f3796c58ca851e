"""Times made coarse for sharing: exact ones can identify one subscriber at the provider."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keepiton.detect.types import ConnectivityPeriod, Coverage, Status, Window
from keepiton.report.phrases import Report

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def floor(at: datetime, step: timedelta) -> datetime:
    """Return the last whole step not after an instant."""
    return EPOCH + (at - EPOCH) // step * step


def ceil(at: datetime, step: timedelta) -> datetime:
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
            evidence=(),
            gaps=tuple((floor(a, step), ceil(b, step)) for a, b in one.gaps),
            starts_on_half_hour=False,
            start=floor(one.start, step),
            end=one.end and ceil(one.end, step),
            start_earliest=one.start_earliest and floor(one.start_earliest, step),
            start_latest=ceil(one.start_latest, step),
            end_earliest=floor(one.end_earliest, step),
            end_latest=one.end_latest and ceil(one.end_latest, step),
        )

    def period(one: ConnectivityPeriod) -> ConnectivityPeriod:
        return replace(one, start=floor(one.start, step), end=ceil(one.end, step))

    def status(one: Status) -> Status:
        since = one.since and (one.since[0] and floor(one.since[0], step), ceil(one.since[1], step))
        seen = one.last_seen and floor(one.last_seen, step)
        return replace(one, since=since, last_seen=seen)

    def coverage(one: Coverage) -> Coverage:
        return replace(one, first_at=floor(one.first_at, step), last_at=ceil(one.last_at, step))

    found = report.detection
    # Counts by spans of time stay where the spans are no finer than what is asked for.
    shown = found.trend_step_s % step.total_seconds() == 0
    return replace(
        report,
        now=floor(report.now, step),
        since=report.since and floor(report.since, step),
        until=report.until and ceil(report.until, step),
        detection=replace(
            found,
            first_at=found.first_at and floor(found.first_at, step),
            last_at=found.last_at and floor(found.last_at, step),
            coverage=tuple(map(coverage, found.coverage)),
            windows=(),
            vantage_outages=(),
            connectivity_periods=(),
            statuses=tuple(map(status, found.statuses)) if shown else (),
        ),
        windows=tuple(map(window, report.windows)),
        vantage_outages=tuple(map(window, report.vantage_outages)),
        connectivity_periods=tuple(map(period, report.connectivity_periods)),
        sealed=(),
        warnings=(f"{len(report.warnings)} file(s) with unreadable lines",)
        if report.warnings
        else (),
    )
