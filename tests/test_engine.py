"""Rows folded where they lie: Spark's cluster and ClickHouse say what DuckDB does here."""

import gc
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import cluster
import timelines
from clickhouse import PASSWORD, USER
from conftest import Command
from keepiton.base.errors import UserError
from keepiton.cli import keepiton as commands
from keepiton.fleet import engine
from keepiton.storage import reader, result_files
from keepiton.storage.aggregate import aggregate
from keepiton.storage.database import COLUMNS, DUCKDB_CONFIG
from keepiton.storage.rounds import ReadResult, Rounds
from timelines import Watch, plain

pa = pytest.importorskip("pyarrow", reason="the extra dev-cluster is not installed")
parquet = pytest.importorskip("pyarrow.parquet")
for library in ("chdb", "ibis", "pyspark"):
    pytest.importorskip(library, reason="the extra dev-cluster is not installed")

HERE = Path(__file__).parent
FLEET = (HERE.parent / "docs" / "guides" / "fleet.md").read_text(encoding="utf-8")
# Spark's client leaves the sockets that bring results to the collector of garbage.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:unclosed <socket\.socket .*127\.0\.0\.1.*127\.0\.0\.1:ResourceWarning"
)
WATCHES = (
    Watch("v1", {"a@alpha": "..xxxx....", "тэст@beta": "....dddd..", "b#cdn": ".........."}),
    Watch("v2", {"a@alpha": ".xxxx....s", "тэст@beta": "...dddd..."}, line="........x."),
    Watch("v3", {"тэст@beta": "...dddd....", "b#cdn": "....s....."}, inside=True),
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Result files, packed as docs/guides/fleet.md says."""
    folder = tmp_path_factory.mktemp("fleet")
    timelines.write(folder / "merged", *WATCHES)
    (text,) = re.findall(r"```sql\n(copy .*?)```", FLEET, re.DOTALL)
    for vantage in ("v1", "v2", "v3"):
        (folder / "rows" / vantage).mkdir(parents=True)
        own = text.replace("merged/*/2022/02/27/", f"{folder}/merged/{vantage}/")
        own = own.replace("rows/", f"{folder}/rows/{vantage}/")
        duckdb.execute(own)
    return folder / "rows"


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """Let a cluster stand, and Spark's own client, which runs beside Python, end with it."""
    if cluster.missing():
        pytest.skip(cluster.missing())
    from pyspark import SparkContext  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        with cluster.standing(tmp_path_factory.mktemp("spark")) as it:
            yield it
            client: Any = SparkContext._gateway  # noqa: SLF001 - there is no other way to end it
            if client:
                client.shutdown()
                client.proc.stdin.close()
                client.proc.wait(20)
                SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001


@pytest.fixture(scope="module")
def session(spark: cluster.Cluster) -> Iterator[Any]:
    """Keep one session, so that not every question starts executors anew."""
    from pyspark.sql import SparkSession  # noqa: PLC0415

    builder = SparkSession.builder.master(spark.master)
    for key, value in (engine.SPARK | cluster.SETTINGS).items():
        builder = builder.config(key, value)
    made = builder.getOrCreate()
    yield made
    made.stop()


@pytest.fixture
def clickhouse(rows: Path) -> Iterator[str]:
    """ClickHouse's HTTP interface, with the rows in a table that lacks columns."""
    table = (
        "create table lines engine = MergeTree order by tuple() as"  # noqa: S608 - our own
        f" select * except (hop, aside), _path as path from file('{rows}/*/*.parquet')"
    )
    command = [sys.executable, str(HERE / "clickhouse.py"), table]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def told(words: list[str], env: dict[str, str] | None = None) -> dict[str, Any]:
    """Report in this process, and leave out when."""
    done = CliRunner(env=env).invoke(commands, ["report", "--format", "json", *words])
    assert (done.exit_code, done.stderr) == (0, "")
    made = dict(json.loads(done.stdout))
    del made["now"]
    return made


def test_a_cluster_of_two_workers_reports_what_this_machine_does(
    spark: cluster.Cluster, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = told([str(rows)])
    assert len(wanted["windows"]) > 1
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        got = told([], {"KEEPITON_ENGINE": spark.url(str(rows))})
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert got == wanted
    (app,) = spark.until(lambda: spark.state()["completedapps"])
    assert app["name"] == "keepiton"


def unnamed(rounds: Rounds) -> list[str]:
    """Leave out which file shows a failure."""
    return sorted(json.dumps({**one, "file": ""}) for one in plain(rounds))


def here(folder: Path) -> ReadResult:
    return reader.read(result_files.find([folder]))


def test_every_worker_takes_part_and_nothing_is_open_to_others(
    spark: cluster.Cluster,
    session: Any,  # noqa: ANN401 - Spark's own
    rows: Path,
) -> None:
    assert plain(engine.read(spark.url(str(rows))).rounds) == plain(here(rows).rounds)
    done = cluster.executors(session)
    assert len(done) == cluster.WORKERS
    assert all(done.values()), done
    assert [one["coresused"] for one in spark.state()["workers"]] == [1, 1]
    assert session.catalog.listTables() == []
    processes = [one for process in spark.processes for one in cluster.below(process.pid)]
    assert len(processes) == 1 + 2 * cluster.WORKERS
    assert cluster.reachable([*processes, *cluster.below(os.getpid())]) == set()


def test_files_and_tables_are_read_alike(
    spark: cluster.Cluster,
    session: Any,  # noqa: ANN401
    rows: Path,
) -> None:
    """Spark and ClickHouse: JSON lines and Parquet, a table that has neither file nor path."""
    wanted = here(rows)
    lines = f"{rows.parent}/merged/*/*.jsonl"
    session.read.parquet(f"{rows}/*").drop("file").createTempView("our_rows")
    for url in (spark.url(lines), f"chdb://?lines={lines}", f"chdb://?lines={rows}/*/*.parquet"):
        made = engine.read(url)
        assert plain(made.rounds) == plain(wanted.rounds), url
        assert (made.unsealed, made.bad_lines) == (0, {})
    made = engine.read(spark.url("our_rows"))
    assert unnamed(made.rounds) == unnamed(wanted.rounds)


def test_the_command_reads_clickhouse(rows: Path, keepiton: Command, clickhouse: str) -> None:
    """It asks for no more than it is let to: nothing is made there."""
    for words in (["report", "--format", "json"], ["status", "--by", "target"]):
        wanted = keepiton(*words, str(rows))
        url = f"clickhouse://{USER}:{PASSWORD.replace('%', '%25')}@{clickhouse}/default?lines=lines"
        got = keepiton(*words, "--engine", url)
        now = re.compile(r'"now": "[^"]*"')
        assert now.sub("", got.stdout) == now.sub("", wanted.stdout)
        assert (got.returncode, got.stderr) == (0, "")
    with urllib.request.urlopen(f"http://{clickhouse}/asked") as answer:
        asked = json.load(answer)
    folds = [one for one in asked if one.startswith("/* Aggregates measurements")]
    assert len(folds) == len([one for one in asked if one.startswith("DESCRIBE lines")]) == 2
    assert {one.split()[0] for one in asked} <= {"SELECT", "DESCRIBE", "/*"}
    for url, said in (
        (f"{USER}:another%23one@{clickhouse}?lines=lines", f"{USER}:*** is wrong"),
        (f"{USER}:{PASSWORD.replace('%', '%25')}@{clickhouse}?lines=x", "no such table"),
    ):
        done = keepiton("status", "--engine", "clickhouse://" + url)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (2, "")
        assert line.startswith(f"keepiton: --engine clickhouse://{clickhouse}: ")
        assert said in line
        assert "another" not in line


def test_recent_rows_alone_are_asked_for(rows: Path) -> None:
    url = f"chdb://?lines={rows}/*/*.parquet"
    whole = plain(here(rows).rounds)
    since = timelines.START
    assert plain(engine.read(url, since).rounds) == whole
    assert engine.read(url, since).complete is False
    assert plain(engine.read(url, since + timedelta(days=1)).rounds) == whole
    assert plain(engine.read(url, since + timedelta(days=2)).rounds) == []
    assert engine.read(url).complete


def test_what_is_wrong_with_an_engine_is_one_line(keepiton: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    for url, said in (
        ("results/", "--engine: no URL; write one such as spark://HOST:7077?lines=…"),
        ("mysql://u:geheim@h/?lines=a/", "--engine mysql: no such engine; known: spark, sc, "),
        ("spark://[h?lines=a/", "--engine: no URL"),
        ("spark://h:port?lines=a/", "--engine: no URL"),
        ("spark://?lines=a/", "no host; write spark://HOST:7077"),
        ("clickhouse://u:geheim@h", "clickhouse://h:8123: which rows? add ?lines="),
        ("chdb://?lines=a;b", "lines=a;b: no table's name"),
        ("chdb://?lines=a/", "write which files"),
        ("chdb://?lines=a&max_threads=1", "max_threads: no such parameter"),
        (f"spark://127.0.0.1:{closed}?lines=a/", "cannot be reached: Connection refused"),
        (f"sc://127.0.0.1:{closed}/;token=geheim?lines=a/", "cannot be reached"),
        (f"clickhouse://u:geheim@127.0.0.1:{closed}?lines=a", "cannot be reached"),
    ):
        with pytest.raises(UserError) as raised:
            engine.read(url)
        assert said in str(raised.value)
        assert "geheim" not in str(raised.value)
    done = keepiton("report", "--engine", url)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"keepiton: {raised.value}\n")
    for words in (["--engine", "chdb://?lines=a/*.parquet"], []):
        done = keepiton("status", str(tmp_path), *words, env={"KEEPITON_ENGINE": "chdb://"})
        assert done.returncode == 2
        assert "leave out one of it and FILE|DIR" in done.stderr
    done = keepiton("status", "--engine", f"chdb://?lines={tmp_path}/*.parquet")
    assert (done.returncode, done.stderr) == (6, "keepiton: no measurements in 0 result file(s)\n")


def test_what_is_missing_is_named(
    spark: cluster.Cluster,
    session: object,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    del session
    with pytest.raises(UserError, match="PATH_NOT_FOUND"):
        engine.read(spark.url(f"{tmp_path}/nowhere"))
    with pytest.raises(UserError, match="lines=nowhere: no such table there"):
        engine.read(spark.url("nowhere"))
    monkeypatch.setitem(sys.modules, "ibis", None)
    for url in ("chdb://?lines=lines", spark.url("lines")):
        with pytest.raises(UserError, match=r"pip install 'keepiton\[cluster\]'"):
            engine.read(url)


RUNS = ("0123456789ab", "fedcba987654", "тэст")
TEXTS = ("", "t", "T", "тэст.бел", "é", "e\u0301", "𝄞\uffff", "a b", "x'y", 'q"\\', "%_", "-1")
AT = datetime(2022, 2, 27, 12, tzinfo=UTC)
TIMES = (
    *(AT + timedelta(microseconds=one) for one in (0, 1, 999, 1000, 123_456, 60_000_000)),
    *(datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1500, 1969, 1970, 2000, 2100, 2299, 9999)),
    *(datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) for year in (1999, 2099)),
)
WHOLE = (0, 1, 2, 3, -1, 10, 2**31, 2**63 - 1, -(2**63))
ROW = {
    "place": (0, 1, 2, 3),
    "type": ("measurement",) * 9 + ("run", "run", "end", "end", "other", None),
    "run": (*RUNS, RUNS[0], RUNS[0], None),
    "target": ("t", "t", "t", *TEXTS, None),
    "at": (*TIMES, *TIMES[:6], *TIMES[:6], *TIMES[:6], None),
    "state": ("ok", "fail", "fail", "inconclusive", "skipped", "odd", None),
    "attempt": (None, 1, 1, 1, 2, 2, 3, 9, *WHOLE),
    "stage": ("dns", "tcp", "tls", "http", "odd", None),
    "failure": (None, "ssl_x", "SSL_X", "ssl", "connection_reset", *TEXTS),
    "operator": (None, None, "", "alpha", "бета"),
    "role": (None, "site", "other"),
    "control": (None, None, None, "foreign", "domestic", ""),
    "check": (None, 0, 1, *WHOLE),
    "hop": (None,) * 9 + (0, 1),
    "aside": (None,) * 9 + ("", "compare"),
    "duration_ms": (None, 0.0, 1.5, 0.1, -2.5, 1e300),
    "address": (None, None, "192.0.2.1", "2001:db8::1"),
    "port": (None, 443, 80, -1),
    "transport": (None, "udp", "doh"),
    "line": (None, "up", "mixed"),
    "vantage": (None, "v1", "v1", "v2", "вантаж"),
    "perspective": (None, "inside", "outside"),
    "country": (None, "by", "Беларусь"),
    "format": (None, 1, 2, *WHOLE),
    "clock_offset_ms": (None, *WHOLE),
    "file": (None, "20220227T080000Z-v1.jsonl", "ф.jsonl"),
}
ARROW = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64()}


def some(seed: int, number: int) -> list[dict[str, Any]]:
    """Make rows of all sorts; a third of them are as rows should be, but for one value."""
    order = random.Random(seed)  # noqa: S311
    usual: dict[str, Any] = {
        "type": "measurement", "run": RUNS[0], "at": AT, "attempt": 1, "hop": None, "aside": None,
    }  # fmt: skip
    made = []
    for _ in range(number):
        row = {name: order.choice(values) for name, values in ROW.items()}
        if order.random() < 1 / 3:
            row |= usual | {name: row[name] for name in [order.choice(list(usual))]}
        made.append(row)
    return made


def folded(database: duckdb.DuckDBPyConnection, folder: Path) -> list[list[str]]:
    """Return all that was folded, in some order; each engine writes paths in its own way."""
    found = [
        row
        for name in ("rounds", "sources")
        for row in database.execute(f"select columns(*)::varchar from {name}").fetchall()  # noqa: S608
    ]
    paths = re.compile(rf"(file:(//)?)?{folder}")
    return sorted([paths.sub("", one) if one else repr(one) for one in row] for row in found)


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
@given(seed=st.integers(0, 2**32), number=st.integers(100, 2000))
def test_every_engine_folds_alike(
    spark: cluster.Cluster,
    session: object,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    number: int,
) -> None:
    """Rows of all sorts in four files, of which two lack columns; what a run says lies in all."""
    del session
    told = some(seed, number)
    folder = tmp_path_factory.mktemp("random")
    kinds = {name: ARROW.get(kind, pa.timestamp("us")) for name, kind in COLUMNS.items()}
    for place in range(4):
        own = [one for one in told if one["place"] == place or one["type"] == "run"]
        lacks = ((), ("file",), ("country", "clock_offset_ms", "file"), ())[place]
        columns = {**kinds, "file": pa.string()}
        schema = pa.schema([one for one in columns.items() if one[0] not in lacks])
        parquet.write_table(pa.Table.from_pylist(own, schema), folder / f"{place}.parquet")
    with duckdb.connect(config=DUCKDB_CONFIG) as database:
        aggregate(database, result_files.find([folder]))
        wanted = folded(database, folder)
        assert len(wanted) > number / 10
        for url in (f"chdb://?lines={folder}/*.parquet", spark.url(str(folder))):
            for name, table in zip(("rounds", "sources"), engine.run_statements(url), strict=True):
                database.execute(f"delete from {name}")  # noqa: S608
                database.register("made", table)
                database.execute(f"insert into {name} by name from made")
            assert folded(database, folder) == wanted, url
