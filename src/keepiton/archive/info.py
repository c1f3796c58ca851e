"""Counts what a data folder holds, what that takes, and what a year would take at this pace."""

import json
import os
import shutil
import zlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from keepiton.archive.pack import day_of
from keepiton.storage.reader import connect as database_of
from keepiton.storage.runs import FILE, list_runs, open_file
from keepiton.storage.writer import PART

if TYPE_CHECKING:
    import duckdb

LATELY = 7
"""Days with runs from which the pace is taken, the newest left out where there are others: it may
not be over."""
TAIL = 65_536
"""Bytes in which an end line lies: two hundred would do."""
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


def info(files: Sequence[str], data: Path) -> FolderInfo:
    """Look through files as ``read.find`` lists them; of sealed ones no more than the end."""
    made = FolderInfo(free=shutil.disk_usage(data).free)
    forms: dict[str, FormSize] = defaultdict(FormSize)
    counted: dict[str, int] = {}
    sealed = set[str]()
    unknown = []
    with ExitStack() as stack:
        base = None
        if any(one.endswith(".parquet") for one in files):
            base = stack.enter_context(closing(database_of()))
        for path in files:
            size = os.stat(path).st_size  # noqa: PTH116 - thousands of files, and no Path for each
            form = forms[FORMS.get(Path(path).suffix, "plain")]
            form.files += 1
            form.bytes += size
            made.bytes += size
            try:
                if base and path.endswith(".parquet"):
                    counts = _in_parquet(base, path)
                    sealed |= counts.keys()
                else:
                    one = next(list_runs([path]), None)
                    counts = {one.name: _in_lines(path)} if one else {}
                    sealed |= counts.keys() if one and one.sealed else set()
            except (OSError, EOFError, ValueError, zlib.error):
                counts = {}
            for name, count in counts.items():
                form.measurements += count
                counted[name] = max(count, counted.get(name, 0))
            if not counts:
                unknown.append(path)
    names = sorted(counted)
    by_day: dict[date, int] = defaultdict(int)
    for name in names:
        if day := day_of(name):
            by_day[day] += counted[name]
    made.runs, made.measurements = len(names), sum(counted.values())
    made.unsealed, made.unknown = len(counted.keys() - sealed), tuple(unknown)
    made.vantages = tuple(sorted({name[17:-19] for name in names}))
    made.first, made.last = (names[0], names[-1]) if names else ("", "")
    made.days, made.forms = len(by_day), dict(forms)
    lately = sorted(by_day)[-LATELY - 1 : -1] or sorted(by_day)
    if lately:
        made.a_day = sum(by_day[day] for day in lately) / ((lately[-1] - lately[0]).days + 1)
    return made


def _in_parquet(database: "duckdb.DuckDBPyConnection", path: str) -> dict[str, int]:
    """Count the measurements of each run in a Parquet file; nothing where it names no runs."""
    import duckdb  # noqa: PLC0415 - heavy

    try:
        told = database.execute(
            "select file, count(*) filter (where type = 'measurement')"
            " from read_parquet($path) where file is not null group by file",
            {"path": [path]},
        ).fetchall()
    except duckdb.Error:
        return {}
    return {name: count for name, count in told if FILE.fullmatch(str(name))}


def _in_lines(path: str) -> int:
    """Return what a file's end line counts, or count its lines where it has none."""
    with open_file(path) as file:
        if path.endswith(".jsonl"):
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            last = file.read(TAIL).rstrip(b"\n").rpartition(b"\n")[2]
            try:
                told = json.loads(last)
                if told["type"] == "end" and isinstance(told["measurements"], int):
                    return max(0, told["measurements"])
            except (ValueError, TypeError, KeyError, RecursionError):
                pass
            file.seek(0)
        count = 0
        while piece := file.read(1 << 20):
            count += piece.count(b'"type":"measurement"')
        return count
