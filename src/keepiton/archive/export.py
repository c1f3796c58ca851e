"""Gives raw rows and whole files back, out of whatever form they lie in."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any, BinaryIO

from keepiton.base.csv_cell import csv_cell
from keepiton.base.errors import UserError
from keepiton.base.files import make_private_folder, replacement
from keepiton.base.types import clean, utc
from keepiton.storage.database import COLUMNS, connect
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.rows import Measurement
from keepiton.storage.runs import StoredRun, iter_contents, list_runs, read_content

DAY_S = 86_400
"""A run that began so long before what is asked for may still hold it."""
RUN_COLUMNS = ("file", "vantage", "perspective", "country")
"""What a row of a flat table says of its run."""
HEADER = (*RUN_COLUMNS, *(name for name in Measurement.model_fields if name != "type"))


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """Which rows are asked for; without anything, all."""

    since: datetime | None = None
    until: datetime | None = None
    targets: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    def matches(self, row: dict[str, Any]) -> bool:
        """Whether a measurement is asked for."""
        at = str(row.get("at"))
        return (
            (not self.since or at >= utc(self.since))
            and (not self.until or at < utc(self.until))
            and (not self.targets or row.get("target") in self.targets)
            and (not self.operators or row.get("operator") in self.operators)
        )


def choose_runs(
    files: Sequence[str], wanted: ExportFilter, *, sealed: bool = False
) -> list[StoredRun]:
    """List each run once, its whole copy where there is one, in the order of their names.

    Left out are runs that cannot hold what is asked for: they begin after ``until``, or a day
    before ``since``. Raises UserError.
    """
    best: dict[str, StoredRun] = {}
    for run in list_runs(files):
        other = best.get(run.name)
        if (run.sealed or not sealed) and (not other or _worth(run) > _worth(other)):
            best[run.name] = run
    first = wanted.since.timestamp() - DAY_S if wanted.since else 0.0
    last = wanted.until.timestamp() if wanted.until else float("inf")
    return [
        run
        for _, run in sorted(best.items())
        if first <= run.run_name.started_at.timestamp() < last
    ]


def _worth(run: StoredRun) -> tuple[bool, bool, int]:
    """Rank copies: only what is whole is packed by the day, and of others more is better."""
    return run.sealed, run.in_parquet, 0 if run.in_parquet else Path(run.path).stat().st_size


def contents(runs: Sequence[StoredRun]) -> Iterator[tuple[str, bytes]]:
    """Yield runs' names and bytes in order; of each file that is read, one run is held."""
    by_day: dict[str, list[StoredRun]] = defaultdict(list)
    for run in runs:
        by_day[run.run_name.day].append(run)
    for of_day in by_day.values():
        packed: dict[str, list[str]] = defaultdict(list)
        for run in of_day:
            if run.in_parquet:
                packed[run.path].append(run.name)
        plain = ((run.name, read_content(run)) for run in of_day if not run.in_parquet)
        yield from merge(plain, *(iter_contents(path, names) for path, names in packed.items()))


def rows(
    runs: Sequence[StoredRun], wanted: ExportFilter, bad: list[str]
) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Yield the lines asked for: name of the run's file, bytes, and the row in them.

    Of each run with a measurement that is asked for, the run and the end line, too. A line that
    cannot be read is left out; ``bad`` gets the name of its file.
    """
    for name, content in contents(runs):
        head: list[tuple[str, bytes, dict[str, Any]]] = []
        in_demand = wanted == ExportFilter()
        for raw in content.split(b"\n"):
            if not raw.strip():
                continue
            try:
                row = json.loads(raw.decode())
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                bad.append(name)
                continue
            line = (name, raw + b"\n", row)
            if row.get("type") == "measurement":
                if not wanted.matches(row):
                    continue
                in_demand = True
            elif not in_demand:
                head.append(line)
                continue
            yield from head
            head = []
            yield line


def jsonl(runs: Sequence[StoredRun], wanted: ExportFilter, out: BinaryIO, bad: list[str]) -> int:
    """Write lines as the runs wrote them; return how many."""
    count = 0
    for _, raw, _ in rows(runs, wanted, bad):
        out.write(raw)
        count += 1
    return count


def table(runs: Sequence[StoredRun], wanted: ExportFilter, out: BinaryIO, bad: list[str]) -> int:
    """Write a flat CSV, a row a measurement, lists and objects as JSON; return how many."""
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    run: dict[str, Any] = {}
    count = 0
    for name, _, row in rows(runs, wanted, bad):
        if row.get("type") == "run":
            run = row
        elif row.get("type") == "measurement":
            own_run = run if run.get("run") == row.get("run") else {}
            values = {"file": name} | {key: own_run.get(key) for key in RUN_COLUMNS[1:]} | row
            writer.writerow([_cell(values.get(key)) for key in HEADER])
            count += 1
    text.flush()
    text.detach()
    return count


def write(
    form: str, runs: Sequence[StoredRun], wanted: ExportFilter, out: BinaryIO, bad: list[str]
) -> int:
    """Write rows as jsonl, csv or parquet to an open file; return how many."""
    if form == "parquet":
        return parquet(runs, wanted, Path(out.name))
    return (table if form == "csv" else jsonl)(runs, wanted, out, bad)


def _cell(value: object) -> str:
    if isinstance(value, dict | list | bool):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):  # a negative one is no formula
        return str(value)
    return csv_cell("" if value is None else str(value))


def parquet(runs: Sequence[StoredRun], wanted: ExportFilter, to: Path) -> int:
    """Write the columns that a report reads, and ``file``; return the rows. Raises UserError."""
    import duckdb  # noqa: PLC0415 - the other formats need none of it

    names = ", ".join(f'"{name}"' for name in COLUMNS)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    parameters: dict[str, Any] = {"names": [run.name for run in runs]}
    parts = []
    if plain := [run.path for run in runs if not run.in_parquet]:
        parameters["plain"] = plain
        parts.append(
            f"select {names},"  # noqa: S608
            " regexp_replace(parse_filename(filename), '[.](gz|zst|part)$', '') as file"
            f" from read_json($plain, format = 'newline_delimited', columns = {{{columns}}},"
            f" ignore_errors = true, filename = true, maximum_object_size = {MAX_LINE})"
        )
    if packed := list(dict.fromkeys(run.path for run in runs if run.in_parquet)):
        parameters["packed"] = packed
        parts.append(
            f"select {names}, file from read_parquet($packed, union_by_name = true)"  # noqa: S608
        )
    conditions = []
    for name, value, condition in (
        ("since", wanted.since and utc(wanted.since)[:-1], '"at" >= $since::timestamp'),
        ("until", wanted.until and utc(wanted.until)[:-1], '"at" < $until::timestamp'),
        ("targets", list(wanted.targets), "target in (select unnest($targets))"),
        ("operators", list(wanted.operators), "operator in (select unnest($operators))"),
    ):
        if value:
            conditions.append(condition)
            parameters[name] = value
    where = "type is not null and file in (select unnest($names))"
    if conditions:
        where += f" and (type <> 'measurement' or ({' and '.join(conditions)}))"
    quoted = str(to).replace("'", "''")
    try:
        with closing(connect()) as database:
            database.execute("set preserve_insertion_order = true")
            counted = database.execute(
                f"copy (select * from ({' union all '.join(parts)}) where {where}) to '{quoted}'"  # noqa: S608
                " (format parquet, compression zstd, use_tmp_file false)",
                parameters,
            ).fetchone()
    except duckdb.Error as exc:
        raise UserError(f"not exported: {clean(str(exc), 300)}") from None
    return int(counted[0]) if counted else 0


def files(runs: Sequence[StoredRun], folder: Path) -> tuple[int, int]:
    """Write each run's file below a folder, to the byte; return how many, and how many were there.

    Raises OSError, and UserError where another file of that name lies there.
    """
    places = {run.name: folder / run.run_name.path for run in runs}
    written = there = 0
    for name, content in contents(runs):
        path = places[name]
        if path.exists():
            if path.read_bytes() != content:
                raise UserError(f"{path}: there already, and different; choose another folder")
            there += 1
            continue
        make_private_folder(path.parent, folder)
        with replacement(path) as file:
            file.write(content)
        written += 1
    return written, there
