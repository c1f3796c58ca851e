"""From rows to a report: detection over all of them, then what was asked for."""

from datetime import datetime, tzinfo

import numpy as np

from keepiton.detect import Policy, detect
from keepiton.model import Window
from keepiton.report.common import Report
from keepiton.rounds import Rounds, Rows

Span = tuple[datetime | None, datetime | None]
ALWAYS: Span = (None, None)
USUAL = Policy()


def build(
    rows: Rows,
    zone: tzinfo,
    now: datetime,
    *,
    targets: tuple[str, ...] = (),
    operators: tuple[str, ...] = (),
    span: Span = ALWAYS,
    policy: Policy = USUAL,
) -> Report | None:
    """Make a report of the named targets and operators (all, where none is named).

    Windows are found over all times and then chosen by the span, since an edge may lie outside it.
    Returns None when there is no data in what was asked for.
    """
    since, until = span
    kept = rows.rounds
    if targets or operators:
        kept = _only(kept, targets, operators)
    found = detect(kept, policy, now)
    if not _any(kept, span, whole=not (targets or operators)):
        return None
    return Report(
        findings=found,
        windows=tuple(one for one in found.windows if _touches(one, since, until)),
        own_lines=tuple(one for one in found.own_lines if _touches(one, since, until)),
        lines=tuple(
            one
            for one in found.lines
            if (not until or one.start <= until) and (not since or one.end >= since)
        ),
        statuses=(),
        policy=policy,
        zone=zone,
        now=now,
        since=since,
        until=until,
        files=rows.files,
        unsealed=rows.unsealed,
        complaints=tuple(rows.complaints()),
    )


def _touches(one: Window, since: datetime | None, until: datetime | None) -> bool:
    return (not until or one.start_latest <= until) and bool(
        not since or one.ongoing or (one.end_latest or one.end_earliest) >= since
    )


def _only(rounds: Rounds, targets: tuple[str, ...], operators: tuple[str, ...]) -> Rounds:
    """Keep what was asked for, and the controls that tell of the own line."""
    chosen = rounds.control != ""
    if targets and operators:
        chosen |= np.isin(rounds.target, targets) & np.isin(rounds.operator, operators)
    else:
        chosen |= np.isin(rounds.target, targets) | np.isin(rounds.operator, operators)
    return rounds.of(chosen[rounds.subject])


def _any(rounds: Rounds, span: Span, *, whole: bool) -> bool:
    """Whether there is data of what was asked for in a span of time."""
    counted = rounds if whole else rounds.of((rounds.control == "")[rounds.subject])
    since, until = ((one.timestamp() * 1000 if one else None) for one in span)
    inside = np.ones(len(counted), bool)
    if since is not None:
        inside &= counted.at >= since
    if until is not None:
        inside &= counted.at <= until
    return bool(inside.any())
