"""Times made coarse for sharing: exact ones can identify one subscriber at the provider."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keepiton.detect.types import Status, Window
from keepiton.report.types import Report

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def floor(at: datetime, step: timedelta) -> datetime:
    """Return the last whole step not after an instant."""
    return EPOCH + (at - EPOCH) // step * step


def ceil(at: datetime, step: timedelta) -> datetime:
    """Return the first whole step not before an instant."""
    return EPOCH - (EPOCH - at) // step * step


def coarsen(report: Report, step: timedelta) -> Report:
    """Widen every interval to whole steps, so that it stays true.

    Evidence rows, files and ids are withheld: a file's name holds an exact time, and an id is made
    from one.
    """

    def window(window: Window) -> Window:
        return replace(
            window,
            id="",
            evidence=(),
            gaps=tuple((floor(start, step), ceil(end, step)) for start, end in window.gaps),
            starts_on_half_hour=False,
            start=floor(window.start, step),
            end=window.end and ceil(window.end, step),
            start_earliest=window.start_earliest and floor(window.start_earliest, step),
            start_latest=ceil(window.start_latest, step),
            end_earliest=floor(window.end_earliest, step),
            end_latest=window.end_latest and ceil(window.end_latest, step),
        )

    def status(status: Status) -> Status:
        since = status.since
        since = since and (since[0] and floor(since[0], step), ceil(since[1], step))
        last_seen = status.last_seen and floor(status.last_seen, step)
        return replace(status, since=since, last_seen=last_seen)

    # Counts by spans of time stay where the spans are no finer than what is asked for.
    keep_trends = report.trend_step_s % step.total_seconds() == 0
    unreadable = f"{len(report.warnings)} file(s) with unreadable lines"
    return replace(
        report,
        now=floor(report.now, step),
        since=report.since and floor(report.since, step),
        until=report.until and ceil(report.until, step),
        first_at=report.first_at and floor(report.first_at, step),
        last_at=report.last_at and ceil(report.last_at, step),
        coverage=tuple(
            replace(
                vantage,
                first_at=floor(vantage.first_at, step),
                last_at=ceil(vantage.last_at, step),
            )
            for vantage in report.coverage
        ),
        statuses=tuple(map(status, report.statuses)) if keep_trends else (),
        windows=tuple(map(window, report.windows)),
        vantage_outages=tuple(map(window, report.vantage_outages)),
        connectivity_periods=tuple(
            replace(period, start=floor(period.start, step), end=ceil(period.end, step))
            for period in report.connectivity_periods
        ),
        sealed=(),
        warnings=(unreadable,) if report.warnings else (),
    )
