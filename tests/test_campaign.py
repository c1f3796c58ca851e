"""The campaign in short: every fault a few times, and that its checks see a writer that loses."""

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

import campaign
import lab as lab_module
from campaign import FAULTS, Field, Tally, Unable, fields, mend, readable, strike
from keepiton.archive.verify import check_files
from keepiton.base.errors import UserError
from keepiton.probe import run
from keepiton.storage import reader, result_files, state
from keepiton.storage import writer as write
from keepiton.storage.run_name import RunName
from test_results import a_row, a_run

AWAY = ("resolver-changes", "network-vanishes")
"""They share one lab, and take turns in it."""
OFTEN = {"sigkill": 2, "starts": 3, "nobody": 2, "memory-out": 2, "resolver-missing": 3}


def short(name: str) -> Tally | Unable:
    try:
        return campaign.wage(name, OFTEN.get(name, 1), seed=os.getpid())
    except Unable as exc:
        return exc


def read_here(place: Field, tally: Tally) -> None:
    """Read as the commands do, without starting one each time: that is for the whole campaign."""
    if not (files := [*place.data.glob(campaign.RESULTS + "*")]):
        return
    names = [str(path) for path in files]
    try:
        reader.read(names)
        verdict = check_files(names, state.load(place.data).chain)
    except UserError as exc:
        tally.note("unreadable", str(exc))
    else:
        if verdict.faults:
            tally.note("unreadable", str(verdict))


@pytest.fixture(scope="module")
def waged(lab: lab_module.Lab) -> Iterator[dict[str, Callable[[], Tally | Unable]]]:
    """Every fault, several at a time: a run mostly waits, or starts."""
    usual = campaign.readable
    campaign.readable = read_here
    campaign.STANDING.append(lab)
    with ThreadPoolExecutor(4) as pool:
        away = pool.submit(lambda: {name: short(name) for name in AWAY})
        found: dict[str, Future[Tally | Unable]] = {
            name: pool.submit(short, name) for name in FAULTS if name not in AWAY
        }
        yield {name: one.result for name, one in found.items()} | {
            name: lambda name=name: away.result()[name]  # type: ignore[misc]
            for name in AWAY
        }
    campaign.STANDING.clear()
    campaign.readable = usual


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_but_the_last_second(
    name: str, waged: dict[str, Callable[[], Tally | Unable]]
) -> None:
    tally = waged[name]()
    if isinstance(tally, Unable):
        pytest.skip(str(tally))
    assert tally.good, tally.notes
    assert tally.tries


def test_commands_read_what_a_kill_left() -> None:
    tally = Tally()
    with fields() as place:
        hit = campaign.once_measuring(place, 30, lambda pid: os.kill(pid, signal.SIGKILL))
        strike(place, tally, {-9}, hit, read=False)
        (part,) = campaign.unsealed(place.data)
        with (place.data / part).open("ab") as file:
            file.write(b'{"type":"measurement","run":"')  # killed within a line
        readable(place, tally)
    assert tally.good, tally.notes
    assert tally.phases == {"measuring": 1}


# A writer that loses is seen.

BROKEN = {
    "named before its end": """
def begin(self, data, run, usual=write.Writer.__init__):
    usual(self, data, run)
    self.part = write.publish(self.part)
write.Writer.__init__ = begin
""",
    "rows kept back": """
kept = []
def keep(self, row):
    kept.append(row)
    self.states[row.state] += 1
def seal(self, *words, usual=write.Writer.seal):
    for row in kept:
        self._write(row.to_json_line())
    return usual(self, *words)
write.Writer.add, write.Writer.seal = keep, seal
""",
    "rewritten in place": """
def recover(data, name, previous, usual=write.recover):
    part = data / name.part
    if part.exists():
        part.write_bytes(b"".join(part.read_bytes().splitlines(keepends=True)[:-1]))
    return usual(data, name, previous)
write.recover = recover
""",
}


def broken(place: Field, code: str) -> None:
    """Have a place's runs load a change to the writer first."""
    folder = place.folder / "broken"
    folder.mkdir()
    head = "import network_guard\nfrom keepiton.storage import writer as write\n"
    (folder / "sitecustomize.py").write_text(head + code)
    usual = place.environment()["PYTHONPATH"]
    place.env = {"PYTHONPATH": os.pathsep.join([str(folder), usual])}


def killed_after_a_while(place: Field) -> campaign.Hit:
    """Kill a run that has measured for more than a second."""

    def hit(process: subprocess.Popen[bytes]) -> float:
        seen, until = len(place.seen), time.monotonic() + 30
        while len(place.seen) == seen:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(1.4)
        process.send_signal(signal.SIGKILL)
        return time.monotonic()

    return hit


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("named before its end", "has no end"),
        ("rows kept back", "lost_s: rows of"),
        ("rewritten in place", "is not what was left behind"),
    ],
)
def test_a_writer_that_loses_is_seen(name: str, kind: str) -> None:
    tally = Tally()
    with fields() as place:
        place.rate = 20
        broken(place, BROKEN[name])
        strike(place, tally, {-9}, killed_after_a_while(place), read=False)
        place.rate = 200
        if name == "rewritten in place":
            assert tally.good, tally.notes
            mend(place, tally)
    assert not tally.good
    assert any(kind in one for one in tally.notes), tally.notes


# What the campaign found, by itself.


def left_behind(data: Path) -> tuple[state.DataFolderState, Path]:
    """Leave what a run that died leaves."""
    writer = write.Writer(data, a_run())
    writer.add(a_row(0))
    writer.close()
    memory = state.DataFolderState(
        open_file=RunName.of(a_run()).path, chain={a_run().vantage: "e" * 64}
    )
    state.save(data, memory)
    return memory, writer.part


def test_a_crash_once_a_left_file_is_sealed_keeps_it_in_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files followed the same one when the run ended between the name and the memory."""
    memory, part = left_behind(tmp_path)
    usual = write.publish

    def crash(part: Path) -> Path:
        usual(part)
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "publish", crash)
    with pytest.raises(KeyboardInterrupt):
        run.seal_left_behind(tmp_path, memory)
    whole = part.with_name(part.name.removesuffix(".part")).read_bytes()
    assert state.load(tmp_path).chain == {a_run().vantage: sha256(whole).hexdigest()}
    monkeypatch.setattr(write, "publish", usual)
    memory = state.load(tmp_path)
    assert run.seal_left_behind(tmp_path, memory) is None, "it has its name"
    assert memory.open_file is None
    assert memory.chain == {a_run().vantage: sha256(whole).hexdigest()}


def test_a_crash_before_the_name_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, part = left_behind(tmp_path)

    def crash(_: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "publish", crash)
        with pytest.raises(KeyboardInterrupt):
            run.seal_left_behind(tmp_path, memory)
    path = run.seal_left_behind(tmp_path, memory := state.load(tmp_path))
    assert path == part.with_name(part.name.removesuffix(".part"))
    assert campaign.faults_of(tmp_path) == [
        f"{path.relative_to(tmp_path)} follows a file that is not there"
    ]
    assert memory.chain == {a_run().vantage: sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize("left", [b"", b'{"type":"run","for', bytes(40)])
def test_what_a_power_cut_leaves_of_a_first_line_is_no_fault(tmp_path: Path, left: bytes) -> None:
    """It was one to verify; named as a whole file, it is."""
    _, part = left_behind(tmp_path)
    part.write_bytes(left)
    verdict = check_files(result_files.find([tmp_path]))
    assert (verdict.faults, "left_open" in {one.kind for one in verdict.problems}) == (0, True)
    part.rename(part.with_name(part.name.removesuffix(".part")))
    assert check_files(result_files.find([tmp_path])).faults == 1


@pytest.mark.parametrize("what", ["MemoryError", 'RuntimeError("can\'t start new thread")'])
def test_memory_that_runs_out_ends_a_run_as_a_full_disk_does(what: str) -> None:
    """It was exit 1 and a traceback, which say that keepiton is broken."""
    tally = Tally()
    with fields() as place:
        broken(
            place,
            "left = [10]\n"
            "def add(self, row, usual=write.Writer.add):\n"
            "    left[0] -= 1\n"
            f"    if left[0] < 0: raise {what}\n"
            "    usual(self, row)\n"
            "write.Writer.add = add\n",
        )
        strike(place, tally, {5}, said="Cannot allocate memory; what was written", read=False)
        (part,) = campaign.unsealed(place.data).values()
        assert part.count(b"\n") == 11
    assert tally.exits == {5: 1}
    assert not tally.wrong, tally.notes


def test_a_signal_that_comes_too_late_for_a_run_ends_the_command_after_it() -> None:
    """It was lost, and a watch went on."""
    tally = Tally()
    with fields() as place:
        broken(
            place,
            "import os, signal\n"
            "from keepiton.probe.runner import Runner\n"
            "def late(self, usual=Runner._account_for_all):\n"
            "    os.kill(os.getpid(), signal.SIGTERM)\n"
            "    usual(self)\n"
            "Runner._account_for_all = late\n",
        )
        strike(place, tally, {-signal.SIGTERM}, read=False)
        assert campaign.unsealed(place.data) == {}
        assert len(list(place.data.glob(campaign.RESULTS))) == 1
    assert tally.exits == {-signal.SIGTERM: 1}
    assert tally.good, tally.notes


def test_rows_are_forced_to_disk_while_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a disk that could not take them ends the run, though it says so but once."""
    monkeypatch.setattr(write, "SYNC_S", 0.01)
    writer = write.Writer(tmp_path, a_run())
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", forced.append)

    def until(times: int) -> None:
        end = time.monotonic() + 10
        while len(forced) < times:
            assert time.monotonic() < end
            time.sleep(0.005)

    def fail(descriptor: int) -> None:
        forced.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with writer.syncing():
        until(2)
        writer.add(a_row(0))
        monkeypatch.setattr(os, "fsync", fail)
        until(len(forced) + 2)
        with pytest.raises(OSError, match="Input/output error"):
            writer.add(a_row(1))
    writer.close()
    assert set(forced) == {writer._file}  # noqa: SLF001
    assert part_rows(writer.part) == 1


def part_rows(part: Path) -> int:
    return part.read_bytes().count(b"\n") - 1


def test_without_room_for_a_thread_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = write.Writer(tmp_path, a_run())
    with writer.syncing():
        writer.add(a_row(0))
    writer.close()
    assert part_rows(writer.part) == 1
