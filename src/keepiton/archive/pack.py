"""Packs a vantage's runs of one day into a Parquet file, out of which each comes back to the byte.

Beside the columns that a report reads, a row holds the name of its file, its number and the bytes
of its line. The originals go only when all has been read back and compared.
"""

import json
import os
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.reader import COLUMNS, DUCKDB_CONFIG
from keepiton.storage.runs import FILE, RAW, StoredRun, iter_contents, list_runs, read_content
from keepiton.storage.writer import PART

if TYPE_CHECKING:
    import duckdb

BATCH = 8 << 20
"""Bytes of lines that are held at once; a longer run alone."""
LEVEL = 9
"""Of zstd. Level 3 makes files a fifth larger, 19 a sixth smaller in 50 times the time
(benchmarks/storage.py)."""
ROWS = 32_768
"""Of a row group: all that is unpacked to read one run. Four times as many save 2 %."""
_FOLDERS = re.compile(r"(\d{4})/(\d{2})/(\d{2})")


@dataclass(frozen=True, slots=True)
class PackedDay:
    """What became of one day of a vantage."""

    path: Path
    runs: int
    """Packed now, those that the file held before not counted."""
    before: int
    """Bytes of the originals that went."""
    after: int
    """Bytes by which the Parquet file grew."""
    left: tuple[str, ...] = ()
    """What was left as it is, and why, one a line."""


def days(data: Path) -> Iterator[tuple[date, Path]]:
    """Yield the days below a data folder that are there, oldest first."""
    results = data / "results"
    for path in sorted(results.glob("[0-9]" * 4 + "/[0-9][0-9]/[0-9][0-9]")):
        found = _FOLDERS.fullmatch(path.relative_to(results).as_posix())
        if found and path.is_dir():
            with suppress(ValueError):
                yield date(*map(int, found.groups())), path


def days_due(data: Path, until: date) -> dict[Path, list[StoredRun]]:
    """Find what is to be packed of days before ``until``: by the file to make, the runs for it."""
    found: dict[Path, list[StoredRun]] = defaultdict(list)
    for day, folder in days(data):
        if day >= until:
            break
        # Whatever is not named after this day is somebody's own and stays.
        paths = [str(one) for one in sorted(folder.glob(f"{day:%Y%m%d}T*.jsonl*"))]
        for one in list_runs(paths):
            if one.sealed:
                found[folder / f"{day:%Y%m%d}-{one.vantage}.parquet"].append(one)
    return dict(found)


def pack_due(data: Path, until: date) -> Iterator[PackedDay]:
    """Pack one file's runs after another; what hinders one is no hindrance to the next."""
    for target, found in days_due(data, until).items():
        try:
            yield pack(target, found)
        except OSError as exc:
            yield PackedDay(target, 0, 0, 0, (f"{exc.filename or target}: {exc.strerror}",))


def pack(target: Path, found: Sequence[StoredRun]) -> PackedDay:
    """Pack runs into a day's file, together with what that holds; remove them.

    The caller holds the folder's lock. A run that is not sealed, cannot be read or differs from
    the copy that is packed stays where it is. Interrupted at any moment, every run is still there,
    perhaps twice. Raises OSError when the file cannot be written or does not read back as it
    should; nothing is removed then.
    """
    for old in target.parent.glob(f".{target.name}.*{PART}"):  # of one that was interrupted
        old.unlink()
    there = target.exists()
    try:
        known = {name: _hash(told) for name, told in iter_contents(str(target))} if there else {}
    except UserError as exc:  # not of our making, or damaged
        return PackedDay(target, 0, 0, 0, (str(exc),))
    fresh, same, left = dict[StoredRun, int](), list[StoredRun](), list[str]()
    for one in sorted(found, key=lambda one: (one.name, one.path)):
        try:
            told = read_content(one)
        except UserError as exc:
            left.append(str(exc))
            continue
        if one.name in known:
            if known[one.name] == _hash(told):
                same.append(one)
            else:
                left.append(f"{one.path}: differs from the copy in {target.name}")
        elif not has_end(told):
            left.append(f"{one.path}: has no end line, so it is not whole")
        elif max(map(len, _lines(told))) >= MAX_LINE:
            left.append(f"{one.path}: has a line of more than {MAX_LINE >> 20} MiB")
        else:
            known[one.name] = _hash(told)
            fresh[one] = len(told)
    size = target.stat().st_size if there else 0
    if fresh:
        _write(target, fresh, known, there=there)
    going = [*fresh, *same]
    before = sum(Path(one.path).stat().st_size for one in going)
    for one in going:
        Path(one.path).unlink()
    after = target.stat().st_size - size if known else 0
    return PackedDay(target, len(fresh), before, after, tuple(left))


def has_end(told: bytes) -> bool:
    """Whether a run's last line is an end line, and whole."""
    last = told[told.rfind(b"\n", 0, -1) + 1 :]
    try:
        return told.endswith(b"\n") and json.loads(last).get("type") == "end"
    except (ValueError, AttributeError, RecursionError):
        return False


def split(told: bytes, rows: int) -> list[bytes]:
    """Cut a run into as many pieces as DuckDB reads rows of it; together they are the run.

    A piece is a line with the blank ones around it, of which no row is made. Should the count be
    another all the same, the last piece takes the rest, or some are empty.
    """
    pieces: list[bytes] = []
    for line in _lines(told):
        if pieces and not (line.strip() and pieces[-1].strip()):
            pieces[-1] += line
        else:
            pieces.append(line)
    rest = b"".join(pieces[rows - 1 :])
    return [*pieces[: rows - 1], rest, *[b""] * (rows - 1 - len(pieces[: rows - 1]))]


def _lines(told: bytes) -> list[bytes]:
    """Cut at line feeds, and nowhere else."""
    *whole, rest = told.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _hash(told: bytes) -> str:
    return sha256(told).hexdigest()


def _write(
    target: Path, fresh: dict[StoredRun, int], known: dict[str, str], *, there: bool
) -> None:
    """Write the day's file anew, compare all that it holds, and put it in its place."""
    import duckdb  # noqa: PLC0415 - heavy

    made: list[Path] = []
    try:
        with closing(duckdb.connect(config=DUCKDB_CONFIG | {"temp_directory": ""})) as database:
            database.execute("set preserve_insertion_order = true")
            database.execute("set threads = 1")  # a quarter less memory, and no slower
            database.execute("set enable_progress_bar = false")
            for batch in _batches(fresh):
                made.append(_new(target))
                _piece(database, batch, made[-1])
            if there or len(made) > 1:
                old = [str(one) for one in ([target, *made] if there else made)]
                made.append(_new(target))
                listed = ", ".join(f'"{name}"' for name in (*COLUMNS, *RAW))
                _copy(
                    database,
                    f"select {listed} from read_parquet($files, union_by_name = true)",  # noqa: S608
                    made[-1],
                    {"files": old},
                )
        _compare(made[-1], fresh, known)
        made[-1].replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except duckdb.Error as exc:
        raise OSError(None, clean(str(exc), 300), str(target)) from None
    finally:
        for one in made:
            one.unlink(missing_ok=True)


def _batches(fresh: dict[StoredRun, int]) -> Iterator[list[StoredRun]]:
    batch, size = list[StoredRun](), 0
    for one, more in fresh.items():
        if batch and size + more > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += more
    yield batch


def _new(target: Path) -> Path:
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _piece(database: "duckdb.DuckDBPyConnection", batch: Sequence[StoredRun], to: Path) -> None:
    """Write some runs: the columns as a report would read them, beside the bytes of each line."""
    import numpy as np  # noqa: PLC0415 - heavy

    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    listed = ", ".join(f'"{name}"' for name in COLUMNS)
    paths = [one.path for one in batch]
    database.execute(
        f"create or replace temp table read as select {listed}, filename as path"  # noqa: S608
        f" from read_json($files, format = 'newline_delimited', columns = {{{columns}}},"
        f" ignore_errors = true, filename = true, maximum_object_size = {MAX_LINE})",
        {"files": paths},
    )
    counted = dict(database.execute("select path, count(*) from read group by path").fetchall())
    pieces = {one.path: split(read_content(one), counted[one.path]) for one in batch}
    raw = np.empty(sum(map(len, pieces.values())), dtype=object)
    raw[:] = [piece for one in pieces.values() for piece in one]
    rest = {
        "file": np.array([one.name for one in batch for _ in pieces[one.path]], dtype=object),
        "number": np.concatenate([np.arange(1, len(one) + 1) for one in pieces.values()]),
        "raw": raw,
    }
    database.register("rest", rest)
    told = ", ".join(f'rest."{name}"::{kind} as "{name}"' for name, kind in RAW.items())
    # Both hold the rows in the files' order: a join by position costs nothing.
    _copy(database, f"select {listed}, {told} from read positional join rest", to)  # noqa: S608
    database.unregister("rest")
    database.execute("drop table read")


def _copy(
    database: "duckdb.DuckDBPyConnection",
    query: str,
    to: Path,
    given: dict[str, list[str]] | None = None,
) -> None:
    quoted = str(to).replace("'", "''")
    database.execute(
        f"copy ({query}) to '{quoted}' (format parquet, compression zstd,"
        f" compression_level {LEVEL}, row_group_size {ROWS}, use_tmp_file false)",
        given or {},
    )
    with to.open("rb") as file:
        os.fsync(file.fileno())


def _compare(path: Path, fresh: dict[StoredRun, int], known: dict[str, str]) -> None:
    """Read back what was written, beside the originals. Raises OSError where a byte differs."""
    originals = {one.name: one for one in fresh}
    left = set(known)
    for name, told in iter_contents(str(path)):
        original = originals.get(name)
        if _hash(told) != known.get(name) or (original and read_content(original) != told):
            raise OSError(None, f"{name} does not read back as it was written", str(path))
        left.discard(name)
    if left:
        raise OSError(None, f"{len(left)} runs do not read back", str(path))


def day_of(name: str) -> date | None:
    """Return the day that a run's or a day's file names, None for another name."""
    found = FILE.match(name) or re.match(r"\d{8}-[a-z0-9-]{1,32}\.parquet$", name)
    try:
        return date(int(name[:4]), int(name[4:6]), int(name[6:8])) if found else None
    except ValueError:
        return None
