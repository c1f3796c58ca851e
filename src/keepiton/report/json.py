"""The whole report as one JSON object, times in UTC."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from keepiton.model import utc
from keepiton.report.common import CAVEAT, Report, remarks


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a report holds
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(type(value).__name__)


def render(report: Report) -> str:
    """Write everything the report holds."""
    findings = asdict(report.findings)
    for name in ("windows", "own_lines", "lines", "operators", "targets"):
        del findings[name]
    whole = {
        "report": 1,
        "since": report.since,
        "until": report.until,
        "now": report.now,
        "basis": findings,
        "windows": [asdict(one) for one in report.windows],
        "own_lines": [asdict(one) for one in report.own_lines],
        "looks": [asdict(one) for one in report.lines],
        "status": [asdict(one) for one in report.statuses],
        "policy": asdict(report.policy),
        "files": report.files,
        "unsealed": report.unsealed,
        "remarks": remarks(report),
        "caveat": CAVEAT,
    }
    return json.dumps(whole, default=_plain, ensure_ascii=False, indent=1) + "\n"
