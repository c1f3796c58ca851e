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
from keepiton.report.phrases import remarks
from keepiton.report.types import Report, shared_fields
from keepiton.report.vocabulary import CAVEAT
from keepiton.storage.rows import FileSeal


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


def _to_json(document: ReportDocument | StatusDocument) -> str:
    return json.dumps(asdict(document), default=plain, ensure_ascii=False, indent=1) + "\n"


def render(report: Report) -> str:
    """Write everything the report holds."""
    values = shared_fields(ReportDocument, report) | {
        "report": 1,
        "basis": ReportBasis(**shared_fields(ReportBasis, report)),
        "status": report.statuses,
        "event": report.event.id if report.event else None,
        "policy": asdict(report.policy),
        **_notes(report),
    }
    return _to_json(ReportDocument(**values))


def status(report: Report) -> str:
    """Write the states as one JSON object."""
    values = shared_fields(StatusDocument, report) | {
        "status": 1,
        "newest_data_at": report.last_at,
        "states": report.statuses,
        **_notes(report),
    }
    return _to_json(StatusDocument(**values))


def _notes(report: Report) -> dict[str, object]:
    return {"remarks": remarks(replace(report, lang=ENGLISH)), "caveat": CAVEAT}
