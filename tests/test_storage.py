"""Old days are packed, removed, checked, counted and given back, and no byte is lost by it."""

import csv
import gzip
import hashlib
import io
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import lab as lab_module
import timelines
from conftest import Command
from keepiton.archive import export, info, pack, prune
from keepiton.archive import verify as verifying
from keepiton.base.connectivity import Connectivity
from keepiton.base.errors import UserError
from keepiton.cli import times, writing
from keepiton.commands import retention
from keepiton.detect import Policy, detect
from keepiton.report.build import number_evidence
from keepiton.storage import database, evidence, lock, reader, result_files, runs, state
from keepiton.storage import writer as write
from keepiton.storage.cache import Cache
from keepiton.storage.rounds import ReadResult
from keepiton.storage.rows import EvidenceRow, ListUsed, Measurement, Run
from timelines import said

DAY = datetime(2022, 2, 27, tzinfo=UTC)
LATER = date(2022, 3, 10)
FAIL = "connection_reset"


def a_run(vantage: str, at: datetime, number: int) -> Run:
    return Run(
        run=hashlib.sha256(f"{vantage}{at}{number}".encode()).hexdigest()[:12],
        software={"keepiton": "0"},
        vantage=vantage,
        perspective="inside",
        country="by",
        lists=(ListUsed(name="x", sha256="0" * 64, targets=4),),
        targets=4,
        settings={},
        planned_at=at,
        started_at=at,
    )


def rows_of(run: Run, looks: int, *, bad: bool) -> Iterator[Measurement]:
    """Give three targets, and as many controls in each look at the own line."""
    told: dict[str, Any] = {"run": run.run, "stage": "tcp", "port": 443, "duration_ms": 12.25}
    whose = [*[("foreign", look) for look in range(looks)], (None, 0)]
    for number in range(3):
        for control, look in whose:
            failed = bad and not control
            for attempt in (1, 2) if failed else (1,):
                yield Measurement(
                    **told,
                    target=f"{control or 'site'}-{number}",
                    operator=f"op-{number}",
                    control=control,
                    check=look if control or looks > 1 else None,
                    attempt=attempt,
                    at=run.started_at + timedelta(seconds=number + 5 * attempt),
                    state="fail" if failed else "ok",
                    failure=FAIL if failed else None,
                    address=f"192.0.2.{number}",
                )


def sealed(
    data: Path,
    at: datetime = DAY,
    vantage: str = "v-test",
    previous: str | None = None,
    *,
    torn: list[bytes] | None = None,
    bad: bool = False,
    looks: int = 1,
) -> tuple[Path, str]:
    """Write one run as a probe does; return its file and that file's SHA-256."""
    run = a_run(vantage, at, 0)
    writer = write.Writer(data, run)
    for row in rows_of(run, looks, bad=bad):
        writer.add(row)
    for line in torn or ():
        writer._write(line)  # noqa: SLF001 - what a crash, a bad disk or a newer version left
    whole = writer.seal(at + timedelta(minutes=1), "finished", Connectivity.UP, 0, 3, 0.0, previous)
    writer.close()
    return write.publish(writer.part), whole


def chain(
    data: Path,
    count: int,
    at: datetime = DAY,
    vantage: str = "v-test",
    *,
    torn: list[bytes] | None = None,
    bad: bool = False,
) -> list[Path]:
    previous: str | None = None
    paths = []
    for number in range(count):
        hour = at + timedelta(hours=number)
        path, previous = sealed(data, hour, vantage, previous, torn=torn, bad=bad)
        paths.append(path)
    return paths


HOSTILE = [
    b'{"type":"measurement","run":"0123456789ab","target":"torn","st\n',
    b"\xff\xfe\x00 not UTF-8 \xc3\x28\n",
    b'{"type":"measurement","target":"new","a_field_of_2031":{"deep":[1,2,{}]}}\n',
    b"\n  \r\n",
    b'{"type":"measurement"}{"type":"measurement"}\n',
    '{"type":"measurement","target":"\u2028\\u0000"}\r\n'.encode(),
    b"[1, 2]\nnull\n\x0b\x0c\n",
]


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Give what every run of a folder holds, as the program reads it."""
    found: dict[str, bytes] = {}
    for one in runs.list_runs(result_files.find([folder])):
        told = runs.read_content(one)
        assert found.setdefault(one.name, told) == told
    return found


def packed(data: Path, until: date = LATER) -> list[pack.PackedDay]:
    return [pack.pack(target, found) for target, found in pack.days_due(data, until).items()]


def same(one: ReadResult, other: ReadResult) -> None:
    mine, theirs = one.rounds.columns(), other.rounds.columns()
    for name in mine:
        if name != "latency_ms":
            assert np.array_equal(mine[name], theirs[name]), name
    assert np.array_equal(mine["latency_ms"], theirs["latency_ms"], equal_nan=True)
    assert sum(one.bad_lines.values()) == sum(other.bad_lines.values())
    assert one.unsealed == other.unsealed


@pytest.mark.slow
def test_a_packed_day_gives_every_line_back_and_the_same_rounds(tmp_path: Path) -> None:
    paths = chain(tmp_path, 3) + chain(tmp_path, 2, DAY, "v-b", torn=HOSTILE, bad=True)
    chain(tmp_path, 1, DAY + timedelta(days=20))
    paths[0].with_name(paths[0].name + ".gz").write_bytes(gzip.compress(paths[0].read_bytes()))
    paths[0].unlink()
    before, rows = bytes_of(tmp_path), reader.read(result_files.find([tmp_path]))
    assert rows.bad_lines
    made = packed(tmp_path)
    assert [(one.path.name, one.runs, one.left) for one in made] == [
        ("20220227-v-b.parquet", 2, ()),
        ("20220227-v-test.parquet", 3, ()),
    ]
    files = result_files.find([tmp_path])
    assert len(files) == 3  # and the day that is not old yet, as it was
    assert bytes_of(tmp_path) == before
    for one in runs.list_runs(files):
        lines = before[one.name].splitlines(keepends=True)
        if one.path.endswith(".parquet"):
            told = duckdb.execute(
                "select number, raw from read_parquet($1) where file = $2 order by number",
                [one.path, one.name],
            ).fetchall()
            assert [number for number, _ in told] == list(range(1, len(told) + 1))
            assert b"".join(raw for _, raw in told) == before[one.name]
            if one.run_name.vantage == "v-test":
                assert [raw for _, raw in told] == lines
    same(rows, reader.read(files))
    assert made[0].path.stat().st_mode & 0o777 == 0o600
    verdict = verifying.check_files(files)
    assert (verdict.runs, verdict.sealed, verdict.faults) == (6, 6, 0)


lines = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(HOSTILE),
    st.dictionaries(
        st.sampled_from([*database.COLUMNS, "other"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        max_size=5,
    ).map(lambda told: json.dumps(told).encode()),
    st.sampled_from([b"", b" ", b"\r", b"\x00", b"{", b'{"type":"end"}', b'{"type":"run",}']),
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(hostile=st.lists(st.lists(lines, max_size=8), min_size=1, max_size=3))
def test_whatever_bytes_a_run_holds_it_comes_back(
    tmp_path_factory: pytest.TempPathFactory, hostile: list[list[bytes]]
) -> None:
    data = tmp_path_factory.mktemp("hostile")
    for number, each in enumerate(hostile):
        torn = [line + b"\n" for line in each]
        sealed(data, DAY + timedelta(minutes=number), torn=torn)
    before = bytes_of(data)
    try:
        rows = reader.read(result_files.find([data]))
    except UserError:  # of a newer version, it says
        rows = None
    (made,) = packed(data)
    assert (made.runs, made.left) == (len(hostile), ())
    assert bytes_of(data) == before
    if rows:
        same(rows, reader.read(result_files.find([data])))
    kinds = {one.kind for one in verifying.check_files(result_files.find([data])).problems}
    assert not kinds & {"columns", "unreadable", "seal", "missing"}
    shutil.rmtree(data)


def test_a_file_in_the_way_hinders_no_other_day(tmp_path: Path) -> None:
    paths = [*chain(tmp_path, 1), *chain(tmp_path, 1, DAY, "v-b")]
    own = paths[1].with_name("20220227-v-b.parquet")
    duckdb.execute(f"copy (select 1 as x) to '{own}' (format parquet)")
    theirs = own.read_bytes()
    bad, good = pack.pack_due(tmp_path, LATER)
    assert (bad.runs, good.runs) == (0, 1)
    assert "holds no runs" in bad.left[0]
    assert (own.read_bytes(), paths[1].exists(), paths[0].exists()) == (theirs, True, False)


def test_killed_at_any_moment_every_run_is_still_there(tmp_path: Path, keepiton: Command) -> None:
    data = tmp_path / "data"
    for day in range(3):
        chain(data, 3, DAY + timedelta(days=day))
    before = bytes_of(data)
    rng = random.Random(6)  # noqa: S311
    env = os.environ | {"KEEPITON_DATA": str(data), "HOME": str(tmp_path)}
    command = [lab_module.KEEPITON, "results", "compact", "-q", "--data", str(data)]
    for _ in range(2):  # the first may compile modules; the second tells how long a start takes
        began = time.monotonic()
        subprocess.run([*command, "--dry-run"], env=env, check=True, stdout=subprocess.DEVNULL)
    start_s = time.monotonic() - began
    killed = 0
    # The earliest first: once all is packed, no later one is killed while it packs.
    for share in sorted(rng.uniform(0.5, 1.5) for _ in range(4)):
        process = subprocess.Popen(command, env=env)
        time.sleep(start_s * share)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        assert bytes_of(data) == before
    assert killed
    assert keepiton("results", "compact", "-q").returncode == 0
    assert bytes_of(data) == before
    assert sorted(one.suffix for one in data.rglob("*") if one.is_file()) == [
        *["", *[".parquet"] * 3]
    ]


@pytest.mark.parametrize("what", ["a byte", "a run", "a rename", "an unlink"])
def test_what_does_not_read_back_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    chain(tmp_path, 3)
    before = bytes_of(tmp_path)
    copy = pack._copy  # noqa: SLF001 - the last step before a disk

    def garbled(base: duckdb.DuckDBPyConnection, query: str, to: Path) -> None:
        if what == "a byte":
            raw = "case number when 2 then 'x'::blob else raw end as raw"
            query = f"select * replace ({raw}) from ({query})"  # noqa: S608
        if what == "a run":
            query = f"select * from ({query}) where file < '20220227T02'"  # noqa: S608
        copy(base, query, to)

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pack, "_copy", garbled)
    if what == "a rename":
        monkeypatch.setattr(Path, "replace", broken)
    if what == "an unlink":
        monkeypatch.setattr(Path, "unlink", broken)
    with pytest.raises(OSError, match=r"read back|Input/output"):
        packed(tmp_path)
    monkeypatch.undo()
    assert bytes_of(tmp_path) == before
    assert list(tmp_path.rglob("*.jsonl")) != [] or what == "an unlink"
    assert packed(tmp_path)[0].left == ()
    assert bytes_of(tmp_path) == before


def test_late_runs_join_their_day_and_what_differs_or_is_not_whole_stays(tmp_path: Path) -> None:
    paths = chain(tmp_path, 4)
    late, again, other = paths[1].read_bytes(), paths[2].read_bytes(), paths[3].read_bytes()
    paths[1].unlink()
    packed(tmp_path)
    paths[1].write_bytes(late)
    paths[2].write_bytes(again)  # an upload that came twice
    paths[3].write_bytes(other.replace(b'"up"', b'"down"'))
    cut = paths[0].with_name("20220227T200000Z-v-test-0123456789ab.jsonl")
    cut.write_bytes(other[:-9])
    part = paths[0].with_name("20220227T210000Z-v-test-0123456789ac.jsonl.part")
    part.write_bytes(other)
    own = paths[0].with_name("20220227-notes.jsonl")
    own.write_bytes(other)
    (made,) = packed(tmp_path)
    assert made.runs == 1
    assert [line.partition(": ")[2] for line in made.left] == [
        "differs from the copy in 20220227-v-test.parquet",
        "has no end line, so it is not whole",
    ]
    assert {one.name for one in paths[0].parent.iterdir()} == {
        made.path.name, paths[3].name, cut.name, part.name, own.name,
    }  # fmt: skip
    assert dict(runs.iter_contents(str(made.path)))[paths[1].name] == late
    verdict = verifying.check_files(result_files.find([tmp_path]))
    assert "copies_differ" in [one.kind for one in verdict.problems]
    for one in (paths[3], cut, part):
        one.unlink()
    assert not verifying.check_files(result_files.find([tmp_path])).faults


def test_a_packed_day_is_read_like_any_other(tmp_path: Path) -> None:
    """Copies count once, a day well before what is asked is not opened, the cache holds."""
    data = tmp_path / "data"
    chain(data, 3, bad=True)
    chain(data, 3, DAY + timedelta(days=5))
    shutil.copytree(data / "results", tmp_path / "copy" / "results")
    plain = reader.read(result_files.find([data]))
    (made, _) = packed(data)
    files = result_files.find([data, tmp_path / "copy"])
    same(plain, reader.read(files))
    cache = Cache(tmp_path)
    same(plain, reader.read(files, cache))
    assert not reader._cached({"20220227": [str(made.path)]}, cache)[0]  # noqa: SLF001 - other files
    same(plain, reader.read(files, cache))
    made.path.write_bytes(b"no Parquet")
    late = reader.read(result_files.find([data]), since=DAY + timedelta(days=4))
    assert len(late.rounds) == len(plain.rounds) / 2
    with pytest.raises(UserError, match="cannot be read"):
        reader.read(result_files.find([data]))


def test_a_file_that_is_packed_while_a_report_reads_is_named(tmp_path: Path) -> None:
    """A run packs days while somebody reads: nothing is made up from what is left."""
    chain(tmp_path, 2)
    files = result_files.find([tmp_path])
    packed(tmp_path)
    for listed in (files, files[:1]):
        with pytest.raises(
            UserError, match="went away meanwhile, packed or removed; run this again"
        ):
            reader.read(listed)


def test_witnesses_and_seals_are_found_inside_a_packed_day(tmp_path: Path) -> None:
    for vantage in ("v-a", "v-b"):
        previous = None
        for number in range(24):
            at = DAY + number * timedelta(minutes=10)
            failing = 8 <= number < 16
            _, previous = sealed(tmp_path, at, vantage, previous, bad=failing, looks=2)
    rows = reader.read(result_files.find([tmp_path]))
    found = detect(rows.rounds, Policy(), DAY + timedelta(hours=4))
    cited = [row for window in found.windows for row in window.evidence]
    assert cited
    files = result_files.find([tmp_path])
    located, hashed = evidence.find_lines(cited, files), evidence.find_seals(cited, files)
    assert located
    windows = number_evidence(found.windows, located)
    assert any(one.line for window in windows for one in window.evidence)
    packed(tmp_path)
    files = result_files.find([tmp_path])
    assert len(files) == 2
    assert evidence.find_lines(cited, files) == located
    assert set(evidence.find_seals(cited, files)) == set(hashed)


def test_a_window_is_shown_by_a_failure_of_the_target_itself_not_of_what_stands_beside_it(
    tmp_path: Path,
) -> None:
    """A redirect that led nowhere and a comparison that failed are no evidence for the window."""
    run = "0" * 12
    failed = Measurement(run=run, target="t", at=DAY, state="fail", failure=FAIL, stage="tcp")
    rows = [
        failed.model_copy(update={"hop": 1, "host": "elsewhere.example"}),
        failed.model_copy(update={"aside": "neutral"}),
        failed,
    ]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(row.to_json_line() for row in rows))
    watch = timelines.Watch("v1", {"t": "." * 36 + "x" * 6 + "." * 36})
    cited = EvidenceRow(path.name, run, "t")
    window = replace(timelines.only(timelines.found(watch)), evidence=(cited,))
    (located,) = number_evidence((window,), evidence.find_lines(window.evidence, [str(path)]))
    assert located.evidence == (replace(cited, line=3),)


def test_only_one_works_in_a_folder_at_a_time(tmp_path: Path, keepiton: Command) -> None:
    chain(tmp_path / "data", 1)
    with lock.hold(tmp_path / "data"):
        for words in (["compact"], ["prune", "--keep", "90d", "--yes"]):
            done = keepiton("results", *words)
            assert (done.returncode, "another run is under way" in done.stderr) == (75, True)
    assert keepiton("results", "compact", "--compact-after", "off").returncode == 2
    done = keepiton("results", "compact", "--dry-run")
    assert "20220227-v-test.parquet  1 run to pack" in done.stdout
    assert [one.suffix for one in (tmp_path / "data/results").rglob("*-v-*")] == [".jsonl"]


def a_year(data: Path) -> list[Path]:
    """Lay down a run a day, with an unsealed one and somebody's own file among the oldest."""
    paths = [sealed(data, DAY + timedelta(days=day))[0] for day in range(10)]
    paths[0].with_name(paths[0].name.replace("T00", "T01") + ".part").write_bytes(b"x")
    paths[1].with_name("notes.txt").write_bytes(b"x")
    return paths


def test_the_oldest_days_go_and_nothing_unsealed_or_of_today(tmp_path: Path) -> None:
    paths = a_year(tmp_path)
    today = (DAY + timedelta(days=9)).date()
    size = paths[0].stat().st_size
    taken = prune.bytes_used(tmp_path)

    def days(age: timedelta | None = None, size: int | None = None) -> list[int]:
        found = prune.days_to_prune(tmp_path, today, age, size)
        return [(one.day - DAY.date()).days for one in found]

    assert days(timedelta(days=6)) == [0, 1, 2]
    assert days(None, taken) == []
    assert days(None, taken - 1) == [0]
    assert days(None, taken - 2 * size) == [0, 1]
    assert days(None, 0) == list(range(9))
    assert prune.remove(prune.days_to_prune(tmp_path, today, max_size=0)) == 9 * size
    left = sorted(one.name for one in tmp_path.rglob("*") if one.is_file())
    assert left == sorted(
        [paths[9].name, "notes.txt", paths[0].name.replace("T00", "T01") + ".part"]
    )
    assert len(list((tmp_path / "results/2022").glob("*/*"))) == 3  # empty folders go, too


def test_pruning_asks_and_without_a_terminal_refuses(tmp_path: Path, keepiton: Command) -> None:
    a_year(tmp_path / "data")
    before = sorted(tmp_path.rglob("*.jsonl"))
    done = keepiton("results", "prune", "--keep", "400d")
    assert (done.returncode, "--yes" in done.stderr, done.stdout.count("\n")) == (2, True, 10)
    assert keepiton("results", "prune").returncode == 2
    assert "2022-02-27  1 file" in keepiton("results", "prune", "--keep", "9d", "--dry-run").stdout
    assert sorted(tmp_path.rglob("*.jsonl")) == before
    for answer, code, left in ((b"n\n", 130, 10), (b"y\n", 0, 0)):
        ours, theirs = pty.openpty()
        command = [lab_module.KEEPITON, "results", "prune", "--keep", "400d"]
        env = os.environ | {"KEEPITON_DATA": str(tmp_path / "data"), "HOME": str(tmp_path)}
        os.write(ours, answer)
        done = subprocess.run(
            command, stdin=theirs, capture_output=True, text=True, check=False, env=env
        )
        os.close(ours)
        os.close(theirs)
        assert (done.returncode, "Remove all of it?" in done.stderr) == (code, True), done
        assert len(list(tmp_path.rglob("*.jsonl"))) == left


def test_a_signal_that_a_library_turns_into_an_error_ends_maintenance_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def struck(*_: object) -> bool:
        text = "Encountered an error while initializing the extension."
        raise ImportError(text) from KeyboardInterrupt()

    monkeypatch.setattr(retention, "_compact", struck)
    with pytest.raises(KeyboardInterrupt):
        retention.maintain(tmp_path, DAY, None, None, timedelta(days=7))
    assert capsys.readouterr().err == ""


def test_an_unattended_folder_is_looked_after_once_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_year(tmp_path)
    now = DAY + timedelta(days=9, hours=1)
    week = timedelta(days=7)
    monkeypatch.setattr(retention, "find_spec", lambda _: None)  # as on Android
    retention.maintain(tmp_path, now, None, None, week)
    assert not list(tmp_path.rglob("*.parquet"))
    monkeypatch.undo()
    retention.maintain(tmp_path, now, None, None, week)  # it was done today
    assert not list(tmp_path.rglob("*.parquet"))
    monkeypatch.setattr(retention, "BUDGET_S", -1.0)
    retention.maintain(tmp_path, now + timedelta(days=1), None, None, week)
    monkeypatch.undo()
    retention.maintain(tmp_path, now + timedelta(days=1), None, None, week)  # goes on
    assert sorted(one.name[:8] for one in tmp_path.rglob("*.parquet")) == [
        "20220227", "20220228", "20220301",
    ]  # fmt: skip
    with pytest.raises(StopIteration):
        next(pack.pack_due(tmp_path, (now + timedelta(days=1) - week).date()))
    # A clock that is years ahead takes no more than a week of what there is.
    retention.maintain(tmp_path, datetime(2031, 1, 1, tzinfo=UTC), timedelta(days=90), None, None)
    assert sorted(one.day.day for one in prune.all_days(tmp_path) if one.files) == [6, 7, 8]
    retention.maintain(tmp_path, now + timedelta(days=3), None, 0, None)
    assert not list(tmp_path.rglob("*.jsonl"))
    (tmp_path / "tended").unlink()
    (tmp_path / "tended").mkdir()
    retention.maintain(tmp_path, now, None, None, None)
    assert "old days are not looked after" in capsys.readouterr().err


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=False
        ).returncode
    ):
        pytest.skip("needs root, to make a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.slow
def test_a_full_disk_stops_packing_and_a_run_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4M") as disk:
        noise = random.Random(6).randbytes(30_000).hex().encode()  # noqa: S311 - to fill it
        chain(disk, 3, torn=[b'{"type":"measurement","server":"' + noise + b'"}\n'])
        before = bytes_of(disk)
        free = shutil.disk_usage(disk).free
        assert retention.room(disk, free // 2 - 8192) == "plenty"
        assert retention.room(disk, free // 2 + 8192) == "scarce"
        with pytest.raises(OSError, match=r"only \d.\d MB of the disk are free, and \d.\d MB"):
            retention.room(disk, free + 8192)
        for left in (0, 4096, 16_384):
            (disk / "filler").write_bytes(b"x" * (free - left))
            with pytest.raises(OSError, match=r"(?i)space|write"):
                packed(disk)
            assert bytes_of(disk) == before
            assert not list(disk.rglob(".*"))
            (disk / "filler").unlink()
        assert packed(disk)[0].runs == 3
        assert bytes_of(disk) == before


def changed(path: Path, *pairs: tuple[bytes, bytes], seal: bool = False) -> None:
    told = path.read_bytes()
    for old, new in pairs:
        assert old in told
        told = told.replace(old, new, 1)
    if seal:
        *before, last = told.splitlines(keepends=True)
        end = json.loads(last) | {"sha256": hashlib.sha256(b"".join(before)).hexdigest()}
        told = b"".join(before) + json.dumps(end).encode() + b"\n"
    path.write_bytes(told)


def flipped(paths: list[Path]) -> None:
    changed(paths[2], (b"site-1", b"site-2"))


def recounted(paths: list[Path]) -> None:
    changed(paths[4], (b'"measurements":6', b'"measurements":7'), seal=True)


def taken_out(paths: list[Path]) -> None:
    paths[2].unlink()


def begun_later(paths: list[Path]) -> None:
    paths[0].unlink()
    paths[1].unlink()


def newest_gone(paths: list[Path]) -> None:
    paths[4].unlink()


def renamed(paths: list[Path]) -> None:
    paths[1].rename(paths[1].with_name(paths[1].name.replace("T01", "T02")))


def cut_short(paths: list[Path]) -> None:
    paths[4].write_bytes(paths[4].read_bytes()[:-40])


def copied(paths: list[Path]) -> None:
    (paths[0].parent / "x").mkdir()
    shutil.copy(paths[3], paths[0].parent / "x")
    changed(paths[0].parent / "x" / paths[3].name, (b"site-1", b"site-9"), seal=True)


def copied_in_part(paths: list[Path]) -> None:
    (paths[0].parent / "x").mkdir()
    (paths[0].parent / "x" / paths[3].name).write_bytes(paths[3].read_bytes()[:700])


def left_open(paths: list[Path]) -> None:
    paths[4].rename(paths[4].with_name(paths[4].name + ".part"))


def begun_anew(paths: list[Path]) -> None:
    sealed(paths[0].parents[4], DAY + timedelta(hours=9))


@pytest.mark.parametrize("packing", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(
    ("harm", "wanted"),
    [
        (flipped, {"seal", "missing"}),
        (recounted, {"counts", "newest_missing"}),
        (taken_out, {"missing"}),
        (begun_later, set()),
        (newest_gone, {"newest_missing"}),
        (renamed, {"name"}),
        (cut_short, {"unsealed_name", "newest_missing", "lines"}),
        (copied, {"copies_differ"}),
        (copied_in_part, {"truncated_copy"}),
        (left_open, {"left_open"}),
        (begun_anew, {"new_chain"}),
    ],
)
def test_what_is_wrong_is_found_and_named(
    tmp_path: Path, harm: Callable[[list[Path]], None], wanted: set[str], *, packing: bool
) -> None:
    paths = chain(tmp_path, 5)
    tip = hashlib.sha256(paths[4].read_bytes()).hexdigest()
    assert verifying.check_files(result_files.find([tmp_path]), {"v-test": tip}).problems == []
    harm(paths)
    if packing:
        packed(tmp_path)
    verdict = verifying.check_files(result_files.find([tmp_path]), {"v-test": tip})
    assert {one.kind for one in verdict.problems} == wanted, verdict.problems
    assert bool(verdict.begins_after) == (harm is begun_later)
    assert bool(verdict.faults) == bool(wanted & verifying.FAULTS.keys())


def test_a_sealed_copy_is_never_taken_for_the_beginning_of_a_longer_one(tmp_path: Path) -> None:
    """A file that goes on behind its end line differs from the run as it was sealed."""
    (path,) = chain(tmp_path, 1)
    content = path.read_bytes()
    (path.parent / "x").mkdir()
    (path.parent / "x" / path.name).write_bytes(content)
    end = json.loads(content.splitlines()[-1])
    end |= {"sha256": hashlib.sha256(content).hexdigest()}
    path.write_bytes(content + json.dumps(end).encode() + b"\n")
    kinds = {one.kind for one in verifying.check_files(result_files.find([tmp_path]), {}).problems}
    assert "copies_differ" in kinds
    assert "truncated_copy" not in kinds


def test_columns_that_say_something_else_than_the_lines_are_found(tmp_path: Path) -> None:
    chain(tmp_path, 2, torn=HOSTILE)
    (made,) = packed(tmp_path)
    assert not verifying.check_files([str(made.path)]).faults
    other = tmp_path / "x.parquet"
    duckdb.execute(
        f"copy (select * replace (case when number = 3 then 'fail' else state end as state)"  # noqa: S608
        f" from read_parquet('{made.path}')) to '{other}' (format parquet)"
    )
    other.replace(made.path)
    found = verifying.check_files([str(made.path)]).problems
    assert [(one.detail, one.fault) for one in found if one.kind == "columns"] == [
        ("3 state", True)
    ] * 2


def test_verify_says_so_with_its_exit_status(tmp_path: Path, keepiton: Command) -> None:
    paths = chain(tmp_path / "data", 3, torn=HOSTILE[:1])
    whole = hashlib.sha256(paths[2].read_bytes()).hexdigest()
    state.save(tmp_path / "data", state.DataFolderState(chain={"v-test": whole}))
    done = keepiton("results", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 runs; 3 sealed; 1 vantage; 18 measurements; 0 more copies; 0 faults" in done.stdout
    assert done.stdout.count("note  ") == 3
    paths[1].unlink()
    done = keepiton("results", "verify", "--format", "json")
    told = json.loads(done.stdout)
    assert done.returncode == 5
    (fault,) = told["faults"]
    assert fault["kind"] == "missing"
    assert fault["file"] == str(paths[2])
    assert paths[0].name in fault["remedy"]
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert keepiton("results", "verify", str(nothing)).returncode == 6
    (nothing / "20220227T000000Z-v-test-0123456789ab.jsonl.gz").write_bytes(b"no gzip")
    done = keepiton("results", "verify", str(nothing))
    assert (done.returncode, "cannot be read" in done.stdout) == (5, True)


def test_what_is_exported_is_what_was_written(tmp_path: Path, keepiton: Command) -> None:
    data = tmp_path / "data"
    paths = chain(data, 3) + chain(data, 2, DAY, "v-b") + chain(data, 1, DAY + timedelta(days=9))
    shutil.copytree(data / "results", tmp_path / "copy")
    plain = reader.read(result_files.find([data]))
    whole = b"".join(one.read_bytes() for one in sorted(paths, key=lambda one: one.name))
    before = bytes_of(data)
    packed(data)
    assert keepiton("results", "export", "data", "copy").stdout.encode() == whole
    assert keepiton("results", "export", "-o", "x.parquet").returncode == 0
    told = reader.read([str(tmp_path / "x.parquet")])
    assert said(told.rounds) == said(plain.rounds)
    assert (told.unsealed, told.bad_lines) == (0, {})
    done = keepiton("results", "export", "--format", "files", "-o", "out", "data", "copy")
    assert (done.returncode, done.stderr) == (
        0,
        "keepiton: 6 files written, 0 were there already\n",
    )
    assert {one.name: one.read_bytes() for one in (tmp_path / "out").rglob("*.jsonl")} == before
    assert all(
        (tmp_path / "out" / path.relative_to(data)).stat().st_mode & 0o77 == 0 for path in paths
    )
    done = keepiton("findings", str(next(data.rglob("*.parquet"))))
    assert (done.returncode, "results export --format files" in done.stderr) == (2, True)
    words = ("--target", "site-1", "--operator", "op-1", "--until", "2022-02-27T01:30")
    done = keepiton("results", "export", "-o", "x.csv", *words)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "x.csv").read_bytes()
    assert content.startswith(writing.UTF_8)
    table = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert [(one["target"], one["vantage"], one["attempt"]) for one in table] == [
        ("site-1", name, "1") for name in ("v-b", "v-test", "v-b", "v-test")
    ]
    rows = keepiton("results", "export", *words).stdout.splitlines()
    assert [json.loads(one)["type"] for one in rows] == ["run", "measurement", "end"] * 4
    assert keepiton("results", "export", "--target", "nobody").returncode == 6
    for wrong in (["--format", "files"], ["-o", "x.odt"], ["--format", "parquet"]):
        assert keepiton("results", "export", *wrong).returncode == 2


def test_a_cell_of_the_flat_table_is_no_formula(tmp_path: Path) -> None:
    row = b'{"type":"measurement","run":"x","target":"=1+1","at":"2022-02-27T00:00:05.000Z",'
    row += b'"state":"ok","answers":["@x"],"server":"+x","duration_ms":-1}\n'
    sealed(tmp_path, torn=[row])
    with (tmp_path / "x.csv").open("w+b") as file:
        listed = export.choose_runs(result_files.find([tmp_path]), export.ExportFilter())
        assert export.table(listed, export.ExportFilter(targets=("=1+1",)), file, []) == 1
        file.seek(0)
        (told,) = csv.DictReader(file.read().decode().splitlines())
    assert (told["target"], told["server"], told["answers"]) == ("'=1+1", "'+x", '["@x"]')
    assert told["duration_ms"] == "-1"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_begins_with_what_a_spreadsheet_takes_for_a_formula(
    tmp_path: Path, first: str
) -> None:
    row = Measurement(
        run="0" * 12, target="t", at=DAY, state="ok", stage="http", server=first + "1"
    )
    sealed(tmp_path, torn=[row.to_json_line()])
    out = io.BytesIO()
    listed = export.choose_runs(result_files.find([tmp_path]), export.ExportFilter())
    assert export.table(listed, export.ExportFilter(targets=("t",)), out, []) == 1
    (told,) = csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))
    assert told["server"] == f"'{first}1"


def test_info_counts_what_is_there_in_every_form(tmp_path: Path, keepiton: Command) -> None:
    data = tmp_path / "data"
    for day in range(5):
        chain(data, 2, DAY + timedelta(days=day))
    plain = info.describe_files(result_files.find([data]), data)
    assert (plain.runs, plain.measurements, plain.days, plain.unsealed) == (10, 60, 5, 0)
    assert plain.a_day == 12.0
    size = sum(one.stat().st_size for one in data.rglob("*.jsonl"))
    assert plain.a_year("plain") == round(size / 60 * 12 * 365)
    last = max(data.rglob("*.jsonl"))
    last.rename(last.with_name(last.name + ".part"))
    packed(data, date(2022, 3, 1))
    done = keepiton("results", "info", "--format", "json")
    told = json.loads(done.stdout)
    counts = (told["runs"], told["measurements"], told["unsealed"], told["vantages"])
    assert counts == (10, 60, 1, ["v-test"])
    assert {form: one["files"] for form, one in told["forms"].items()} == {"plain": 6, "Parquet": 2}
    assert told["forms"]["Parquet"]["measurements"] == 24
    done = keepiton("results", "info")
    assert "10 runs; 60 measurements; 5 days; 1 vantage; 1 unsealed" in done.stdout
    assert keepiton("results", "info", "--data", "none").returncode == 6


def test_sizes_are_read_as_people_write_them() -> None:
    for text, wanted in (("200M", 2 * 10**8), ("2G", 2 * 10**9), ("1k", 1000), ("123", 123)):
        assert times.parse_size(text, "--max-size") == wanted
    for text in ("", "M", "-1M", "1.5G", "2GB", "٣M", "9" * 20):
        with pytest.raises(UserError, match="--max-size"):
            times.parse_size(text, "--max-size")


@pytest.mark.parametrize("how", ["another order", "a run twice", "a run in part", "no bytes"])
def test_a_strangers_parquet_gives_whole_runs_or_none(tmp_path: Path, how: str) -> None:
    chain(tmp_path, 3)
    (made,) = packed(tmp_path)
    table = f"read_parquet('{made.path}')"
    query = {
        "another order": f"select * from {table} order by hash(number)",  # noqa: S608
        "a run twice": f"select * from {table} union all select * from {table}",  # noqa: S608
        "a run in part": f"select * from {table} where number <> 3",  # noqa: S608
        "no bytes": f"select * replace (null::blob as raw) from {table}",  # noqa: S608
    }[how]
    other = tmp_path / "x.parquet"
    duckdb.execute(f"copy ({query}) to '{other}' (format parquet)")
    with pytest.raises(UserError, match=r"line \d+ is out of order|not one whole run"):
        list(runs.iter_contents(str(other)))
    assert verifying.check_files([str(other)]).faults
