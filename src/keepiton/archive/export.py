"""Gives raw rows and whole files back, out of whatever form they lie in."""

import csv
import io
import json
import os
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any, BinaryIO

from keepiton.base.errors import UserError
from keepiton.base.types import clean, utc
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.reader import COLUMNS
from keepiton.storage.reader import connect as database_of
from keepiton.storage.rows import Measurement
from keepiton.storage.runs import StoredRun, home_folder, iter_contents, list_runs, read_content
from keepiton.storage.writer import make_private_folder

BESIDE = ("file", "vantage", "perspective", "country")
"""What a row of a flat table tells of its run."""
HEADER = (*BESIDE, *(one for one in Measurement.model_fields if one != "type"))


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
    for one in list_runs(files):
        old = best.get(one.name)
        if (one.sealed or not sealed) and (not old or _worth(one) > _worth(old)):
            best[one.name] = one
    first = wanted.since.timestamp() - 86_400 if wanted.since else 0.0
    return [
        best[name]
        for name in sorted(best)
        if run_began(name) >= first
        and (not wanted.until or run_began(name) < wanted.until.timestamp())
    ]


def _worth(one: StoredRun) -> tuple[bool, bool, int]:
    """Rank copies: only what is whole is packed by the day, and of others more is better."""
    inside = one.path.endswith(".parquet")
    return one.sealed, inside, 0 if inside else Path(one.path).stat().st_size


def run_began(name: str) -> float:
    """Return when a run of that name began, in seconds; 0 where there is no such time."""
    try:
        return datetime.strptime(name[:16] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    except ValueError:
        return 0.0


def runs(listed: Sequence[StoredRun]) -> Iterator[tuple[str, bytes]]:
    """Yield runs and their bytes in order; of each file that is read, one run is held."""
    by_day: dict[str, list[StoredRun]] = defaultdict(list)
    for one in listed:
        by_day[one.name[:8]].append(one)
    for theirs in by_day.values():
        packed: dict[str, list[str]] = defaultdict(list)
        for one in theirs:
            if one.path.endswith(".parquet"):
                packed[one.path].append(one.name)
        plain = ((one.name, read_content(one)) for one in theirs if one.path not in packed)
        yield from merge(plain, *(iter_contents(path, names) for path, names in packed.items()))


def rows(
    listed: Sequence[StoredRun], wanted: ExportFilter, bad: list[str]
) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Yield the lines asked for: name of the run's file, bytes, and what they say.

    Of each run with a measurement that is asked for, the run and the end line, too. A line that
    cannot be read is left out; ``bad`` gets the name of its file.
    """
    for name, told in runs(listed):
        head: list[tuple[str, bytes, dict[str, Any]]] = []
        found = wanted == ExportFilter()
        for raw in told.split(b"\n"):
            if not raw.strip():
                continue
            try:
                row = json.loads(raw.decode())
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                bad.append(name)
                continue
            one = (name, raw + b"\n", row)
            if row.get("type") == "measurement":
                if not wanted.matches(row):
                    continue
                found = True
            elif not found:
                head.append(one)
                continue
            yield from head
            head = []
            yield one


def jsonl(listed: Sequence[StoredRun], wanted: ExportFilter, out: BinaryIO, bad: list[str]) -> int:
    """Write lines as the runs wrote them; return how many."""
    count = 0
    for _, raw, _ in rows(listed, wanted, bad):
        out.write(raw)
        count += 1
    return count


def table(listed: Sequence[StoredRun], wanted: ExportFilter, out: BinaryIO, bad: list[str]) -> int:
    """Write a flat CSV, a row a measurement, lists and objects as JSON; return how many."""
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    run: dict[str, Any] = {}
    count = 0
    for name, _, row in rows(listed, wanted, bad):
        if row.get("type") == "run":
            run = row
        elif row.get("type") == "measurement":
            beside = run if run.get("run") == row.get("run") else {}
            told = {"file": name} | {key: beside.get(key) for key in BESIDE[1:]} | row
            writer.writerow([_cell(told.get(key)) for key in HEADER])
            count += 1
    text.flush()
    text.detach()
    return count


def _cell(value: object) -> str:
    """Write a value so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    if isinstance(value, dict | list | bool):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return str(value)
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def parquet(listed: Sequence[StoredRun], wanted: ExportFilter, to: Path) -> int:
    """Write the columns that a report reads, and ``file``; return the rows. Raises UserError."""
    import duckdb  # noqa: PLC0415 - heavy

    names = ", ".join(f'"{name}"' for name in COLUMNS)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    given: dict[str, Any] = {"names": [one.name for one in listed]}
    parts = []
    for key, packed in (("plain", False), ("packed", True)):
        paths = [one.path for one in listed if one.path.endswith(".parquet") == packed]
        if not paths:
            continue
        given[key] = list(dict.fromkeys(paths))
        source, file = "read_parquet($packed, union_by_name = true)", "file"
        if not packed:
            source = (
                f"read_json($plain, format = 'newline_delimited', columns = {{{columns}}},"
                f" ignore_errors = true, filename = true, maximum_object_size = {MAX_LINE})"
            )
            file = "regexp_replace(parse_filename(filename), '[.](gz|zst|part)$', '')"
        parts.append(f"select {names}, {file} as file from {source}")  # noqa: S608
    where = "type is not null and file in (select unnest($names))"
    asked = []
    for key, one in (
        ('"at" >= $since::timestamp', wanted.since),
        ('"at" < $until::timestamp', wanted.until),
        ("target in (select unnest($targets))", list(wanted.targets)),
        ("operator in (select unnest($operators))", list(wanted.operators)),
    ):
        if one:
            asked.append(key)
            name = key.partition("$")[2].partition(":")[0].rstrip(")")
            given[name] = utc(one)[:-1] if isinstance(one, datetime) else one
    if asked:
        where += f" and (type <> 'measurement' or ({' and '.join(asked)}))"
    quoted = str(to).replace("'", "''")
    try:
        with closing(database_of()) as database:
            database.execute("set preserve_insertion_order = true")
            told = database.execute(
                f"copy (select * from ({' union all '.join(parts)}) where {where}) to '{quoted}'"  # noqa: S608
                " (format parquet, compression zstd, use_tmp_file false)",
                given,
            ).fetchone()
    except duckdb.Error as exc:
        raise UserError(f"not exported: {clean(str(exc), 300)}") from None
    return int(told[0]) if told else 0


def files(listed: Sequence[StoredRun], folder: Path) -> tuple[int, int]:
    """Write each run's file below a folder, to the byte; return how many, and how many were there.

    Raises OSError, and UserError where another file of that name lies there.
    """
    written = there = 0
    for name, told in runs(listed):
        path = folder / home_folder(name)
        if path.exists():
            if path.read_bytes() != told:
                raise UserError(f"{path}: there already, and different; choose another folder")
            there += 1
            continue
        make_private_folder(path.parent, folder)
        new = path.with_name(f".{name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(told)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        written += 1
    return written, there
