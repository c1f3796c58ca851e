"""Reads series that other projects publish, from files as a user downloads them.

How: docs/guides/others.md.

They are drawn beside our own in a report. They are no measurements of ours: nothing of them is
stored, and no detection sees them.
"""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.compare import ioda, ooni, radar
from keepiton.compare.values import Table
from keepiton.report.types import ExternalSeries

MAX_BYTES = 10 * 1024 * 1024
MAX_SERIES = 20

READERS: dict[str, Callable[[object], list[ExternalSeries] | None]] = {
    "IODA signals (JSON)": ioda.read,
    "OONI aggregation (JSON or CSV)": ooni.read,
    "Cloudflare Radar time series (JSON or CSV)": radar.read,
}
"""Each returns None for what is not its own."""


def read(path: Path) -> tuple[ExternalSeries, ...]:
    """Read every series of a file, whichever its format. Raises UserError."""
    name = clean(str(path), 1000)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise UserError(f"{name}: cannot be read: {exc.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{name}: larger than 10 MiB; ask the source for a shorter time")
    try:
        return tuple(_series(_parsed(content)))
    except UserError as exc:
        raise UserError(f"{name}:{exc}") from None


def _series(content: object) -> list[ExternalSeries]:
    for reader in READERS.values():
        series = reader(content)
        if series is None:
            continue
        if not series:
            raise UserError("1: holds no series; ask the source for another place or time")
        if len(series) > MAX_SERIES:
            raise UserError(
                f"1: holds {len(series)} series, more than {MAX_SERIES}; ask the source for fewer"
            )
        return series
    raise UserError(f"1: of no known kind; what is read: {', '.join(READERS)}")


def _parsed(content: bytes) -> object:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise UserError(f"{line}: not UTF-8 text; give the file as it was downloaded") from None
    if not text.strip():
        raise UserError("1: empty; ask the source for another place or time")
    return _json(text) if text.lstrip()[0] in "{[" else _table(text)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        why = f"{exc.lineno}: not whole JSON ({exc.msg})"
    except RecursionError:
        why = "1: nested too deeply"
    except ValueError:
        why = "1: holds a number that is too long"
    raise UserError(f"{why}; download the file again")


def _table(text: str) -> Table:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = tuple(next(lines))
        rows = [(lines.line_num, row) for row in lines if row]
    except csv.Error as exc:
        raise UserError(
            f"{lines.line_num}: not whole CSV ({exc}); download the file again"
        ) from None
    if len(set(columns)) < len(columns):
        raise UserError("1: two columns of one name; download the file again")
    for line, row in rows:
        if len(row) != len(columns):
            raise UserError(
                f"{line}: {len(row)} columns instead of {len(columns)}; download the file again"
            )
    return Table(
        columns, tuple((str(line), dict(zip(columns, row, strict=True))) for line, row in rows)
    )
