"""Reads result files: DuckDB folds their rows into rounds; what was folded before is kept."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepiton.base.errors import UserError
from keepiton.base.files import PART
from keepiton.base.types import IDENTIFIER_PATTERN, RUN_ID_PATTERN, clean
from keepiton.storage.lines import MAX_LINE

if TYPE_CHECKING:
    import duckdb

    from keepiton.storage.cache import Cache
    from keepiton.storage.rounds import ReadResult, Rounds

COLUMNS = {
    "type": "VARCHAR",
    "format": "BIGINT",
    "run": "VARCHAR",
    "vantage": "VARCHAR",
    "perspective": "VARCHAR",
    "country": "VARCHAR",
    "target": "VARCHAR",
    "operator": "VARCHAR",
    "role": "VARCHAR",
    "control": "VARCHAR",
    "check": "BIGINT",
    "stage": "VARCHAR",
    "attempt": "BIGINT",
    "hop": "BIGINT",
    "aside": "VARCHAR",
    "at": "TIMESTAMP",
    "duration_ms": "DOUBLE",
    "state": "VARCHAR",
    "failure": "VARCHAR",
    "line": "VARCHAR",
    "address": "VARCHAR",
    "port": "BIGINT",
    "transport": "VARCHAR",
    "clock_offset_ms": "BIGINT",
}
DUCKDB_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "600MB",
    "preserve_insertion_order": False,
}
"""DuckDB would fetch extensions from the network by itself (SAFETY S4), and take all the memory."""
PLAIN_EXTENSIONS = (".jsonl", ".jsonl" + PART)
EXTENSIONS = (*PLAIN_EXTENSIONS, ".jsonl.gz", ".jsonl.zst", ".parquet")
BATCH = {".parquet": 8 << 20, ".gz": 16 << 20, ".zst": 16 << 20, ".jsonl": 256 << 20}
"""Bytes that are folded at once, by form: about a million rows."""
MAX_CHECKS = 10_000
MAX_CLOCK_MS = 36_525 * 86_400_000
"""An offset of a century is no clock's: the instants that are read lie within one. A board that
keeps no time while it is off may well be some years late."""
_DAY = re.compile(r"(\d{8})(?:T\d{6}Z)?-")
"""Of a run's file, and of one that holds a vantage's day."""
_RUN = re.compile(RUN_ID_PATTERN)
_VANTAGE = re.compile(IDENTIFIER_PATTERN)
_COUNTRY = re.compile(r"[a-z]{2}")


def require() -> None:
    """Raise UserError where what reading needs is not installed."""
    if not (find_spec("duckdb") and find_spec("numpy")):
        raise UserError(
            "duckdb and numpy are not installed here (there are none for Android); copy the results"
            " to another machine and run this there"
        )


def find(places: Sequence[Path], forms: Sequence[str] = EXTENSIONS) -> list[str]:
    """List the result files in folders and among files, sealed and not. Raises UserError."""
    found: dict[str, None] = {}
    for place in places:
        if place.is_dir():
            names = sorted(one for form in forms for one in place.rglob("*" + form))
            found |= dict.fromkeys(str(name) for name in names if name.is_file())
        elif place.is_file():
            found[str(place)] = None
        else:
            raise UserError(f"{place}: no such file or folder")
    return list(found)


@dataclass(frozen=True, slots=True)
class FileSource:
    """What one file says of one run, and how many of its lines cannot be read."""

    path: str
    run: str
    sealed: bool
    unreadable: int
    newer: bool


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Rounds with the files they come from."""

    rounds: "Rounds"
    sources: tuple[FileSource, ...]


def read(
    files: Sequence[str],
    cache: "Cache | None" = None,
    since: datetime | None = None,
) -> "ReadResult":
    """Fold files into rounds.

    Unreadable lines are left out and counted; copies of a run count once; a run that two
    different vantages claim is left out. Files whose name tells a day well before ``since`` are
    not looked at. Raises UserError when a file cannot be opened.
    """
    days: dict[str, list[str]] = defaultdict(list)
    first = oldest(since) if since else ""
    for path in files:
        named = _DAY.match(Path(path).name)
        if not named or named[1] >= first:
            days[named[1] if named else path].append(path)
    parts, fresh = _cached(days, cache)
    if fresh or _spanning_days(parts):
        try:
            _aggregate_rest(parts, fresh, days, cache)
        except FileNotFoundError as exc:
            raise _vanished(exc.filename) from None
    looked_at = [path for paths in days.values() for path in paths]
    return _rows(list(parts.values()), looked_at, complete=len(looked_at) == len(files))


def _vanished(path: str) -> UserError:
    return UserError(f"{clean(path)}: went away meanwhile, packed or removed; run this again")


def oldest(since: datetime) -> str:
    """Return the first day whose files are looked at: clocks and long runs need one before."""
    return (since - timedelta(days=1)).strftime("%Y%m%d")


def from_engine(url: str, since: datetime | None = None) -> "ReadResult":
    """Have an engine fold the rows that it holds; the rest is as of files. Raises UserError."""
    from keepiton.fleet import engine  # noqa: PLC0415

    made = engine.aggregate(url, since)
    with connect() as database:
        names = {**COLUMNS, "path": "VARCHAR", "file": "VARCHAR"}
        empty = ", ".join(f'null::{kind} as "{name}"' for name, kind in names.items())
        database.execute(f"create temp view lines as select {empty} where false")
        database.execute(f"create temp table folded as {sql()}")
        database.register("made", made)
        database.execute("insert into folded by name from made")
        sources, runs = _sources(database)
        folded = Aggregated(_columns(database, runs), tuple(sources))
    return _rows([folded], sorted({one.path for one in sources}), complete=since is None)


def _rows(parts: Sequence[Aggregated], looked_at: Sequence[str], *, complete: bool) -> "ReadResult":
    """Put together what was read, with what was wrong with it. Raises UserError."""
    from keepiton.storage.rounds import ReadResult, join  # noqa: PLC0415

    sources = [one for part in parts for one in part.sources]
    newer = next((one.path for one in sources if one.newer), None)
    if newer:
        raise UserError(f"{clean(newer)}: written by a newer keepiton; update this one")
    bad: dict[str, int] = defaultdict(int)
    for one in sources:
        if one.unreadable:
            bad[clean(Path(one.path).name)] += one.unreadable
    sealed = {one.path for one in sources if one.sealed}
    return ReadResult(
        rounds=join([part.rounds for part in parts]),
        files=len(looked_at),
        unsealed=sum(path not in sealed for path in looked_at),
        bad_lines=dict(bad),
        complete=complete,
    )


def _cached(
    days: dict[str, list[str]], cache: "Cache | None"
) -> tuple[dict[str, Aggregated], dict[str, list[str]]]:
    """Return what is known of each day's files, and the files of which nothing is."""
    if not cache:
        return {}, dict(days)
    with ThreadPoolExecutor() as pool:  # most of it is hashing, which takes turns with nobody
        known = dict(zip(days, pool.map(cache.load, days, days.values()), strict=True))
    parts = {day: part.folded for day, part in known.items() if part}
    fresh = {}
    for day, paths in days.items():
        part = known[day]
        left = [path for path in paths if not part or path not in part.files]
        if left:
            fresh[day] = left
    return parts, fresh


def _aggregate_rest(
    parts: dict[str, Aggregated],
    fresh: dict[str, list[str]],
    days: dict[str, list[str]],
    cache: "Cache | None",
) -> None:
    """Fold what is not known yet, and anew what lies scattered over days; complete the parts."""
    with connect() as database:
        for batch in _batches(fresh):
            day_of = {path: day for day in batch for path in fresh[day]}
            for day, folded in _by_day(aggregate(database, list(day_of)), day_of).items():
                if day not in parts:
                    parts[day] = folded
                elif {one.run for one in folded.sources} & {one.run for one in parts[day].sources}:
                    parts[day] = aggregate(database, days[day])  # a copy or the rest of a known run
                else:
                    parts[day] = _joined([parts[day], folded])
                if cache:
                    cache.save(day, days[day], parts[day])
        scattered = _spanning_days(parts)
        if scattered:  # one run's rows lie in files of several days: fold those together
            for day in scattered:
                del parts[day]
            parts["\0"] = aggregate(database, [path for day in scattered for path in days[day]])


def connect() -> "duckdb.DuckDBPyConnection":
    """Open a database in memory that sends, fetches and shows nothing by itself."""
    import duckdb  # noqa: PLC0415 - heavy, and not needed where all is known

    database = duckdb.connect(config=DUCKDB_CONFIG)
    database.execute("set enable_progress_bar = false")  # it would write between a report's lines
    return database


def _batches(days: dict[str, list[str]]) -> Iterable[list[str]]:
    batch: list[str] = []
    share = 0.0
    for day in sorted(days):
        size = sum(Path(path).stat().st_size / _at_once(Path(path)) for path in days[day])
        if batch and share + size > 1:
            yield batch
            batch, share = [], 0.0
        batch.append(day)
        share += size
    if batch:
        yield batch


def _at_once(path: Path) -> int:
    """Return how many bytes of such files are folded at once."""
    whole = path.suffix == ".parquet" and _DAY.match(path.name)  # holds the lines as well
    return 32 << 20 if whole else BATCH.get(path.suffix, BATCH[".jsonl"])


def _by_day(folded: Aggregated, day_of: dict[str, str]) -> dict[str, Aggregated]:
    """Take apart what was folded at once. A run that lies in two days' files goes with each."""
    import numpy as np  # noqa: PLC0415

    sources: dict[str, list[FileSource]] = {day: [] for day in day_of.values()}
    for one in folded.sources:
        sources[day_of[one.path]].append(one)
    if len(sources) == 1:
        return dict.fromkeys(sources, folded)
    return {
        day: Aggregated(
            folded.rounds.of_runs(np.isin(folded.rounds.run_id, [one.run for one in theirs])),
            tuple(theirs),
        )
        for day, theirs in sources.items()
    }


def _joined(parts: Sequence[Aggregated]) -> Aggregated:
    from keepiton.storage.rounds import join  # noqa: PLC0415

    return Aggregated(
        join([one.rounds for one in parts]), tuple(one for part in parts for one in part.sources)
    )


def _spanning_days(parts: dict[str, Aggregated]) -> set[str]:
    """Find the days that share a run with another day."""
    days: dict[str, set[str]] = defaultdict(set)
    for day, part in parts.items():
        for one in part.sources:
            if one.run:
                days[one.run].add(day)
    return {day for theirs in days.values() if len(theirs) > 1 for day in theirs}


def aggregate(database: "duckdb.DuckDBPyConnection", files: Sequence[str]) -> Aggregated:
    """Fold the rows of some files at once. Raises UserError."""
    import duckdb  # noqa: PLC0415

    try:
        _register(database, files)
    except duckdb.Error as exc:  # the files' fault; one in the statements below is a bug
        if len(files) > 1:  # which one is it?
            for path in files:
                aggregate(database, [path])
        if not Path(files[0]).exists():
            raise _vanished(files[0]) from None
        raise UserError(f"{clean(files[0])}: cannot be read: {clean(str(exc), 300)}") from None
    database.execute(f"create or replace temp table folded as {sql()}")
    sources, runs = _sources(database)
    # A file may hold rows of a run and neither its beginning nor its end.
    told = {(one.run, one.path) for one in sources}
    sources += [
        FileSource(path, run, sealed=False, unreadable=0, newer=False)
        for run, path in database.execute(
            "select distinct run, path from lines where type = 'measurement' and run is not null"
        ).fetchall()
        if (run, path) not in told
    ]
    return Aggregated(_columns(database, runs), tuple(sources))


def sql() -> str:
    """Return the text that folds ``lines``, in DuckDB's dialect and in words that others know."""
    return Path(__file__).with_name("rounds.sql").read_text(encoding="utf-8")


def _register(database: "duckdb.DuckDBPyConnection", files: Sequence[str]) -> None:
    """Make the files' lines a relation ``lines``: Parquet is read where it lies, JSON once."""
    packed = [path for path in files if path.endswith(".parquet")]
    plain = [path for path in files if not path.endswith(".parquet")]
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    parts = []
    if plain:
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
        # A path is kept as a number: as text it would be the longest column of all.
        database.execute("drop table if exists raw; drop type if exists path")
        database.execute(f"create type path as enum ({_quoted(plain)})")
        database.execute(
            f"create temp table raw as select {names}, filename::path as source"  # noqa: S608
            f" from read_json($files, format = 'newline_delimited', columns = {{{columns}}},"
            f" ignore_errors = true, filename = true, maximum_object_size = {MAX_LINE})",
            {"files": plain},
        )
        parts.append(
            f"select {names}, source::varchar as path,"  # noqa: S608
            " parse_filename(source::varchar) as file from raw"
        )
    if packed:
        table = f"read_parquet([{_quoted(packed)}], filename = 'path', union_by_name = true)"
        there = {row[0] for row in database.execute(f"describe from {table}").fetchall()}
        chosen = ", ".join(
            "cast({} as {}) as {}".format(
                f'"{name}"' if name in there else "null", kind, f'"{name}"'
            )
            for name, kind in COLUMNS.items()
        )
        file = "coalesce(file, parse_filename(path))" if "file" in there else "parse_filename(path)"
        parts.append(f"select {chosen}, path, {file} as file from {table}")  # noqa: S608
    database.execute("create or replace temp view lines as " + " union all ".join(parts))


def _quoted(paths: Sequence[str]) -> str:
    return ", ".join("'" + path.replace("'", "''") + "'" for path in dict.fromkeys(paths))


def _sources(
    database: "duckdb.DuckDBPyConnection",
) -> tuple[list[FileSource], dict[str, tuple[Any, ...]]]:
    """Return what the files say of the runs, and the runs that can be used."""
    sources = []
    claims: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    rest: dict[str, tuple[Any, ...]] = {}
    told = database.execute(
        "select run, target, operator, role, control, check_number, first_check, last_check, flags,"
        " try_cast(latency_ms as bigint) from folded where kind = 'source' order by all"
    ).fetchall()
    for run, path, vantage, perspective, country, sealed, mixed, form, unreadable, clock in told:
        newer = (form or 0) > 1
        sources.append(FileSource(path, run or "", bool(sealed), unreadable or 0, newer))
        if run and _RUN.fullmatch(run):
            if vantage or perspective:
                claims[run].add((vantage, perspective))
            old = rest.get(run, (None, None, None))
            rest[run] = (
                country if country and _COUNTRY.fullmatch(country) else old[0],
                mixed or old[1],
                clock if clock is not None and abs(clock) < MAX_CLOCK_MS else old[2],
            )
    runs = {
        run: (*next(iter(claim)), *rest[run])
        for run, claim in claims.items()
        if len(claim) == 1
        and all(
            vantage and _VANTAGE.fullmatch(vantage) and perspective in ("inside", "outside")
            for vantage, perspective in claim
        )
    }
    return sources, runs


def _columns(database: "duckdb.DuckDBPyConnection", runs: dict[str, tuple[Any, ...]]) -> "Rounds":
    """Fetch the rounds as numbers, and each name once."""
    from keepiton.storage.rounds import NO_CLOCK, make_rounds  # noqa: PLC0415

    ordered = sorted(runs)
    database.execute(
        "create or replace temp table runs as select unnest($runs) as run,"
        " unnest(range(len($runs)))::integer as run_number",
        {"runs": ordered},
    )
    whole = (
        "from (select *, why[2:] as reason from folded) folded"  # noqa: S608 - only numbers go in
        f" where kind = 'round' and check_number >= -1 and check_number < {MAX_CHECKS}"
        f" and coalesce(first_check, 0) >= 0 and coalesce(last_check, 0) < {MAX_CHECKS}"
    )
    names: dict[str, list[tuple[str, ...]]] = {}
    for table, columns in (
        ("subjects", "target, operator, role, control"),
        ("whys", "reason"),
        ("files", "file"),
    ):
        database.execute(
            f"create or replace temp table {table} as select"  # noqa: S608 - no input
            f" row_number() over (order by {columns}) - 1 as number, *"
            f" from (select distinct {columns} {whole})"
        )
        names[table] = database.execute(
            f"select * exclude(number) from {table} order by number"  # noqa: S608
        ).fetchall()
    fetched = database.execute(
        "select run_number as run, subjects.number as subject, check_number,"  # noqa: S608
        " epoch_ms(seen_at) as at,"
        " coalesce(first_check, -1) as first_check, coalesce(last_check, -1) as last_check,"
        " flags,"
        " coalesce(try_cast(latency_ms as float), 'nan') as latency_ms,"
        " coalesce(whys.number, -1) as why, coalesce(files.number, -1) as file"
        f" from (select * {whole}) folded join runs using (run)"
        " join subjects using (target, operator, role, control)"
        " left join whys using (reason) left join files using (file)"
    ).fetchnumpy()
    split = names["subjects"]
    told = [runs[run] for run in ordered]
    vantages = sorted({one[0] for one in told})
    place = {name: number for number, name in enumerate(vantages)}
    made = make_rounds(
        {
            **fetched,
            "run_id": ordered,
            "run_vantage": [place[one[0]] for one in told],
            "run_inside": [one[1] == "inside" for one in told],
            "run_country": [one[2] or "" for one in told],
            "run_mixed": [bool(one[3]) for one in told],
            "run_clock_ms": [NO_CLOCK if one[4] is None else one[4] for one in told],
            "target": [clean(one[0]) for one in split],
            "operator": [clean(one[1]) for one in split],
            "role": [clean(one[2]) for one in split],
            "control": [clean(one[3]) for one in split],
            "whys": [_why(one or "") for (one,) in names["whys"]],
            "files": [clean(one or "") for (one,) in names["files"]],
            "vantages": vantages,
        }
    )
    return made.in_order()  # cheap here, and detection sorts what is in order quickly


_STAGES = {"1": "tcp", "2": "dns", "3": "tls", "4": "http"}


def _why(text: str) -> str:
    return f"{_STAGES.get(text[:1], '-')} {clean(text[1:]) or '-'}"
