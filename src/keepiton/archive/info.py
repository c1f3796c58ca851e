"""Counts what a data folder holds, what that takes, and what a year would take at this pace."""

import json
import os
import shutil
import zlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from keepiton.base.files import PART
from keepiton.storage.database import connect
from keepiton.storage.run_name import RunName
from keepiton.storage.runs import list_runs, name_in_parquet, open_file
from keepiton.storage.seal import end_of

if TYPE_CHECKING:
    import duckdb

LATELY = 7
"""Days with runs from which the pace is taken, the newest left out where there are others: it may
not be over."""
FORMS = {".jsonl": "plain", PART: "plain", ".gz": "packed", ".zst": "packed", ".parquet": "Parquet"}


@dataclass(slots=True)
class FormSize:
    """What lies there in one form."""

    files: int = 0
    bytes: int = 0
    measurements: int = 0

    @property
    def each(self) -> float | None:
        """Bytes a measurement."""
        return self.bytes / self.measurements if self.measurements else None


@dataclass(slots=True)
class FolderInfo:
    """What a data folder holds."""

    runs: int = 0
    measurements: int = 0
    unsealed: int = 0
    vantages: tuple[str, ...] = ()
    first: str = ""
    """Name of the oldest run's file."""
    last: str = ""
    days: int = 0
    forms: dict[str, FormSize] = field(default_factory=dict)
    a_day: float = 0.0
    """Measurements, lately."""
    bytes: int = 0
    free: int = 0
    """Bytes on that disk that this user may take."""
    unknown: tuple[str, ...] = ()
    """Files that cannot be read, or hold no runs."""

    def a_year(self, form: str) -> int | None:
        """Bytes of a year at this pace, all in one form; None where none of it is here."""
        each = self.forms[form].each if form in self.forms else None
        return round(each * self.a_day * 365) if each and self.a_day else None


def describe_files(files: Sequence[str], data: Path) -> FolderInfo:
    """Describe listed result files; of sealed plain ones only the end is read."""
    result = FolderInfo(free=shutil.disk_usage(data).free)
    forms: dict[str, FormSize] = defaultdict(FormSize)
    measurements: dict[RunName, int] = {}
    sealed = set[RunName]()
    unknown = []
    with ExitStack() as stack:
        database = None
        if any(path.endswith(".parquet") for path in files):
            database = stack.enter_context(closing(connect()))
        for path in files:
            size = os.stat(path).st_size  # noqa: PTH116 - thousands of files, and no Path for each
            form = forms[FORMS.get(Path(path).suffix, "plain")]
            form.files += 1
            form.bytes += size
            result.bytes += size
            counts: dict[RunName, int] = {}
            with suppress(OSError, EOFError, ValueError, zlib.error):
                if database and path.endswith(".parquet"):
                    counts = _count_in_parquet(database, path)
                    sealed |= counts.keys()
                elif run := next(list_runs([path]), None):
                    counts = {run.run_name: _count_in_lines(path)}
                    sealed |= counts.keys() if run.sealed else set()
            for name, count in counts.items():
                form.measurements += count
                measurements[name] = max(count, measurements.get(name, 0))
            if not counts:
                unknown.append(path)
    by_day: dict[date, int] = defaultdict(int)
    for name, count in measurements.items():
        by_day[name.started_at.date()] += count
    names = sorted(name.file_name for name in measurements)
    result.runs, result.measurements = len(names), sum(measurements.values())
    result.unsealed, result.unknown = len(measurements.keys() - sealed), tuple(unknown)
    result.vantages = tuple(sorted({name.vantage for name in measurements}))
    result.first, result.last = (names[0], names[-1]) if names else ("", "")
    result.days, result.forms = len(by_day), dict(forms)
    lately = sorted(by_day)[-LATELY - 1 : -1] or sorted(by_day)
    if lately:
        result.a_day = sum(by_day[day] for day in lately) / ((lately[-1] - lately[0]).days + 1)
    return result


def _count_in_parquet(database: "duckdb.DuckDBPyConnection", path: str) -> dict[RunName, int]:
    """Count the measurements of each run in a Parquet file; nothing where it names no runs."""
    import duckdb  # noqa: PLC0415 - heavy

    try:
        rows = database.execute(
            "select file, count(*) filter (where type = 'measurement')"
            " from read_parquet($path) where file is not null group by file",
            {"path": [path]},
        ).fetchall()
    except duckdb.Error:
        return {}
    return {name: count for value, count in rows if (name := name_in_parquet(value))}


def _count_in_lines(path: str) -> int:
    """Return what a file's end line counts, or count its lines where it has none."""
    with open_file(path) as file:
        if path.endswith(".jsonl") and (end_line := end_of(file)):
            count = json.loads(end_line).get("measurements")
            if isinstance(count, int):
                return max(0, count)
        file.seek(0)
        count = 0
        while piece := file.read(1 << 20):
            count += piece.count(b'"type":"measurement"')
        return count
