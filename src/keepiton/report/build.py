"""From rows to a report: detection over all of them, then what was asked for."""

from datetime import datetime, tzinfo

from keepiton.detect import Policy, detect
from keepiton.model import Rows
from keepiton.report.common import Report

Span = tuple[datetime | None, datetime | None]
ALWAYS: Span = (None, None)


def build(
    rows: Rows,
    zone: tzinfo,
    now: datetime,
    *,
    targets: tuple[str, ...] = (),
    operators: tuple[str, ...] = (),
    span: Span = ALWAYS,
) -> Report | None:
    """Make a report of the named targets and operators (all, where none is named).

    Windows are found over all times and then chosen by the span, since an edge may lie outside it.
    Returns None when there is no data in what was asked for.
    """
    since, until = span
    policy = Policy()
    kept = [
        one
        for one in rows.rounds
        if (not targets or one.target in targets) and (not operators or one.operator in operators)
    ]
    seen = [one.at for one in kept]
    if not (targets or operators):
        seen += [one.at for one in rows.lines]
    if not any((not since or at >= since) and (not until or at <= until) for at in seen):
        return None
    found = detect(kept, rows.lines, policy, now)
    return Report(
        findings=found,
        windows=tuple(
            one
            for one in found.windows
            if (not until or one.start_latest <= until)
            and (not since or one.ongoing or (one.end_latest or one.end_earliest) >= since)
        ),
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
