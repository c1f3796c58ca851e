"""The whole report as one JSON object, times in UTC, always in English."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from keepiton.base.language import ENGLISH
from keepiton.base.types import utc
from keepiton.detect.types import (
    BeforeDuringAfter,
    ConnectivityPeriod,
    Coverage,
    Group,
    Status,
    Window,
)
from keepiton.report.phrases import CAVEAT, Report, remarks
from keepiton.report.types import FileSeal


@dataclass(frozen=True, slots=True)
class ReportBasis:
    """What all of it rests on."""

    runs: int
    rounds: int
    first_at: datetime | None
    last_at: datetime | None
    step_s: float
    vantages: tuple[str, ...]
    never_answered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A report; its number is raised when a meaning changes, not for a new field."""

    report: Literal[1]
    since: datetime | None
    until: datetime | None
    now: datetime
    basis: ReportBasis
    windows: tuple[Window, ...]
    vantage_outages: tuple[Window, ...]
    connectivity_periods: tuple[ConnectivityPeriod, ...]
    trend_start: datetime
    trend_step_s: float
    status: tuple[Status, ...]
    coverage: tuple[Coverage, ...]
    event: str | None
    comparisons: tuple[BeforeDuringAfter, ...]
    policy: dict[str, float]
    files: int
    unsealed: int
    sealed: tuple[FileSeal, ...]
    remarks: list[str]
    caveat: str


@dataclass(frozen=True, slots=True)
class StatusDocument:
    """The quick table."""

    status: Literal[1]
    now: datetime
    newest_data_at: datetime | None
    by: Group
    trend_start: datetime
    trend_step_s: float
    states: tuple[Status, ...]
    remarks: list[str]
    caveat: str


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a report holds
    """Write what JSON has no type for."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(type(value).__name__)


def _written(whole: ReportDocument | StatusDocument) -> str:
    return json.dumps(asdict(whole), default=plain, ensure_ascii=False, indent=1) + "\n"


def render(report: Report) -> str:
    """Write everything the report holds."""
    found = report.detection
    return _written(
        ReportDocument(
            report=1,
            since=report.since,
            until=report.until,
            now=report.now,
            basis=ReportBasis(
                runs=found.runs,
                rounds=found.rounds,
                first_at=found.first_at,
                last_at=found.last_at,
                step_s=found.step_s,
                vantages=found.vantages,
                never_answered=found.never_answered,
            ),
            windows=report.windows,
            vantage_outages=report.vantage_outages,
            connectivity_periods=report.connectivity_periods,
            trend_start=found.trend_start,
            trend_step_s=found.trend_step_s,
            status=found.statuses,
            coverage=found.coverage,
            event=report.event.id if report.event else None,
            comparisons=found.comparisons,
            policy=asdict(report.policy),
            files=report.files,
            unsealed=report.unsealed,
            sealed=report.sealed,
            remarks=remarks(replace(report, lang=ENGLISH)),
            caveat=CAVEAT,
        )
    )


def status(report: Report, by: Group, width: int) -> str:
    """Write the states as one JSON object."""
    del width
    found = report.detection
    return _written(
        StatusDocument(
            status=1,
            now=report.now,
            newest_data_at=found.last_at,
            by=by,
            trend_start=found.trend_start,
            trend_step_s=found.trend_step_s,
            states=found.statuses,
            remarks=remarks(replace(report, lang=ENGLISH)),
            caveat=CAVEAT,
        )
    )
