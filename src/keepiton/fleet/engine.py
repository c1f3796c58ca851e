"""Aggregates rows where they lie: the same SQL texts, run by another engine through Ibis.

One URL names the engine and the rows. Nothing is left behind there.
"""

import logging
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.storage.aggregate import aggregate_tables
from keepiton.storage.database import COLUMNS, statement
from keepiton.storage.reader import oldest, result_of
from keepiton.storage.rounds import ReadResult

PORTS = {"spark": 7077, "sc": 15002, "clickhouse": 8123, "chdb": None}
WAIT_S = 5.0
"""For a connection, before an engine's own client begins, which may try for minutes."""
SPARK = {
    "spark.log.level": "OFF",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
CLICKHOUSE = {
    "prefer_column_name_to_alias": 1,  # as elsewhere: in max(x) as x, x is the column
    "session_timezone": "UTC",
}
_TYPES = {"VARCHAR": "String", "BIGINT": "Int64", "DOUBLE": "Float64", "TIMESTAMP": "DateTime64(6)"}
_VIEW = "keepiton_lines"
_ALL = COLUMNS | {"file": "VARCHAR", "path": "VARCHAR"}
_TABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FILES = re.compile(r"\.(parquet|jsonl|jsonl\.gz|jsonl\.zst|jsonl\*)$")
_SECRET = re.compile(r"key|secret|password|token|credential", re.IGNORECASE)

Engine = tuple[Any, Any, Callable[[str], Any]]
"""Ibis' connection; the rows as a parsed query; what asks it and gives an Arrow table."""


@dataclass(frozen=True, slots=True)
class EngineUrl:
    """What an engine's URL names."""

    url: SplitResult
    host: str
    port: int
    lines: str
    rest: dict[str, str]

    def __str__(self) -> str:
        """Name it without what may be secret."""
        return f"--engine {self.url.scheme}://" + (f"{self.host}:{self.port}" if self.host else "")

    def masked(self, text: str) -> str:
        """Take what is secret out of what an engine says; the cause or the beginning is enough."""
        text = (re.findall(r"Caused by: [\w.$]*?(\w+: .*)", text) or [text])[-1]
        secrets = [value for key, value in self.rest.items() if _SECRET.search(key)]
        secrets += [self.url.password or "", unquote(self.url.password or "")]
        secrets += [self.url.path.strip("/;") if self.url.scheme == "sc" else ""]  # its token
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
        return clean(" ".join(text.split()), 300)


def parse_url(url: str) -> EngineUrl:
    """Read an engine's URL. Raises UserError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme:
        raise UserError("--engine: no URL; write one such as spark://HOST:7077?lines=…")
    if parts.scheme not in PORTS:
        raise UserError(
            f"--engine {clean(parts.scheme)}: no such engine; known: {', '.join(PORTS)}"
        )
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    rest = {unquote(key): unquote(value) for key, _, value in pairs}
    usual = PORTS[parts.scheme]
    engine = EngineUrl(parts, parts.hostname or "", port or usual or 0, rest.pop("lines", ""), rest)
    if usual and not engine.host:
        raise UserError(f"{engine}: no host; write {parts.scheme}://HOST:{usual}?lines=…")
    if not engine.lines:
        raise UserError(f"{engine}: which rows? add ?lines= and files, a bucket or a table")
    if not ("/" in engine.lines or _TABLE.fullmatch(engine.lines)):
        lines = clean(engine.lines)
        raise UserError(f"{engine}: lines={lines}: no table's name; files need a / in it")
    for key in rest:
        if not (key == "secure" or key.startswith("spark.")):
            raise UserError(f"{engine}: {clean(key)}: no such parameter; see docs/guides/fleet.md")
    return engine


def read(url: str, since: datetime | None = None) -> ReadResult:
    """Have an engine aggregate its rows, but those of files from well before ``since``.

    Raises UserError.
    """
    aggregated = aggregate_tables(*run_statements(url, since))
    paths = sorted({source.path for source in aggregated.sources})
    return result_of([aggregated], paths, complete=since is None)


def run_statements(url: str, since: datetime | None = None) -> tuple[Any, Any]:
    """Return the Arrow tables of both statements, rounds and sources. Raises UserError."""
    where = parse_url(url)
    try:
        import pyarrow as pa  # noqa: PLC0415
        import sqlglot  # noqa: PLC0415

        if where.host:
            socket.create_connection((where.host, where.port), WAIT_S).close()
        with _ENGINES[where.url.scheme](where) as (con, every, ask):
            lines = sqlglot.select("*").from_(every.subquery("l"))
            if since:  # names of files begin with their time
                named = f"file like '2_______T______Z-%' and file < '{oldest(since)}'"
                lines = lines.where(f"file is null or not ({named})")
            checked_lines = _parsed("checked_lines", lines=lines)
            rounds, sources = (
                ask(
                    _parsed(name, checked_lines=checked_lines).sql(
                        con.dialect, unsupported_level=sqlglot.ErrorLevel.RAISE
                    )
                )
                for name in ("rounds", "sources")
            )
        at = rounds["seen_at"].cast(pa.timestamp("us"))  # some tell that it is UTC
        place = rounds.schema.get_field_index("seen_at")
        return rounds.set_column(place, "seen_at", at), sources
    except UserError:
        raise
    except ImportError as exc:
        needed = "pyspark[connect]" if "PACKAGE_NOT_INSTALLED" in str(exc) else "keepiton[cluster]"
        needed = "chdb-core" if "chdb" in str(exc) else needed
        raise UserError(f"{where}: {where.masked(str(exc))}; pip install '{needed}'") from None
    except OSError as exc:
        raise UserError(f"{where}: cannot be reached: {exc.strerror or exc}") from None
    except Exception as exc:  # noqa: BLE001 - each engine has its own
        raise UserError(f"{where}: {where.masked(str(exc))}") from None


def _parsed(name: str, **relations: Any) -> Any:  # noqa: ANN401 - sqlglot is imported late
    """Parse one of our statements, with queries in place of the relations that it names."""
    import sqlglot  # noqa: PLC0415

    tree = sqlglot.parse_one(statement(name), read="duckdb")
    for cte in tree.find_all(sqlglot.exp.CTE):
        cte.set("materialized", None)  # advice to DuckDB
    for table in [table for table in tree.find_all(sqlglot.exp.Table) if table.name in relations]:
        table.replace(relations[table.name].subquery(table.name))
    return tree


def _table(where: EngineUrl, con: Any, name: str) -> Any:  # noqa: ANN401 - Ibis has no types
    """Select a table's rows; columns that it lacks are null."""
    import sqlglot  # noqa: PLC0415
    from ibis.common.exceptions import TableNotFound  # noqa: PLC0415

    *database, table = name.split(".")
    try:
        there = con.table(table, database=tuple(database) or None).columns
    except TableNotFound:
        raise UserError(f"{where}: lines={where.lines}: no such table there") from None
    chosen = [
        "cast({} as {}) as {}".format(f'"{name}"' if name in there else "null", kind, f'"{name}"')
        for name, kind in _ALL.items()
    ]
    if "at" in there:  # a cast would cut off its fractions on ClickHouse
        chosen[list(_ALL).index("at")] = '"at"'
    return sqlglot.parse_one(f"select {', '.join(chosen)} from {name}", read="duckdb")  # noqa: S608


@contextmanager
def _spark(where: EngineUrl) -> Iterator[Engine]:
    import ibis  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    before = SparkSession.getActiveSession()
    if where.url.scheme == "spark" and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UserError(f"{where}: Spark's own client needs Java 17; install it, or use sc://")
    builder = SparkSession.builder.appName("keepiton")
    if where.url.scheme == "sc":
        builder = builder.remote(f"sc://{where.host}:{where.port}{where.url.path}")
    else:
        builder = builder.master(f"spark://{where.host}:{where.port}")
    for key, value in (SPARK | where.rest).items():
        builder = builder.config(key, value)
    with nullcontext() if "spark.log.level" in where.rest else _silenced():
        session = builder.getOrCreate()
    try:
        con = ibis.pyspark.connect(session)
        name = where.lines
        if "/" in where.lines:
            types = ", ".join(f"`{column}` {kind}" for column, kind in COLUMNS.items())
            reader = session.read.schema(f"{types}, file VARCHAR".replace("VARCHAR", "STRING"))
            reader = reader.option("recursiveFileLookup", value=True)
            if not _FILES.search(name):
                reader = reader.option("pathGlobFilter", "*.parquet")
            lines = reader.json(name) if ".jsonl" in name else reader.parquet(name)
            file = "coalesce(file, _metadata.file_name) as file"
            lines = lines.selectExpr(
                *(f"`{column}`" for column in COLUMNS), file, "_metadata.file_path as path"
            )
            lines.createOrReplaceTempView(name := _VIEW)  # of this session alone
        yield con, _table(where, con, name), lambda text: con.raw_sql(text).toArrow()
    finally:
        if before:
            session.catalog.dropTempView(_VIEW)
        else:
            session.stop()


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the Java that starts meanwhile from talking; what goes wrong comes back as an error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _clickhouse(where: EngineUrl) -> Iterator[Engine]:
    import ibis  # noqa: PLC0415
    import sqlglot  # noqa: PLC0415

    if where.url.scheme == "chdb":
        server: dict[str, Any] = {"interface": "chdb"}
    else:
        server = {
            "host": where.host,
            "port": where.port,
            "database": unquote(where.url.path.strip("/")) or "default",
            "user": unquote(where.url.username or "default"),
            "password": unquote(where.url.password or ""),
            "secure": where.rest.get("secure", "0") not in ("0", "false"),
        }
    logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)
    con = ibis.clickhouse.connect(**server, settings=CLICKHOUSE)
    with closing(con.con):
        if "/" in where.lines:
            lines = sqlglot.parse_one(_in_files(where), read="clickhouse")
        else:
            lines = _table(where, con, where.lines)
        yield con, lines, con.con.query_arrow


def _in_files(where: EngineUrl) -> str:
    """Select the rows of files in ClickHouse's own words."""
    if not _FILES.search(where.lines):  # what a folder means there depends on the version
        raise UserError(f"{where}: lines={clean(where.lines)}: write which files: …/*/*.parquet")
    call = {"s3": "s3", "http": "url", "https": "url"}.get(urlsplit(where.lines).scheme, "file")
    types = {column: f"Nullable({_TYPES[kind]})" for column, kind in COLUMNS.items()}
    if ".jsonl" in where.lines:  # as text, so that a torn line is a row without a type
        form, structure, file = "LineAsString", "raw String", "_file"
        chosen = {
            column: f"JSONExtract(raw, '{column}', '{kind.replace(_TYPES['TIMESTAMP'], 'String')}')"
            for column, kind in types.items()
        }
        chosen["at"] = f"toDateTime64OrNull(replaceRegexpOne({chosen['at']}, 'Z$', ''), 6)"
    else:
        types["file"] = "Nullable(String)"
        form, file = "Parquet", "coalesce(file, _file)"
        structure = ", ".join(f"`{column}` {kind}" for column, kind in types.items())
        chosen = {column: f"`{column}`" for column in COLUMNS}
    chosen |= {"file": file, "path": "_path"}
    listed = ", ".join(f"{how} as `{column}`" for column, how in chosen.items())
    quoted = "'" + where.lines.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"select {listed} from {call}({quoted}, '{form}', '{structure}')"  # noqa: S608


_ENGINES = {"spark": _spark, "sc": _spark, "clickhouse": _clickhouse, "chdb": _clickhouse}
