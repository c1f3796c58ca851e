"""Packs a vantage's runs of one day into a Parquet file, out of which each comes back to the byte.

Beside the columns that a report reads, a row holds the name of its file, its number and the bytes
of its line. The originals go only when all has been read back and compared.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np

from keepiton.base.errors import UserError
from keepiton.base.files import PART, create, replacement, temporary_path
from keepiton.base.types import clean
from keepiton.storage.database import COLUMNS, DUCKDB_CONFIG
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.runs import (
    RAW,
    StoredRun,
    day_folders,
    iter_contents,
    list_runs,
    read_content,
)
from keepiton.storage.seal import end_of

BATCH = 8 << 20
"""Bytes of lines that are held at once; a longer run alone."""
LEVEL = 9
"""Of zstd. Level 3 makes files a fifth larger, 19 a sixth smaller in 50 times the time
(benchmarks/storage.py)."""
ROWS = 32_768
"""Of a row group: all that is unpacked to read one run. Four times as many save 2 %."""


@dataclass(frozen=True, slots=True)
class PackedDay:
    """What packing a day of a vantage did."""

    path: Path
    runs: int
    """Packed now, those that the file held before not counted."""
    before: int
    """Bytes of the originals that went."""
    after: int
    """Bytes by which the Parquet file grew."""
    left: tuple[str, ...] = ()
    """What was left as it is, and why, one a line."""


def days_due(data: Path, until: date) -> dict[Path, list[StoredRun]]:
    """Find what is to be packed of days before ``until``: by the file to make, the runs for it."""
    due: dict[Path, list[StoredRun]] = defaultdict(list)
    for day, folder in day_folders(data):
        if day >= until:
            break
        # Whatever is not named after this day is somebody's own and stays.
        paths = [str(path) for path in sorted(folder.glob(f"{day:%Y%m%d}T*.jsonl*"))]
        for run in list_runs(paths):
            if run.sealed:
                due[folder / run.run_name.day_file.file_name].append(run)
    return dict(due)


def pack_due(data: Path, until: date) -> Iterator[PackedDay]:
    """Pack one file's runs after another; what hinders one is no hindrance to the next."""
    for target, runs in days_due(data, until).items():
        try:
            yield pack(target, runs)
        except OSError as exc:
            yield PackedDay(target, 0, 0, 0, (f"{exc.filename or target}: {exc.strerror}",))


def pack(target: Path, runs: Sequence[StoredRun]) -> PackedDay:
    """Pack runs into a day's file, together with what that holds; remove them.

    The caller holds the folder's lock. A run that is not sealed, cannot be read or differs from
    the copy that is packed stays where it is. Interrupted at any moment, every run is still there,
    perhaps twice. Raises OSError when the file cannot be written or does not read back as it
    should; nothing is removed then.
    """
    for old in target.parent.glob(f".{target.name}.*{PART}"):  # of one that was interrupted
        old.unlink()
    there = target.exists()
    hashes: dict[str, str] = {}
    try:
        if there:
            hashes = {name: _hash(content) for name, content in iter_contents(str(target))}
    except UserError as exc:  # not of our making, or damaged
        return PackedDay(target, 0, 0, 0, (str(exc),))
    fresh, same, left = dict[StoredRun, int](), list[StoredRun](), list[str]()
    for run in sorted(runs, key=lambda run: (run.name, run.path)):
        try:
            content = read_content(run)
        except UserError as exc:
            left.append(str(exc))
            continue
        if run.name in hashes:
            if hashes[run.name] == _hash(content):
                same.append(run)
            else:
                left.append(f"{run.path}: differs from the copy in {target.name}")
        elif not end_of(content):
            left.append(f"{run.path}: has no end line, so it is not whole")
        elif max(map(len, _lines(content))) >= MAX_LINE:
            left.append(f"{run.path}: has a line of more than {MAX_LINE >> 20} MiB")
        else:
            hashes[run.name] = _hash(content)
            fresh[run] = len(content)
    size = target.stat().st_size if there else 0
    if fresh:
        _write(target, fresh, hashes, there=there)
    packed = [*fresh, *same]
    before = sum(Path(run.path).stat().st_size for run in packed)
    for run in packed:
        Path(run.path).unlink()
    after = target.stat().st_size - size if hashes else 0
    return PackedDay(target, len(fresh), before, after, tuple(left))


def split(content: bytes, rows: int) -> list[bytes]:
    """Cut a run into as many pieces as DuckDB reads rows of it; together they are the run.

    A piece is a line with the blank ones around it, of which no row is made. Should the count be
    another all the same, the last piece takes the rest, or some are empty.
    """
    pieces: list[bytes] = []
    for line in _lines(content):
        if pieces and not (line.strip() and pieces[-1].strip()):
            pieces[-1] += line
        else:
            pieces.append(line)
    rest = b"".join(pieces[rows - 1 :])
    return [*pieces[: rows - 1], rest, *[b""] * (rows - 1 - len(pieces[: rows - 1]))]


def _lines(content: bytes) -> list[bytes]:
    """Cut at line feeds, and nowhere else."""
    *whole, rest = content.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _write(
    target: Path, fresh: dict[StoredRun, int], hashes: dict[str, str], *, there: bool
) -> None:
    """Write the day's file anew, compare all that it holds, and put it in its place."""
    pieces: list[Path] = []
    try:
        with (
            replacement(target) as file,
            closing(duckdb.connect(config=DUCKDB_CONFIG | {"temp_directory": ""})) as database,
        ):
            database.execute("set preserve_insertion_order = true")
            database.execute("set threads = 1")  # a quarter less memory, and no slower
            database.execute("set enable_progress_bar = false")
            new = Path(file.name)
            first, *more = _batches(fresh)
            if not (there or more):
                _write_piece(database, first, new)
            else:
                for batch in (first, *more):
                    pieces.append(temporary_path(target))
                    create(pieces[-1]).close()
                    _write_piece(database, batch, pieces[-1])
                old = [str(path) for path in ([target, *pieces] if there else pieces)]
                columns = ", ".join(f'"{name}"' for name in (*COLUMNS, *RAW))
                _copy(
                    database,
                    f"select {columns} from read_parquet($files, union_by_name = true)",  # noqa: S608
                    new,
                    {"files": old},
                )
            _compare(new, fresh, hashes)
    except duckdb.Error as exc:
        raise OSError(None, clean(str(exc), 300), str(target)) from None
    finally:
        for path in pieces:
            path.unlink(missing_ok=True)


def _batches(fresh: dict[StoredRun, int]) -> Iterator[list[StoredRun]]:
    batch, batch_size = list[StoredRun](), 0
    for run, size in fresh.items():
        if batch and batch_size + size > BATCH:
            yield batch
            batch, batch_size = [], 0
        batch.append(run)
        batch_size += size
    yield batch


def _write_piece(database: duckdb.DuckDBPyConnection, batch: Sequence[StoredRun], to: Path) -> None:
    """Write some runs: the columns as a report would read them, beside the bytes of each line."""
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    listed = ", ".join(f'"{name}"' for name in COLUMNS)
    database.execute(
        f"create or replace temp table read as select {listed}, filename as path"  # noqa: S608
        f" from read_json($files, format = 'newline_delimited', columns = {{{columns}}},"
        f" ignore_errors = true, filename = true, maximum_object_size = {MAX_LINE})",
        {"files": [run.path for run in batch]},
    )
    counted = dict(database.execute("select path, count(*) from read group by path").fetchall())
    pieces = [split(read_content(run), counted[run.path]) for run in batch]
    raw = np.empty(sum(map(len, pieces)), dtype=object)
    raw[:] = [piece for of_run in pieces for piece in of_run]
    rest = {
        "file": np.array(
            [run.name for run, of_run in zip(batch, pieces, strict=True) for _ in of_run],
            dtype=object,
        ),
        "number": np.concatenate([np.arange(1, len(of_run) + 1) for of_run in pieces]),
        "raw": raw,
    }
    database.register("rest", rest)
    beside = ", ".join(f'rest."{name}"::{kind} as "{name}"' for name, kind in RAW.items())
    # Both hold the rows in the files' order: a join by position costs nothing.
    _copy(database, f"select {listed}, {beside} from read positional join rest", to)  # noqa: S608
    database.unregister("rest")
    database.execute("drop table read")


def _copy(
    database: duckdb.DuckDBPyConnection,
    query: str,
    to: Path,
    parameters: dict[str, list[str]] | None = None,
) -> None:
    quoted = str(to).replace("'", "''")
    database.execute(
        f"copy ({query}) to '{quoted}' (format parquet, compression zstd,"
        f" compression_level {LEVEL}, row_group_size {ROWS}, use_tmp_file false)",
        parameters or {},
    )


def _compare(path: Path, fresh: dict[StoredRun, int], hashes: dict[str, str]) -> None:
    """Read back what was written, beside the originals. Raises OSError where a byte differs."""
    originals = {run.name: run for run in fresh}
    left = set(hashes)
    for name, content in iter_contents(str(path)):
        original = originals.get(name)
        if _hash(content) != hashes.get(name) or (original and read_content(original) != content):
            raise OSError(None, f"{name} does not read back as it was written", str(path))
        left.discard(name)
    if left:
        raise OSError(None, f"{len(left)} runs do not read back", str(path))
