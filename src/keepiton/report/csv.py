"""Windows as rows for a spreadsheet, safe from formulas."""

import csv
import io
from datetime import datetime

from keepiton.base.csv_cell import csv_cell
from keepiton.base.types import utc
from keepiton.report import phrases
from keepiton.report.types import Report

HEADER = (
    *(
        "id",
        "scope",
        "subject",
        "perspective",
        "confidence",
        "confidence_label",
        "verdict",
        "start",
    ),
    *("start_earliest", "start_latest", "end", "end_earliest", "end_latest", "ongoing"),
    *("severity", "flapping", "layer", "share", "impact", "rounds", "rounds_bad", "coverage"),
    *(
        "vantages_for",
        "vantages_against",
        "vantages_without_data",
        "targets",
        "operators",
        "stages",
    ),
    *("failures", "starts_on_half_hour", "evidence"),
)


def cell(value: object) -> str:
    """Write a value as a cell; times in UTC, lists and counts with semicolons."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, dict):
        value = "; ".join(f"{name} ({count})" for name, count in value.items())
    if isinstance(value, tuple):
        value = "; ".join(map(str, value))
    return csv_cell("" if value is None else str(value))


def render(report: Report) -> str:
    """Write a header and one row a window; times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for window in report.windows:
        cells = {name: getattr(window, name) for name in HEADER}
        cells["evidence"] = tuple(phrases.evidence_rows(window))
        writer.writerow([cell(value) for value in cells.values()])
    return out.getvalue()
