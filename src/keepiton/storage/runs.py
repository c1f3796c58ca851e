"""Finds runs wherever they lie, plain, packed or inside a day's Parquet, and gives their bytes.

A run is known by the name of its file, and what that file held is given back to the byte.
"""

import gzip
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from keepiton.base.errors import UserError
from keepiton.base.files import PART
from keepiton.base.types import clean
from keepiton.storage.run_name import RunName

if TYPE_CHECKING:
    import duckdb

MAX_RUN = 256 << 20
"""Bytes of one run: twenty times the greatest list that is taken. More is no run of ours."""
RAW = {"file": "VARCHAR", "number": "BIGINT", "raw": "BLOB"}
"""The columns that hold a run's bytes; a Parquet file without them is a copy of what a report
reads, and holds no run."""
ROWS = 256
"""Rows that are fetched at once: a hostile one may take a megabyte or more."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run's file, wherever it lies: by itself, packed (.gz, .zst), or in a day's Parquet."""

    run_name: RunName
    path: str
    """The file on disk that holds it."""
    sealed: bool = True
    """False for a ``.part``. Whether the seal holds is for ``verify`` to say."""

    @property
    def name(self) -> str:
        """The name of its sealed file."""
        return self.run_name.file_name

    @property
    def in_parquet(self) -> bool:
        """Whether the file holds a day of runs."""
        return self.path.endswith(".parquet")


def zstandard() -> bool:
    """Whether ``.zst`` can be unpacked: Python 3.14 can, older ones with backports.zstd."""
    return _zstd_module() is not None


def _zstd_module() -> str | None:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            if find_spec(name):
                return name
        except ModuleNotFoundError:
            continue
    return None


def day_folders(data: Path) -> Iterator[tuple[date, Path]]:
    """Yield the days below a data folder that are there, oldest first."""
    for folder in sorted((data / "results").glob("[0-9]" * 4 + "/[0-9][0-9]/[0-9][0-9]")):
        with suppress(ValueError):  # no such day
            day = date(*map(int, folder.parts[-3:]))
            if folder.is_dir():
                yield day, folder


def list_runs(files: Sequence[str]) -> Iterator[StoredRun]:
    """List each run's file in files as ``read.find`` gives them, copies included.

    Left out are files of other names, Parquet without the lines themselves and, where nothing
    unpacks it, ``.zst``. Raises UserError where a Parquet file cannot be read.
    """
    zstandard_known = zstandard()
    packed = []
    for path in files:
        file_name = Path(path).name
        if file_name.endswith(".parquet"):
            packed.append(path)
        elif (name := RunName.parse(file_name)) and (
            zstandard_known or not file_name.endswith(".zst")
        ):
            yield StoredRun(name, path, sealed=not file_name.endswith(PART))
    if packed:
        with closing(_ordered_database()) as database:
            for path in packed:
                for name in _names(database, path):
                    yield StoredRun(name, path)


def read_content(run: StoredRun) -> bytes:
    """Return the exact bytes that the run wrote. Raises UserError where they cannot be had."""
    if run.in_parquet:
        for _, content in iter_contents(run.path, [run.name]):
            return content
        raise UserError(f"{clean(run.path)}: does not hold {run.name}")
    return read_file(run.path)


def read_file(path: str) -> bytes:
    """Return what a plain or packed file holds. Raises UserError, also where it is too long."""
    try:
        with open_file(path) as file:
            content = file.read(MAX_RUN + 1)
    except Exception as exc:
        known = isinstance(exc, OSError | EOFError | ValueError | zlib.error)
        if not known and type(exc).__name__ != "ZstdError":  # which has no base of its own
            raise
        raise _unreadable(path, exc) from None
    if len(content) > MAX_RUN:
        raise UserError(f"{clean(path)}: more than {MAX_RUN >> 20} MiB; no run is so long")
    return content


def open_file(path: str) -> BinaryIO:
    """Open a plain or packed file for reading what it holds. Raises OSError."""
    if path.endswith(".gz"):
        return cast("BinaryIO", gzip.open(path))
    if path.endswith(".zst"):
        return cast("BinaryIO", import_module(_zstd_module() or "compression.zstd").open(path))
    return Path(path).open("rb")


def iter_contents(path: str, names: Collection[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Yield the runs inside one Parquet file, all or those named, one after another.

    Only the runs' own bytes are held, one run at a time. Raises UserError where lines are missing,
    out of order or cannot be read.
    """
    import duckdb  # noqa: PLC0415 - plain files need none of it

    chosen = "where file in (select unnest($names))" if names else ""
    order = "order by file, number" if names else ""
    done: set[str] = set()
    name, lines, size = "", list[bytes](), 0
    with closing(_ordered_database()) as database:
        if not _holds_lines(database, path):
            raise UserError(f"{clean(path)}: holds no runs, only what a report reads of them")
        parameters = {"path": [path]} | ({"names": list(names)} if names else {})
        try:
            result = database.execute(
                f"select file, number, raw from read_parquet($path) {chosen} {order}",  # noqa: S608
                parameters,
            )
            while rows := result.fetchmany(ROWS):
                for file, number, raw in rows:
                    if file != name:
                        if lines:
                            yield name, b"".join(lines)
                        name, lines, size = file, [], 0
                        if file in done or not name_in_parquet(file):
                            raise UserError(f"{clean(path)}: {clean(str(file))}: not one whole run")
                        done.add(file)
                    size += len(raw or b"")
                    if raw is None or number != len(lines) + 1 or size > MAX_RUN:
                        raise UserError(
                            f"{clean(path)}: {name}: line {number} is out of order or damaged"
                        )
                    lines.append(raw)
        except duckdb.Error as exc:
            raise _unreadable(path, exc) from None
    if lines:
        yield name, b"".join(lines)


def name_in_parquet(value: object) -> RunName | None:
    """Read a value of the column ``file``, perhaps a stranger's; None where it names no run."""
    return RunName.parse(value) if isinstance(value, str) and value.endswith(".jsonl") else None


def _ordered_database() -> "duckdb.DuckDBPyConnection":
    """Open a database that gives rows in the order in which a file holds them."""
    from keepiton.storage.database import connect  # noqa: PLC0415

    database = connect()
    database.execute("set preserve_insertion_order = true")
    database.execute("set threads = 1")  # in order anyway, and with a quarter less memory
    return database


def _holds_lines(database: "duckdb.DuckDBPyConnection", path: str) -> bool:
    """Whether a Parquet file holds the lines themselves. Raises UserError."""
    columns = _fetch(database, path, "describe from read_parquet($path)")
    return {(row[0], row[1]) for row in columns} >= set(RAW.items())


def _names(database: "duckdb.DuckDBPyConnection", path: str) -> list[RunName]:
    if not _holds_lines(database, path):
        return []
    rows = _fetch(database, path, "select distinct file from read_parquet($path)")
    names = (name for (value,) in rows if (name := name_in_parquet(value)))
    return sorted(names, key=lambda name: name.file_name)


def _fetch(database: "duckdb.DuckDBPyConnection", path: str, query: str) -> list[tuple[Any, ...]]:
    """Ask one Parquet file a question. Raises UserError where it cannot be read."""
    import duckdb  # noqa: PLC0415 - plain files need none of it

    try:
        return database.execute(query, {"path": [path]}).fetchall()
    except duckdb.Error as exc:
        raise _unreadable(path, exc) from None


def _unreadable(path: str, exc: Exception) -> UserError:
    return UserError(f"{clean(path)}: cannot be read: {clean(str(exc), 300)}")
