"""Aggregates the lines of result files into rounds, with DuckDB."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np

from keepiton.base.errors import UserError
from keepiton.base.types import IDENTIFIER_PATTERN, RUN_ID_PATTERN, STAGES, clean
from keepiton.storage.database import COLUMNS, connect, statement
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.result_files import vanished
from keepiton.storage.rounds import (
    NO_CLOCK,
    SUBJECT_COLUMNS,
    Aggregated,
    FileSource,
    Rounds,
    make_rounds,
)

MAX_CHECKS = 10_000
MAX_CLOCK_MS = 36_525 * 86_400_000
"""An offset of a century is no clock's: the instants that are read lie within one. A board that
keeps no time while it is off may well be some years late."""
_STAGE_BY_NUMBER = np.array([-1, *map(STAGES.index, ("tcp", "dns", "tls", "http")), -1])
"""Index into STAGES by the number that ``rounds.sql`` gives a stage: 0 where nothing failed, 5 for
a stage that this version does not know."""
_RUN = re.compile(RUN_ID_PATTERN)
_VANTAGE = re.compile(IDENTIFIER_PATTERN)
_COUNTRY = re.compile(r"[a-z]{2}")

RunFacts = tuple[str, str, str | None, int | None, int | None]
"""Of a run: vantage, perspective, country, whether its default route changed, clock offset (ms)."""


def aggregate(database: duckdb.DuckDBPyConnection, files: Sequence[str]) -> Aggregated:
    """Aggregate the rows of some files at once. Raises UserError."""
    try:
        _register(database, files)
    except duckdb.Error as exc:  # the files' fault; one in the statements below is a bug
        if len(files) > 1:  # find the one
            for path in files:
                aggregate(database, [path])
        if not Path(files[0]).exists():
            raise vanished(files[0]) from None
        raise UserError(f"{clean(files[0])}: cannot be read: {clean(str(exc), 300)}") from None
    _create_tables(database)
    # A file may hold rows of a run and neither its beginning nor its end.
    rest = database.execute(
        "select distinct run, path from lines where type = 'measurement' and run is not null"
        " except select run, path from sources"
    ).fetchall()
    return _fetch(database, [FileSource(path, run, False, 0, False) for run, path in rest])


def aggregate_tables(rounds: object, sources: object) -> Aggregated:
    """Take over what another engine made of both statements: two Arrow tables."""
    with connect() as database:
        names = {**COLUMNS, "path": "VARCHAR", "file": "VARCHAR"}
        empty = ", ".join(f'null::{kind} as "{name}"' for name, kind in names.items())
        database.execute(f"create temp view lines as select {empty} where false")
        _create_tables(database)
        for name, table in (("rounds", rounds), ("sources", sources)):
            database.register("of_engine", table)
            database.execute(f"insert into {name} by name from of_engine")
        return _fetch(database, [])


def _create_tables(database: duckdb.DuckDBPyConnection) -> None:
    """Make the tables ``rounds`` and ``sources`` of the relation ``lines``."""
    database.execute(f"create or replace temp view checked_lines as {statement('checked_lines')}")
    for name in ("rounds", "sources"):
        database.execute(f"create or replace temp table {name} as {statement(name)}")


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


def _fetch(database: duckdb.DuckDBPyConnection, more: Sequence[FileSource]) -> Aggregated:
    sources, runs = _fetch_sources(database)
    return Aggregated(_fetch_rounds(database, runs), (*sources, *more))


def _fetch_sources(
    database: duckdb.DuckDBPyConnection,
) -> tuple[list[FileSource], dict[str, RunFacts]]:
    """Return what the files say of the runs, and the runs that can be used."""
    sources = []
    claims: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    rest: dict[str, tuple[str | None, int | None, int | None]] = {}
    rows = database.execute(
        "select run, path, vantage, perspective, country, sealed, mixed, format, unreadable,"
        " clock_offset_ms from sources order by all"
    ).fetchall()
    for run, path, vantage, perspective, country, sealed, mixed, form, unreadable, clock in rows:
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
    runs = {}
    for run, ((vantage, perspective), *others) in claims.items():
        if others or perspective not in ("inside", "outside"):
            continue
        if vantage and _VANTAGE.fullmatch(vantage):
            runs[run] = (vantage, perspective, *rest[run])
    return sources, runs


def _fetch_rounds(database: duckdb.DuckDBPyConnection, runs: dict[str, RunFacts]) -> Rounds:
    """Fetch the rounds as numbers, and each name once."""
    ordered = sorted(runs)
    database.execute(
        "create or replace temp table runs as select unnest($runs) as run,"
        " unnest(range(len($runs)))::integer as run_number",
        {"runs": ordered},
    )
    usable = (
        f"from rounds where check_number >= -1 and check_number < {MAX_CHECKS}"
        f" and coalesce(first_check, 0) >= 0 and coalesce(last_check, 0) < {MAX_CHECKS}"
    )
    names: dict[str, list[tuple[str | None, ...]]] = {}
    for table, columns in (
        ("subjects", ", ".join(SUBJECT_COLUMNS)),
        ("failures", "failure"),
        ("files", "file"),
    ):
        database.execute(
            f"create or replace temp table {table} as select"  # noqa: S608 - no input
            f" row_number() over (order by {columns}) - 1 as number, *"
            f" from (select distinct {columns} {usable})"
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
        " coalesce(stage, 0) as stage,"
        " coalesce(failures.number, -1) as failure, coalesce(files.number, -1) as file"
        f" from (select * {usable}) rounds join runs using (run)"
        f" join subjects using ({', '.join(SUBJECT_COLUMNS)})"
        " left join failures using (failure) left join files using (file)"
    ).fetchnumpy()
    facts = [runs[run] for run in ordered]
    vantages = sorted({vantage for vantage, *_ in facts})
    place = {vantage: number for number, vantage in enumerate(vantages)}
    subjects = zip(*names["subjects"], strict=True) if names["subjects"] else ()
    rounds = make_rounds(
        {
            **fetched,
            **{
                column: [clean(name or "") for name in values]
                for column, values in zip(SUBJECT_COLUMNS, subjects, strict=False)
            },
            "stage": _STAGE_BY_NUMBER[np.asarray(fetched["stage"])],
            "run_id": ordered,
            "run_vantage": [place[vantage] for vantage, *_ in facts],
            "run_inside": [perspective == "inside" for _, perspective, *_ in facts],
            "run_country": [country or "" for _, _, country, *_ in facts],
            "run_mixed": [bool(mixed) for *_, mixed, _ in facts],
            "run_clock_ms": [NO_CLOCK if clock is None else clock for *_, clock in facts],
            "failures": [clean(name or "") or "-" for (name,) in names["failures"]],
            "files": [clean(name or "") for (name,) in names["files"]],
            "vantages": vantages,
        }
    )
    return rounds.in_order()  # cheap here, and detection sorts what is in order quickly
