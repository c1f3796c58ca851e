"""From rows to a report: detection over all of them, then what was asked for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo

import numpy as np

from keepiton.base.language import ENGLISH, Language
from keepiton.detect import Policy, detect, spans
from keepiton.detect.types import Detection, Group, Window
from keepiton.detect.windows import instant
from keepiton.lists.types import Event
from keepiton.report.types import ExternalSeries, Report, shared_fields
from keepiton.storage.rounds import ReadResult, Rounds
from keepiton.storage.rows import EvidenceRow

Span = tuple[datetime | None, datetime | None]
ALWAYS: Span = (None, None)
USUAL = Policy()


def build(
    rows: ReadResult,
    zone: tzinfo,
    now: datetime,
    *,
    targets: tuple[str, ...] = (),
    operators: tuple[str, ...] = (),
    span: Span = ALWAYS,
    policy: Policy = USUAL,
    by: Group = "operator",
    most: int | None = None,
    language: Language = ENGLISH,
    event: Event | None = None,
    events: tuple[Event, ...] = (),
    external: tuple[ExternalSeries, ...] = (),
    width: int = 100,
) -> Report | None:
    """Make a report of the named targets and operators (all, where none is named).

    Windows are found over all times and then chosen by the span, since an edge may lie outside it.
    Trends are over at most so many parts of it; without a number over the last 24 hours.
    Returns None when there is no data in what was asked for.
    """
    since, until = span
    kept = rows.rounds
    if targets or operators:
        kept = _only(kept, targets, operators)
    over = spans(*_times(kept, span), most) if most and len(kept) else None
    detection = detect(kept, policy, now, by=by, over=over, event=event.span() if event else None)
    if not _any(kept, span, whole=not (targets or operators)):
        return None
    values = shared_fields(Detection, detection) | {
        "windows": tuple(window for window in detection.windows if _overlaps(window, since, until)),
        "vantage_outages": tuple(
            window for window in detection.vantage_outages if _overlaps(window, since, until)
        ),
        "connectivity_periods": tuple(
            period
            for period in detection.connectivity_periods
            if (not until or period.start <= until) and (not since or period.end >= since)
        ),
    }
    return Report(
        **values,
        policy=policy,
        by=by,
        zone=zone,
        now=now,
        since=since,
        until=until,
        files=rows.files,
        unsealed=rows.unsealed,
        warnings=tuple(rows.warnings()),
        lang=language,
        event=event,
        events=events,
        external=external,
        width=width,
    )


def number_evidence(
    windows: tuple[Window, ...], lines: Mapping[EvidenceRow, int]
) -> tuple[Window, ...]:
    """Add line numbers to the evidence of windows, where they are known."""
    return tuple(
        replace(
            window,
            evidence=tuple(replace(row, line=lines.get(row)) for row in window.evidence),
        )
        for window in windows
    )


def _times(rounds: Rounds, span: Span) -> tuple[datetime, datetime]:
    """Return the first and the last instant that was asked for and is in the data."""
    first, last = instant(rounds.at.min() / 1000), instant(rounds.at.max() / 1000)
    since, until = span
    first = max(first, since) if since else first
    return first, max(first, min(last, until) if until else last)


def _overlaps(window: Window, since: datetime | None, until: datetime | None) -> bool:
    return (not until or window.start_latest <= until) and bool(
        not since or window.ongoing or (window.end_latest or window.end_earliest) >= since
    )


def _only(rounds: Rounds, targets: tuple[str, ...], operators: tuple[str, ...]) -> Rounds:
    """Keep what was asked for, and the controls that vantage connectivity is judged by."""
    chosen = rounds.control != ""
    if targets and operators:
        chosen |= np.isin(rounds.target, targets) & np.isin(rounds.operator, operators)
    else:
        chosen |= np.isin(rounds.target, targets) | np.isin(rounds.operator, operators)
    return rounds.of(chosen[rounds.subject])


def _any(rounds: Rounds, span: Span, *, whole: bool) -> bool:
    """Whether there is data of what was asked for in a span of time."""
    counted = rounds if whole else rounds.of((rounds.control == "")[rounds.subject])
    since, until = ((at.timestamp() * 1000 if at else None) for at in span)
    inside = np.ones(len(counted), bool)
    if since is not None:
        inside &= counted.at >= since
    if until is not None:
        inside &= counted.at <= until
    return bool(inside.any())
