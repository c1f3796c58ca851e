"""Finds runs wherever they lie, plain, packed or inside a day's Parquet, and gives their bytes.

A run is known by the name of its file, and what that file held is given back to the byte.
"""

import gzip
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.storage.writer import NAME, PART

if TYPE_CHECKING:
    import duckdb

FILE = re.compile(NAME.pattern.rpartition("/")[2])
"""Name of a run's file."""
DAY = re.compile(r"(?P<day>\d{8})-(?P<vantage>[a-z0-9][a-z0-9-]{0,31})\.parquet")
"""Name of the file that holds a day of a vantage."""
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

    name: str
    """Such as ``20220227T120003Z-v-test-0123456789ab.jsonl``; fits ``FILE``."""
    path: str
    """The file on disk that holds it."""
    sealed: bool
    """False for a ``.part``. Whether the seal holds is for ``verify`` to say."""

    @property
    def vantage(self) -> str:
        """The vantage that its name tells."""
        found = FILE.fullmatch(self.name)
        return found["vantage"] if found else ""


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


def home_folder(name: str) -> str:
    """Return where a run's file lies below the data folder. Raises UserError for another name."""
    if not FILE.fullmatch(name):
        raise UserError(f"{clean(name)}: not the name of a result file")
    return f"results/{name[:4]}/{name[4:6]}/{name[6:8]}/{name}"


def list_runs(files: Sequence[str]) -> Iterator[StoredRun]:
    """List each run's file in files as ``read.find`` gives them, copies included.

    Left out are files of other names, Parquet without the lines themselves and, where nothing
    unpacks it, ``.zst``. Raises UserError where a Parquet file cannot be read.
    """
    known = zstandard()
    packed = []
    for path in files:
        name = Path(path).name
        if name.endswith(".parquet"):
            packed.append(path)
        elif not name.endswith(".zst") or known:
            bare = name.removesuffix(".gz").removesuffix(".zst").removesuffix(PART)
            if FILE.fullmatch(bare):
                yield StoredRun(bare, path, sealed=not name.endswith(PART))
    if packed:
        with closing(_ordered()) as database:
            for path in packed:
                for name in _names(database, path):
                    yield StoredRun(name, path, sealed=True)


def read_content(one: StoredRun) -> bytes:
    """Return the exact bytes that the run wrote. Raises UserError where they cannot be had."""
    if one.path.endswith(".parquet"):
        for _, found in iter_contents(one.path, [one.name]):
            return found
        raise UserError(f"{clean(one.path)}: does not hold {one.name}")
    try:
        with open_file(one.path) as file:
            found = file.read(MAX_RUN + 1)
    except (OSError, EOFError, ValueError, zlib.error) as exc:
        raise UserError(f"{clean(one.path)}: cannot be read: {clean(str(exc))}") from None
    except Exception as exc:  # ZstdError has no base of its own
        if type(exc).__name__ != "ZstdError":
            raise
        raise UserError(f"{clean(one.path)}: cannot be read: {clean(str(exc))}") from None
    if len(found) > MAX_RUN:
        raise UserError(f"{clean(one.path)}: more than {MAX_RUN >> 20} MiB; no run is so long")
    return found


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
    with closing(_ordered()) as database:
        if not _whole(database, path):
            raise UserError(f"{clean(path)}: holds no runs, only what a report reads of them")
        given = {"path": [path]} | ({"names": list(names)} if names else {})
        try:
            told = database.execute(
                f"select file, number, raw from read_parquet($path) {chosen} {order}",  # noqa: S608
                given,
            )
            while rows := told.fetchmany(ROWS):
                for file, number, raw in rows:
                    if file != name:
                        if lines:
                            yield name, b"".join(lines)
                        name, lines, size = file, [], 0
                        if file in done or not FILE.fullmatch(file or ""):
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


def _ordered() -> "duckdb.DuckDBPyConnection":
    """Open a database that gives rows in the order in which a file holds them."""
    from keepiton.storage.reader import connect as database  # noqa: PLC0415

    made = database()
    made.execute("set preserve_insertion_order = true")
    made.execute("set threads = 1")  # in order anyway, and with a quarter less memory
    return made


def _whole(database: "duckdb.DuckDBPyConnection", path: str) -> bool:
    """Whether a Parquet file holds the lines themselves. Raises UserError."""
    import duckdb  # noqa: PLC0415

    try:
        told = database.execute("describe from read_parquet($path)", {"path": [path]}).fetchall()
    except duckdb.Error as exc:
        raise _unreadable(path, exc) from None
    return {(row[0], row[1]) for row in told} >= set(RAW.items())


def _names(database: "duckdb.DuckDBPyConnection", path: str) -> list[str]:
    import duckdb  # noqa: PLC0415

    if not _whole(database, path):
        return []
    try:
        told = database.execute(
            "select distinct file from read_parquet($path) where file is not null", {"path": [path]}
        ).fetchall()
    except duckdb.Error as exc:
        raise _unreadable(path, exc) from None
    return sorted(name for (name,) in told if FILE.fullmatch(name))


def _unreadable(path: str, exc: Exception) -> UserError:
    return UserError(f"{clean(path)}: cannot be read: {clean(str(exc), 300)}")
