"""Results of many machines come together by any means; nothing whole is lost or changed."""

import asyncio
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import obstore
import pytest

from conftest import Command
from keepiton.archive import merge
from keepiton.base.errors import UserError
from keepiton.fleet import object_store as storage
from keepiton.storage import reader, result_files, runs, state
from keepiton.storage.cache import Cache
from keepiton.storage.rows import End, Measurement, Run
from keepiton.storage.run_name import RunName
from keepiton.storage.seal import inspect, intact
from lab import KEEPITON
from timelines import Watch, plain
from timelines import write as write_timelines

AT = datetime(2022, 2, 27, 12, 0, 3, tzinfo=UTC)
EVERY = timedelta(minutes=5)
DOCS = Path(__file__).parent.parent / "docs"
KEY, SECRET = "AKIAEXAMPLE", "wJalr/XUtnFEMI+K7MDENG"
Made = dict[str, bytes]


def a_run(
    number: int = 0,
    vantage: str = "v-one",
    *,
    rows: int = 5,
    previous: str | None = None,
    at: datetime | None = None,
    run: str | None = None,
    row_run: str | None = None,
) -> tuple[str, bytes]:
    """Make one sealed file: its place and its bytes."""
    began = at or AT + number * EVERY
    run = run or hashlib.sha256(f"{vantage}|{number}".encode()).hexdigest()[:12]
    head = Run(
        run=run,
        software={"keepiton": "0"},
        vantage=vantage,
        perspective="inside",
        lists=(),
        targets=rows,
        settings={},
        planned_at=began,
        started_at=began,
    )
    measured = (
        Measurement(
            run=row_run or run,
            target=f"t{row}",
            stage="tcp",
            at=began + timedelta(seconds=row),
            state="ok",
            address="5.45.64.9",
            port=443,
        )
        for row in range(rows)
    )
    before = head.to_json_line() + b"".join(one.to_json_line() for one in measured)
    end = End(
        run=run,
        ended_at=began + timedelta(minutes=1),
        reason="finished",
        measurements=rows,
        states={"ok": rows},
        line="up",
        sha256=hashlib.sha256(before).hexdigest(),
        previous=previous,
    )
    return RunName.of(head).path, before + end.to_json_line()


def chain(count: int, vantage: str = "v-one", **more: Any) -> Made:  # noqa: ANN401
    """Make runs of one machine, each naming the one before it."""
    made: Made = {}
    previous = None
    for number in range(count):
        place, content = a_run(number, vantage, previous=previous, **more)
        made[place] = content
        previous = hashlib.sha256(content).hexdigest()
    return made


def lay(folder: Path, made: Made) -> Path:
    for place, content in made.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def lies(data: Path) -> Made:
    """Return all files below the results, whatever their names."""
    found = (path for path in sorted((data / "results").rglob("*")) if path.is_file())
    return {str(path.relative_to(data)): path.read_bytes() for path in found}


def take(data: Path, *places: Path) -> merge.MergePlan:
    scan = merge.scan(merge.files(places))
    here = merge.LocalRuns(data, state.load(data).open_file)
    plan = merge.plan(scan.copies, here)
    plan.problems += scan.problems
    plan.notes += [*scan.notes, *merge.shared_names(scan.copies, here)]
    merge.carry_out(plan, data)
    return plan


def as_day(path: Path, made: Made) -> Path:
    """Pack runs into a day's Parquet with their lines."""
    rows = [
        (place.rpartition("/")[2], number, line)
        for place, content in sorted(made.items())
        for number, line in enumerate(content.splitlines(keepends=True), 1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute("create table t (file varchar, number bigint, raw blob)")
        database.executemany("insert into t values (?, ?, ?)", rows)
        database.execute(f"copy t to '{path}' (format parquet, compression zstd)")
    return path


ONE, TWO, THREE, FOUR, FIVE, SIX = chain(6).items()


def test_copies_by_any_means_become_one_under_its_own_name(tmp_path: Path) -> None:
    came = tmp_path / "stick"
    name = ONE[0].rpartition("/")[2]
    lay(
        came,
        {
            ONE[0]: ONE[1],  # as rsync -a leaves it
            name.replace(".jsonl", ".sync-conflict-20260101-120000-ABCDEFG.jsonl"): ONE[1],
            f"deep/er/.{name}.Xb3Kq1": ONE[1][:300],  # rsync, half-way
            f".syncthing.{name}.tmp": ONE[1][:500] + b"\0" * 900,
            "renamed by a person.txt": TWO[1],
            "mail/attachment.bin": gzip.compress(THREE[1]),
            "all-in-one.jsonl": FOUR[1] + FIVE[1],
            "photo.jpg": b"\xff\xd8\xff nothing of ours",
        },
    )
    as_day(came / "20220227-v-one.parquet", dict([FIVE, SIX]))
    made = take(tmp_path / "data", came)
    wanted = dict([ONE, TWO, THREE, FOUR, FIVE, SIX])
    assert lies(tmp_path / "data") == wanted
    assert (made.count("new"), made.problems, made.notes) == (6, [], [])
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.jsonl")}
    again = take(tmp_path / "data", came)
    assert {step.kind for step in again.steps} == {"there"}
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.parametrize("sealed_name", [True, False])
@pytest.mark.parametrize("cut_first", [True, False])
def test_a_cut_copy_gives_way_to_a_whole_one_in_either_order(
    tmp_path: Path, *, sealed_name: bool, cut_first: bool
) -> None:
    ending = "" if sealed_name else ".part"
    cut = lay(tmp_path / "cut", {ONE[0] + ending: ONE[1][:-7]})
    whole = lay(tmp_path / "whole", dict([ONE]))
    first, second = (cut, whole) if cut_first else (whole, cut)
    take(tmp_path / "data", first)
    made = take(tmp_path / "data", second)
    assert lies(tmp_path / "data") == dict([ONE])
    assert [step.kind for step in made.steps] == ["completed" if cut_first else "there"]
    packed = lay(tmp_path / "packed", {"x.gz": gzip.compress(TWO[1])[:-90]})
    take(tmp_path / "data", packed)
    assert lies(tmp_path / "data").keys() == {ONE[0], TWO[0] + ".part"}


def test_what_is_cut_stays_readable_and_unsealed_and_the_longer_copy_wins(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for length, kept in ((600, 600), (900, 900), (400, 900), (len(ONE[1]) - 1, len(ONE[1]) - 1)):
        take(data, lay(tmp_path / str(length), {ONE[0]: ONE[1][:length]}))
        assert lies(data) == {ONE[0] + ".part": ONE[1][:kept]}
    lay(tmp_path / "data2", {ONE[0]: ONE[1][:400]})  # rsync stopped in the data folder itself
    take(tmp_path / "data2", tmp_path / "900")
    assert lies(tmp_path / "data2") == {ONE[0] + ".part": ONE[1][:900]}
    take(tmp_path / "data2", lay(tmp_path / "whole", dict([ONE])))
    assert lies(tmp_path / "data2") == dict([ONE])


def test_two_sealed_contents_of_one_run_clash_and_neither_is_changed(
    tmp_path: Path, keepiton: Command
) -> None:
    """A forger can seal anew; that one of the two is forged is all that can be known."""
    _, forged = a_run(0, rows=4)
    lay(tmp_path / "data", dict([ONE]))
    came = lay(tmp_path / "came", {ONE[0]: forged, TWO[0]: TWO[1]})
    done = keepiton("results", "merge", str(came))
    assert done.returncode == 5
    assert str(tmp_path / "data" / ONE[0]) in done.stderr
    assert str(came / ONE[0]) in done.stderr
    assert lies(tmp_path / "data") == dict([ONE, TWO])
    assert lies(came)[ONE[0]] == forged
    short = lay(tmp_path / "short", {ONE[0] + ".part": forged[:-200].replace(b"t2", b"t9")})
    assert "not the beginning" in take(tmp_path / "data", short).problems[0]
    assert lies(tmp_path / "data") == dict([ONE, TWO])


def test_what_was_changed_since_it_was_sealed_is_left(tmp_path: Path) -> None:
    bad = ONE[1].replace(b'"t3"', b'"t8"')
    stray = a_run(row_run="f" * 12)[1]
    for number, content in enumerate((bad, stray)):
        assert not intact(content)
        came = lay(tmp_path / str(number), {ONE[0]: content})
        made = take(tmp_path / "data", came)
        assert "changed since it was sealed; left" in made.problems[0]
        assert lies(tmp_path / "data") == {}
    lay(tmp_path / "data", {ONE[0]: bad})  # a bad disk: a whole copy does not go over it unasked
    made = take(tmp_path / "data", lay(tmp_path / "whole", dict([ONE])))
    assert "Remove the changed one" in made.problems[0]
    assert lies(tmp_path / "data") == {ONE[0]: bad}
    made = take(tmp_path / "other", tmp_path / "0", tmp_path / "whole")
    assert (lies(tmp_path / "other"), made.problems, len(made.notes)) == (dict([ONE]), [], 1)


def test_hostile_files_lead_nowhere_and_cost_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_RUN", 1 << 20)  # of 256 MiB the test would take long
    came = tmp_path / "came"
    out = ONE[1].replace(b'"v-one"', b'"../../../out"')
    early = ONE[1].replace(b"2022-02-27", b"0022-02-27")
    bomb = gzip.compress(b'{"type":"run"' + b" " * (1 << 20))
    lay(came, {"a.jsonl": out, "b.jsonl": early, "c.jsonl.gz": bomb, "d.jsonl": b"\n" * 99})
    lay(came, {"e\x1b[31m\n.jsonl": b"{", "f.parquet": b"PAR1 no more", "g.jsonl": TWO[1]})
    os.mkfifo(came / "h.jsonl")
    (came / "loop").symlink_to(came)
    (came / "i.jsonl").symlink_to("/dev/zero")
    made = take(tmp_path / "data", came)
    assert lies(tmp_path / "data") == dict([TWO])
    assert {path.name for path in tmp_path.iterdir()} == {"came", "data"}
    assert not any("\x1b" in one or "\n" in one for one in made.problems + made.notes)
    assert len(made.problems) == 2  # the bomb, and what is no Parquet


def test_a_dry_run_writes_nothing_and_a_folder_without_runs_is_said(
    tmp_path: Path, keepiton: Command
) -> None:
    came = lay(tmp_path / "came", dict([ONE, TWO]))
    done = keepiton("results", "merge", "--dry-run", str(came))
    assert (done.returncode, lies(tmp_path / "data")) == (0, {})
    assert ONE[0] in done.stdout
    done = keepiton("results", "merge", str(came))
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 new runs\n", "")
    done = keepiton("results", "merge", str(came))
    assert (done.returncode, done.stdout) == (0, "2 runs were there already\n")
    (tmp_path / "empty").mkdir()
    assert keepiton("results", "merge", str(tmp_path / "empty")).returncode == 6
    with pytest.raises(UserError, match="no such file or folder"):
        merge.files([tmp_path / "absent"])


def test_the_run_that_is_under_way_here_is_left_to_its_writer(tmp_path: Path) -> None:
    data = lay(tmp_path / "data", {ONE[0] + ".part": ONE[1][:500]})
    (data / "state.json").write_text(json.dumps({"open": ONE[0]}))
    take(data, lay(tmp_path / "came", dict([ONE])))
    assert lies(data) == {ONE[0] + ".part": ONE[1][:500]}


def test_a_merge_that_is_killed_leaves_nothing_half_and_the_next_one_completes_it(
    tmp_path: Path,
) -> None:
    many = chain(150)
    came, data = lay(tmp_path / "came", many), tmp_path / "data"
    for wanted in (1, 60):
        words = [KEEPITON, "results", "merge", str(came), "--data", str(data)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as merging:
            until(lambda wanted=wanted: len(list(data.rglob("*.jsonl"))) >= wanted)  # type: ignore[misc]
            merging.kill()
        there = {name: one for name, one in lies(data).items() if not name.endswith(".tmp")}
        assert there.items() <= many.items()
    for left in (data / "results").glob(".*.tmp"):
        os.utime(left, (0, 0))
    take(data, came)
    assert lies(data) == many


def test_a_disk_that_takes_no_more_leaves_nothing_half(tmp_path: Path) -> None:
    came = lay(tmp_path / "came", chain(3) | chain(1, "v-big", rows=200))
    words = [KEEPITON, "results", "merge", str(came), "--data", str(tmp_path / "data")]
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", *words]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert "not written: File too large" in done.stderr
    assert (
        lies(tmp_path / "data").items() <= chain(3).items()
    )  # several at once: which, nobody knows
    assert subprocess.run(words, check=False).returncode == 0
    assert lies(tmp_path / "data") == lies(came)
    with pytest.raises(UserError, match="File exists"):
        storage.open_store(storage.parse_url(str(came / ONE[0])), None, create=True)


def test_two_machines_under_one_name_are_found_and_all_is_kept(
    tmp_path: Path, keepiton: Command
) -> None:
    """A copied data folder forks the chain; a name chosen twice makes runs overlap."""
    first = list(chain(3).items())
    hashed = hashlib.sha256(first[0][1]).hexdigest()
    fork = a_run(77, previous=hashed, at=AT + 40 * EVERY)
    assert take(tmp_path / "own", lay(tmp_path / "a", dict(first))).notes == []
    (note,) = take(tmp_path / "own", lay(tmp_path / "b", dict([fork]))).notes
    assert "v-one" in note
    assert "follow the same run" in note
    assert "--vantage" in note
    assert fork[0] in note
    assert first[1][0] in note
    overlap = a_run(88, at=AT + timedelta(seconds=2))
    came = lay(tmp_path / "c", dict([overlap]))
    done = keepiton("results", "merge", "--data", str(tmp_path / "own"), str(came))
    assert (done.returncode, done.stdout) == (0, "1 new run\n")
    assert "overlap in time" in done.stderr
    assert lies(tmp_path / "own") == dict([*first, fork, overlap])
    done = keepiton("report", str(tmp_path / "own" / "results"))
    assert "two machines" in done.stdout
    assert list(reader.read(result_files.find([tmp_path / "a"])).warnings()) == []


def test_a_clock_that_was_set_back_is_no_second_machine(tmp_path: Path) -> None:
    place, content = a_run(0)
    later = a_run(1, at=AT + timedelta(seconds=20), previous=hashlib.sha256(content).hexdigest())
    came = lay(tmp_path / "came", {place: content, later[0]: later[1]})
    assert take(tmp_path / "data", came).notes == []


SEEN = (Watch("v1", {"a@alpha": "..........xxxxxxx......"}),)


def sealed_timelines(folder: Path) -> list[Path]:
    """Write timelines with seals that fit."""
    made = write_timelines(folder, *SEEN)
    for path in made:
        before, end = path.read_bytes()[:-1].rsplit(b"\n", 1)
        seal = hashlib.sha256(before + b"\n").hexdigest().encode()
        path.write_bytes(before + b"\n" + end.replace(b"0" * 64, seal) + b"\n")
    return made


def test_a_late_upload_is_found_by_the_next_report(tmp_path: Path, keepiton: Command) -> None:
    files = sealed_timelines(tmp_path / "all")
    early, late = tmp_path / "early", tmp_path / "late"
    early.mkdir()
    late.mkdir()
    for number, path in enumerate(files):
        shutil.copy(path, late if 10 <= number < 17 else early)
    told = []
    for came in (early, late):
        take(tmp_path / "data", came)
        told.append(json.loads(keepiton("report", "--format", "json").stdout)["windows"])
    assert list(map(len, told)) == [0, 1]
    there = result_files.find([tmp_path / "data" / "results"])
    kept = reader.read(there, Cache(tmp_path / "data"))
    assert plain(kept.rounds) == plain(reader.read(there).rounds)
    assert {str(run) for run in kept.rounds.run_id} == {
        SEEN[0].run(number) for number in range(len(files))
    }


def test_a_copied_folder_is_read_as_the_clean_one_is(tmp_path: Path) -> None:
    """What syncthing and rsync leave beside a file counts once; a lone cut copy as far as it is."""
    files = sealed_timelines(tmp_path / "clean")
    copied = tmp_path / "copied"
    shutil.copytree(tmp_path / "clean", copied / "rsync")
    for number, path in enumerate(files):
        conflict = path.stem + ".sync-conflict-20260101-120000-ABCDEFG.jsonl"
        content = path.read_bytes()
        (copied / conflict).write_bytes(content if number % 2 else content[:-200])
        (copied / (path.name + ".part")).write_bytes(content[: 150 * (number % 5)])
        (copied / f".{path.name}.Xb3Kq1").write_bytes(content[:100])
    clean, mixed = (
        plain(reader.read(result_files.find([place])).rounds)
        for place in (tmp_path / "clean", copied)
    )
    for one in (*clean, *mixed):
        one["file"] = one["file"][:30]  # which copy shows a failure does not matter
    assert mixed == clean
    (lone := tmp_path / "lone").mkdir()
    content = files[3].read_bytes()
    (lone / (files[3].name + ".part")).write_bytes(content[: len(content) // 2])
    found = reader.read(result_files.find([lone]))
    assert (found.unsealed, 0 < len(found.rounds) < len(clean) / len(files)) == (1, True)


# --- stores ------------------------------------------------------------------------------------


def until(true: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A real server that speaks S3 and looks at every signature."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def words(self) -> list[str]:
        return ["--endpoint", f"http://127.0.0.1:{self.port}", "--timeout", "3"]

    def objects(self, bucket: str) -> Made:
        there = (path for path in sorted((self.folder / bucket).rglob("*")) if path.is_file())
        return {str(one.relative_to(self.folder / bucket)): one.read_bytes() for one in there}


@contextmanager
def rclone(folder: Path, port: int | None = None) -> Iterator[Server]:
    port = port or free_port()
    words = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    words += [
        "--config",
        "",
        "--cache-dir",
        str(folder.parent / "cache"),
        str(folder),
    ]
    command = [str(Path(sys.executable).with_name("rclone")), *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(port))
            yield Server(port, folder, process)
        finally:
            process.kill()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


BUCKETS = [f"bucket-{number}" for number in range(16)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("s3") / "buckets"
    for name in BUCKETS:
        (folder / name).mkdir(parents=True)
    with rclone(folder) as running:
        yield running


@pytest.fixture
def bucket(server: Server) -> str:
    """An empty bucket; the server looks for new folders by itself only after minutes."""
    return next(name for name in BUCKETS if not any((server.folder / name).iterdir()))


def put(server: Server, bucket: str, objects: Made) -> None:
    store = reach(server, bucket)
    for key, content in objects.items():
        obstore.put(store, key, content)


ENV = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


def reach(server: Server, bucket: str, prefix: str = "") -> Any:  # noqa: ANN401 - a store
    where = storage.StoreUrl("s3", bucket, prefix)
    endpoint = f"http://127.0.0.1:{server.port}"
    return storage.open_store(where, dict(ENV), endpoint=endpoint, timeout_s=3)


def push(store: Any, data: Path) -> storage.TransferResult:  # noqa: ANN401
    found = result_files.find([data / "results"])
    return asyncio.run(storage.push(store, found, None, lambda *_: None, dry=False))


def pull(store: Any, data: Path) -> storage.TransferResult:  # noqa: ANN401
    return asyncio.run(storage.pull(store, data, None, lambda *_: None, dry=False))


def test_two_vantages_push_to_one_bucket_and_a_coordinator_pulls_both(
    tmp_path: Path, server: Server, bucket: str, keepiton: Command
) -> None:
    one, two = chain(4), chain(3, "v-two")
    lay(tmp_path / "one", one | {ONE[0].replace("120003", "235959") + ".part": ONE[1][:500]})
    lay(tmp_path / "two", two)
    for name, prefix in (("one", "coalition/one"), ("two", "coalition/two")):
        words = [f"s3://{bucket}/{prefix}", "--data", str(tmp_path / name), *server.words]
        done = keepiton("results", "push", *words, env=ENV)
        assert (done.returncode, done.stderr) == (0, "")
    there = server.objects(bucket)
    assert set(there) == {f"coalition/one/{place}.gz" for place in one} | {
        f"coalition/two/{place}.gz" for place in two
    }
    assert gzip.decompress(there[f"coalition/one/{ONE[0]}.gz"]) == ONE[1]
    words = ["results", "pull", f"s3://{bucket}/coalition", *server.words]
    dry = keepiton(*words, "--dry-run", env=ENV)
    assert (len(dry.stdout.splitlines()), lies(tmp_path / "data")) == (8, {})
    done = keepiton(*words, env=ENV)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7 runs fetched\n", "")
    assert lies(tmp_path / "data") == one | two
    assert keepiton(*words, env=ENV).stdout == "7 runs were there already\n"
    pushed = ["results", "push", f"s3://{bucket}/coalition/one", *server.words]
    pushed += ["--data", str(tmp_path / "one")]
    assert keepiton(*pushed, env=ENV).stdout == "4 runs were there already\n"
    assert keepiton(*pushed, "--since", "7d", env=ENV).stdout == "0 runs sent\n"


def test_more_runs_than_a_page_of_a_listing_holds(
    tmp_path: Path, server: Server, bucket: str
) -> None:
    many = {}
    for number in range(1100):
        place, content = a_run(number, rows=1, at=AT + timedelta(seconds=number))
        many[place] = content
    lay(tmp_path / "one", many)
    store = reach(server, bucket, "p")
    assert len(push(store, tmp_path / "one").moved) == 1100
    again = push(store, tmp_path / "one")
    assert (again.moved, again.there) == ([], 1100)
    done = pull(store, tmp_path / "two")
    assert (len(done.moved), done.problems) == (1100, [])
    assert lies(tmp_path / "two") == many
    again = pull(store, tmp_path / "two")
    assert (again.moved, again.there) == ([], 1100)


def test_killed_in_the_middle_the_same_command_goes_on(
    tmp_path: Path, server: Server, bucket: str
) -> None:
    many = chain(300)
    lay(tmp_path / "one", many)
    place = server.folder / bucket
    env = {key: one for key, one in os.environ.items() if "proxy" not in key.lower()} | ENV
    for way, data, seen in (
        ("push", "one", place),
        ("pull", "two", tmp_path / "two"),
    ):
        words = [KEEPITON, "results", way, f"s3://{bucket}", "--data", str(tmp_path / data)]
        with subprocess.Popen([*words, *server.words], env=env) as copying:
            until(lambda seen=seen: len(list(seen.rglob("*.jsonl*"))) > 20)  # type: ignore[misc]
            copying.send_signal(signal.SIGKILL)
        there = len(list(seen.rglob("*.jsonl*")))
        assert 20 < there < 300
        ended = subprocess.run(
            [*words, *server.words], env=env, check=True, capture_output=True, text=True
        )
        assert "were there already" in ended.stdout
    assert {key: gzip.decompress(one) for key, one in server.objects(bucket).items()} == {
        key + ".gz": one for key, one in many.items()
    }
    assert {key: one for key, one in lies(tmp_path / "two").items() if ".tmp" not in key} == many


def test_broken_objects_are_named_and_left(tmp_path: Path, server: Server, bucket: str) -> None:
    other = SIX[1].replace(b'"t3"', b'"t8"')
    objects = {
        ONE[0] + ".gz": gzip.compress(ONE[1]),
        "by/hand/" + TWO[0]: TWO[1],
        THREE[0] + ".gz": gzip.compress(THREE[1])[:-40],
        FOUR[0] + ".gz": gzip.compress(FIVE[1]),
        FIVE[0] + ".gz": b"garbage",
        SIX[0] + ".gz": gzip.compress(other),
        ONE[0] + ".part": b"no run's name",
        "readme.txt": b"hello",
    }
    put(server, bucket, objects)
    done = pull(reach(server, bucket), tmp_path / "data")
    assert lies(tmp_path / "data") == dict([ONE, TWO])
    assert len(done.problems) == 4
    for key in (THREE[0], FOUR[0], FIVE[0], SIX[0]):
        assert any(key in one for one in done.problems)
    lay(tmp_path / "one", {TWO[0]: TWO[1], SIX[0]: other})
    done = push(reach(server, bucket, "new"), tmp_path / "one")
    assert (done.moved, len(done.problems)) == ([TWO[0].rpartition("/")[2]], 1)


def test_what_comes_from_a_store_never_goes_over_what_is_here(
    tmp_path: Path, server: Server, bucket: str
) -> None:
    _, forged = a_run(0, rows=4)
    objects = {
        ONE[0] + ".gz": forged,
        "x/" + TWO[0] + ".gz": TWO[1],
        "y/" + TWO[0] + ".gz": a_run(1, rows=4)[1],
        THREE[0] + ".gz": THREE[1],
    }
    put(server, bucket, {key: gzip.compress(one) for key, one in objects.items()})
    lay(tmp_path / "data", {ONE[0]: ONE[1], THREE[0] + ".part": THREE[1][:400]})
    done = pull(reach(server, bucket), tmp_path / "data")
    assert lies(tmp_path / "data") == dict([ONE, THREE])
    assert ["both sealed" in one for one in done.problems] == [True]


def test_runs_in_packed_days_are_pushed_as_runs(
    tmp_path: Path, server: Server, bucket: str
) -> None:
    as_day(tmp_path / "one/results/2022/02/27/20220227-v-one.parquet", dict([ONE, TWO, THREE]))
    assert len(push(reach(server, bucket), tmp_path / "one").moved) == 3
    assert len(pull(reach(server, bucket), tmp_path / "two").moved) == 3
    assert lies(tmp_path / "two") == dict([ONE, TWO, THREE])
    assert pull(reach(server, bucket), tmp_path / "one").there == 3
    copies = lay(
        tmp_path / "came", dict([ONE, FOUR, a_run(9, at=AT + EVERY + timedelta(seconds=2))])
    )
    made = take(tmp_path / "one", copies)
    assert (made.count("there"), made.count("new"), made.problems) == (1, 2, [])
    assert "20220227-v-one.parquet" in made.notes[0]  # a run in it overlaps
    clash = take(tmp_path / "one", lay(tmp_path / "other", {TWO[0]: a_run(1, rows=4)[1]}))
    assert "both sealed" in clash.problems[0]


def test_a_server_that_goes_away_ends_it_and_nothing_is_lost(
    tmp_path: Path, keepiton: Command
) -> None:
    many = chain(200)
    lay(tmp_path / "data", many)
    folder = tmp_path / "buckets"
    (folder / "b").mkdir(parents=True)
    words = ["results", "push", "s3://b"]
    env = {key: one for key, one in os.environ.items() if "proxy" not in key.lower()} | ENV
    with rclone(folder) as first:
        command = [KEEPITON, *words, "--data", str(tmp_path / "data"), *first.words]
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as pushing:
            until(lambda: len(list(folder.rglob("*.gz"))) > 10)
            first.process.kill()
            _, said = pushing.communicate(timeout=30)
    assert pushing.returncode == 5
    assert said == (
        "keepiton: s3://b: cannot be reached; the same command goes on from here once it can\n"
    )
    assert 10 < len(list(folder.rglob("*.gz"))) < 200
    with rclone(folder, first.port) as second:
        assert keepiton(*words, *second.words, env=ENV).returncode == 0
        assert keepiton("results", "pull", "s3://none", *second.words, env=ENV).stderr == (
            "keepiton: s3://none: no such bucket\n"
        )
    assert len(list(folder.rglob("*.jsonl.gz"))) == 200


def test_a_store_that_stumbles_is_asked_again(tmp_path: Path) -> None:
    lay(tmp_path / "data", dict([ONE, TWO]))
    folder = tmp_path / "buckets"
    (folder / "b").mkdir(parents=True)
    env = {key: one for key, one in os.environ.items() if "proxy" not in key.lower()} | ENV
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        words = ["push", "s3://b", "--endpoint", f"http://127.0.0.1:{port}", "--timeout", "20"]
        command = [KEEPITON, "results", *words, "--data", str(tmp_path / "data")]
        pushing = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            listening.accept()[0].close()
    with rclone(folder, port):
        said, _ = pushing.communicate(timeout=30)
    assert (pushing.returncode, said) == (0, "2 runs sent\n")


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize(
    "wrong",
    [{"AWS_SECRET_ACCESS_KEY": "wrong/secret+7"}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}],
    ids=["secret", "key"],
)
def test_no_secret_is_ever_told(
    tmp_path: Path, server: Server, bucket: str, keepiton: Command, way: str, wrong: dict[str, str]
) -> None:
    """From the environment when pulling, from a file when pushing."""
    lay(tmp_path / "data", dict([ONE]))
    given = {**ENV, **wrong, "AWS_SESSION_TOKEN": "no-token"}
    words = ["results", way, f"s3://{bucket}", *server.words]
    if way == "push":
        given.pop("AWS_SESSION_TOKEN")
        file = tmp_path / "keys"
        file.write_text("".join(f"{key}={one}\n" for key, one in given.items()))
        file.chmod(0o600)
        words += ["--credentials", str(file)]
    loud = {"RUST_LOG": "trace", "RUST_BACKTRACE": "full"}
    done = keepiton(*words, env=loud | ({} if way == "push" else given))
    assert done.returncode == 5
    assert done.stderr.startswith(f"keepiton: s3://{bucket}: refused (403 ")
    for secret in given.values():
        assert secret not in done.stdout + done.stderr
    assert (lies(tmp_path / "data"), server.objects(bucket)) == (dict([ONE]), {})


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (f"s3://{KEY}:{SECRET}@bucket/x", None),
        (f"s3://{KEY}:{SECRET}", None),
        (f"s3://bucket/{SECRET}@", None),
        (f"az://container?sig={SECRET}", None),
        (f"gs://container#{SECRET}", None),
        (f"ftp://{SECRET}/", None),
        ("s3://bucket", f"https://{KEY}:{SECRET}@127.0.0.1:1"),
        ("s3://bucket", f"https://127.0.0.1:1/?{SECRET}"),
        ("s3://bucket", f"https://[{SECRET}"),
        ("s3://bucket", f"ftp://127.0.0.1/{SECRET}"),
    ],
)
def test_a_url_that_holds_a_secret_is_refused_without_repeating_it(
    url: str, endpoint: str | None
) -> None:
    with pytest.raises(UserError) as told:
        storage.open_store(storage.parse_url(url), dict(ENV), endpoint=endpoint)
    assert SECRET not in str(told.value)
    assert SECRET.partition("/")[0] not in str(told.value)


def test_credentials_come_from_files_that_others_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for text in (
        f"# mine\nexport AWS_ACCESS_KEY_ID={KEY}\nAWS_SECRET_ACCESS_KEY = '{SECRET}'\n",
        f'aws_access_key_id = "{KEY}"\nAWS_SECRET_ACCESS_KEY = "{SECRET}"\n',
    ):
        file.write_text(text)
        file.chmod(0o600)
        assert storage.credentials(file, "s3") == ENV
    file.chmod(0o640)
    with pytest.raises(UserError, match="chmod 600"):
        storage.credentials(file, "s3")
    file.chmod(0o600)
    for text, kind, said in (
        (f"AWS_ACCESS_KEY_ID={KEY}\n{SECRET}\n", "s3", ":2: write KEY=value"),
        (f"HOME={SECRET}\n", "s3", ":1: HOME: not for here"),
        (f"AWS_SECRET_ACCESS_KEY={SECRET}\n", "gs", "begin with GOOGLE_"),
        (f'[default]\nAWS_SECRET_ACCESS_KEY="{SECRET}"\n', "s3", "default: not for here"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=re.escape(said)) as told:
            storage.credentials(file, kind)
        assert SECRET not in str(told.value)


ASKED = """
import os, socket, subprocess, threading
from datetime import timedelta
import obstore.store
from keepiton.fleet import object_store as store
from keepiton.base.errors import UserError

subprocess.run("ip link set lo up; ip addr add 169.254.169.254/32 dev lo", shell=True, check=True)
asked = []
listening = socket.create_server(("169.254.169.254", 80))
def take():
    while True:
        asked.append(listening.accept()[0].close())
threading.Thread(target=take, daemon=True).start()
for url, given in (
    ("s3://b", {}),
    ("s3://b", {"AWS_ACCESS_KEY_ID": "a"}),
    ("s3://b", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": " "}),
    ("s3://b", {"AWS_SKIP_SIGNATURE": "false"}),
    ("gs://b", {"GOOGLE_SKIP_SIGNATURE": "0"}),
    ("az://b", {"AZURE_STORAGE_ACCOUNT_NAME": "a"}),
):
    for env in ({}, given):
        os.environ.update(env)
        try:
            obstore.put(store.open_store(store.parse_url(url), given, timeout_s=1), "x", b"y")
        except UserError as exc:
            print("no credentials found; set" in str(exc))
        for name in env:
            os.environ.pop(name, None)
print(len(asked))
try:  # the library by itself asks the metadata service of a cloud
    retry = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
    obstore.put(obstore.store.S3Store("b", retry_config=retry), "x", b"y")
except obstore.exceptions.BaseError:
    print(len(asked))
"""


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="needs a namespace")
def test_nobody_is_asked_for_credentials_that_were_not_given(tmp_path: Path) -> None:
    ours = ("AWS_", "GOOGLE_", "AZURE_")
    env = {key: one for key, one in os.environ.items() if not key.startswith(ours)}
    command = ["unshare", "-n", sys.executable, "-c", ASKED]
    done = subprocess.run(
        command, env=env | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [*["True"] * 12, "0", "1"], done.stderr


def test_a_folder_is_a_store_too(tmp_path: Path, keepiton: Command) -> None:
    lay(tmp_path / "data", dict([ONE, TWO]))
    stick = tmp_path / "stick" / "keepiton"
    assert keepiton("results", "push", str(stick)).stdout == "2 runs sent\n"
    assert keepiton("results", "push", f"file://{stick}").stdout == "2 runs were there already\n"
    assert {key: gzip.decompress(one) for key, one in lies(stick).items()} == {
        ONE[0] + ".gz": ONE[1],
        TWO[0] + ".gz": TWO[1],
    }
    for path in stick.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    words = ["results", "pull", f"file://{stick}", "--data", str(tmp_path / "two")]
    assert keepiton(*words).stdout == "2 runs fetched\n"
    assert lies(tmp_path / "two") == dict([ONE, TWO])
    with pytest.raises(UserError, match="no such folder"):
        storage.open_store(storage.parse_url(str(tmp_path / "none")), None)


def test_the_limit_in_time_of_a_push_and_a_pull_takes_in_the_run_of_that_very_second(
    tmp_path: Path,
) -> None:
    lay(tmp_path / "data", dict([ONE, TWO]))
    (tmp_path / "stick").mkdir()
    store = storage.open_store(storage.parse_url(str(tmp_path / "stick")), None)
    found = result_files.find([tmp_path / "data" / "results"])
    for later, names in ((0, 2), (1, 1)):
        oldest = AT + timedelta(seconds=later)
        sent = storage.push(store, found, oldest, lambda *_: None, dry=True)
        assert len(asyncio.run(sent).moved) == names
    asyncio.run(storage.push(store, found, None, lambda *_: None, dry=False))
    for later, names in ((0, 2), (1, 1)):
        oldest = AT + timedelta(seconds=later)
        fetched = storage.pull(store, tmp_path / "two", oldest, lambda *_: None, dry=True)
        assert len(asyncio.run(fetched).moved) == names


def test_without_the_extra_the_remedy_is_said(tmp_path: Path, keepiton: Command) -> None:
    lay(tmp_path / "data", dict([ONE]))
    lay(tmp_path / "shadow", {"obstore.py": b"raise ImportError"})
    done = keepiton("results", "push", "s3://b", env=ENV | {"PYTHONPATH": str(tmp_path / "shadow")})
    assert done.returncode == 2
    assert "pip install 'keepiton[fleet]'" in done.stderr


# --- a server with policies and conditional writes --------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, str]]]:
    """Give the port of a server that looks at signatures and policies, and a vantage's keys.

    The policy is the one that docs/guides/fleet.md tells people to use.
    """
    import boto3  # noqa: PLC0415 - slow

    port = free_port()
    (policy,) = re.findall(
        r"```json\n(.*?)```", (DOCS / "guides" / "fleet.md").read_text(), re.DOTALL
    )
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p"]
    env = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "5"}
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    with log, subprocess.Popen([*command, str(port)], env=env, stdout=log, stderr=log) as process:
        try:
            until(lambda: answers(port), 30)
            given = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
            here = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
            s3, iam = (boto3.client(one, **given, **here) for one in ("s3", "iam"))
            s3.create_bucket(Bucket="BUCKET".lower())
            s3.put_object(Bucket="bucket", Key=f"v-one/{ONE[0]}.gz", Body=b"first")
            iam.create_user(UserName="u")
            document = policy.replace("BUCKET", "bucket").replace("VANTAGE", "v-one")
            iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
            made = iam.create_access_key(UserName="u")["AccessKey"]
            yield (
                port,
                {
                    "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
                    "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
                },
            )
        finally:
            process.kill()


def test_a_vantages_key_may_create_and_list_and_nothing_is_overwritten(
    tmp_path: Path, strict: tuple[int, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, keys = strict
    place = storage.StoreUrl("s3", "bucket", "v-one")
    endpoint = f"http://127.0.0.1:{port}"

    def opened(where: storage.StoreUrl) -> Any:  # noqa: ANN401
        return storage.open_store(where, keys, endpoint=endpoint, timeout_s=2)

    lay(tmp_path / "one", dict([ONE, TWO, THREE]))
    store = opened(place)
    done = push(store, tmp_path / "one")
    assert (len(done.moved), done.there, done.stopped) == (2, 1, None)

    async def nothing(*_: object) -> Any:  # noqa: ANN401 - as if listed before others wrote
        for one in list[Any]():
            yield one

    with monkeypatch.context() as patched:
        patched.setattr(storage, "_listed", nothing)
        done = push(store, tmp_path / "one")
    assert (done.moved, done.there, done.stopped) == ([], 3, None)
    sizes = {one["path"]: one["size"] for page in obstore.list(store) for one in page}
    assert sizes[ONE[0] + ".gz"] == len(b"first")
    assert len(sizes) == 3
    refused = "refused (403 AccessDenied): look at the credentials, and at what they may do"
    assert pull(store, tmp_path / "two").stopped == refused
    other = opened(storage.StoreUrl("s3", "bucket", "v-two"))
    assert push(other, tmp_path / "one").stopped == refused
    with pytest.raises(obstore.exceptions.BaseError):
        obstore.delete(store, ONE[0] + ".gz")


def test_a_run_is_what_its_bytes_say() -> None:
    place, content = ONE
    name = place.rpartition("/")[2]
    assert intact(content)
    assert intact(content, name)
    assert not intact(content, TWO[0].rpartition("/")[2])
    for cut in (1, 2, 50, 300):
        assert not intact(content[:-cut])
        head = inspect(content[:-cut])
        assert head
        assert (head.name.path, head.integrity) == (place, "cut")
    run_name = RunName.parse(name)
    assert run_name
    assert (run_name.path, RunName.parse_path(place)) == (place, run_name)
