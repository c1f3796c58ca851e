"""Windows as JSON Lines: one object a line, as in the JSON report; times in UTC."""

import json
from dataclasses import asdict

from keepiton.report.json import plain
from keepiton.report.types import Report


def render(report: Report) -> str:
    """Write one line a window."""
    return "".join(
        json.dumps(asdict(window), default=plain, ensure_ascii=False) + "\n"
        for window in report.windows
    )
