"""Looking again and again: the rhythm by itself, and the command with real servers and clocks."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loopback
from conftest import HERE
from keepiton.operate.pacer import BURST_EVERY_S, BURST_S, LEAST, Pacer, Tick
from keepiton.storage import lock
from lab import KEEPITON

TARGETS = """\
title = "x"
[[target]]
id = "site"
url = "http://127.0.0.1:{site}/site"
operator = "alpha"
[[target]]
id = "other"
url = "http://127.0.0.1:{control}/other"
operator = "beta"
[[target]]
id = "control"
url = "http://127.0.0.1:{control}/"
control = "foreign"
"""
WORDS = ("--allow-private", "--again", "--no-doh", "--confirm", "0", "--perspective", "outside")


def test_beats_lie_on_the_grid_however_late_each_look_is() -> None:
    rhythm = Pacer(300, 1000.0)
    at, looks = 1000.0, []
    for late in (0.0, 1.0, 7.0, 59.0, 0.5):
        looks.append(at + late)
        at = rhythm.after(Tick(at + late, all_targets=True), at + late + 20).at
    assert [round(one - 1000) for one in looks] == [0, 301, 607, 959, 1200]


def test_after_a_sleep_there_is_one_look_at_once_and_then_the_grid_again() -> None:
    rhythm = Pacer(300, 0.0)
    assert rhythm.after(Tick(0.0, all_targets=True), 7000.0) == Tick(7000.0, all_targets=True)
    assert rhythm.after(Tick(7000.0, all_targets=True), 7020.0) == Tick(7500.0, all_targets=True)


@given(
    st.floats(1, 86_400),
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5), st.booleans()), max_size=30),
)
def test_two_whole_looks_are_never_closer_than_jitter_allows(
    every: float, story: list[tuple[float, float, bool]]
) -> None:
    rhythm = Pacer(every, 0.0, burst=True)
    due, whole = Tick(0.0, all_targets=True), [0.0]
    for late, took, flips in story:
        began = Tick(due.at + late, due.all_targets)
        if flips:
            rhythm.note({"site": "ok" if len(whole) % 2 else "fail"}, began.at)
        following = rhythm.after(began, began.at + took)
        assert following.at >= began.at + took
        if following.all_targets:
            whole.append(following.at)
            if began.all_targets:
                assert following.at - began.at >= LEAST * every * 0.999
        else:
            assert following.at - began.at >= BURST_EVERY_S
        due = following


def test_what_changed_is_asked_more_often_for_a_while_and_only_with_burst() -> None:
    for burst in (True, False):
        rhythm = Pacer(300, 0.0, burst)
        assert rhythm.note({"a": "ok", "b": "ok", "c": "skipped"}, 0.0) == set()
        assert rhythm.after(Tick(0.0, all_targets=True), 10.0) == Tick(300.0, all_targets=True)
        assert rhythm.note({"a": "fail", "b": "ok", "c": "inconclusive"}, 310.0) == {"a"}
        began, seen = Tick(300.0, all_targets=True), []
        for _ in range(30):
            began = rhythm.after(began, began.at + 5)
            seen.append((began.at, began.all_targets))
        quick = [at for at, whole in seen if not whole]
        assert quick == ([at for at in range(330, 910, 30) if at % 300] if burst else [])
        assert {at for at, whole in seen if whole} >= {600, 900, 1200}
        assert max(quick, default=0) < 310 + BURST_S


@contextmanager
def watching(
    tmp_path: Path, *words: str, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start the real command on real servers' list; end it if the test did not."""
    base = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/none"}
    process = subprocess.Popen(
        [KEEPITON, "watch", str(tmp_path / "list.toml"), "--data", str(tmp_path / "data"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=base | home | {"PYTHONPATH": str(HERE / "guard")} | (env or {}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def listed(tmp_path: Path) -> Iterator[tuple[loopback.Server, loopback.Server]]:
    """Serve a site and, by itself, all else; the list names both."""
    talk = loopback.answering(loopback.page())
    with loopback.serving(talk) as site, loopback.serving(talk) as control:
        text = TARGETS.format(site=site.port, control=control.port)
        (tmp_path / "list.toml").write_text(text)
        yield site, control


def runs(tmp_path: Path) -> list[list[dict[str, object]]]:
    """Read every sealed file's lines, in order of time."""
    found = (tmp_path / "data").rglob("*.jsonl")
    told = [[json.loads(line) for line in path.read_text().splitlines()] for path in found]
    return sorted(told, key=lambda rows: str(rows[0]["started_at"]))


def until(tmp_path: Path, count: int, limit_s: float = 20) -> None:
    """Wait for so many sealed runs."""
    ends = time.monotonic() + limit_s
    while len(list((tmp_path / "data").rglob("*.jsonl"))) < count:
        assert time.monotonic() < ends, f"{count} runs did not come"
        time.sleep(0.05)


def started(rows: list[dict[str, object]]) -> float:
    return datetime.fromisoformat(str(rows[0]["planned_at"])).timestamp()


def test_looks_come_on_the_beat_until_it_is_told_to_end(tmp_path: Path) -> None:
    with listed(tmp_path), watching(tmp_path, *WORDS, "--every", "2s") as process:
        until(tmp_path, 4)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=10)[1]
        assert process.returncode == 143
    found = runs(tmp_path)
    at = [started(rows) for rows in found]
    for number, moment in enumerate(at[:4]):
        assert abs(moment - at[0] - 2 * number) < 0.5, "late looks do not add up"
    assert "Traceback" not in said
    for one, other in pairwise(found):
        assert one[-1]["reason"] == "finished"
        assert other[-1]["previous"], "the chain goes on"


def test_neither_what_is_logged_nor_the_process_names_a_target(tmp_path: Path) -> None:
    """One site is dead and the own line goes down and up: said, and no name in it (SAFETY S16)."""
    with listed(tmp_path) as (_, control):
        dead = loopback.closed_port()
        (tmp_path / "list.toml").write_text(TARGETS.format(site=dead, control=dead))
        with watching(tmp_path, *WORDS, "--every", "1s") as process:
            until(tmp_path, 1)
            text = TARGETS.format(site=dead, control=control.port)
            (tmp_path / "list.toml").write_text(text)
            until(tmp_path, 3)
            title = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=10)[1]
    assert re.search(r"T\d\d:\d\d:\d\dZ this machine's own line is down", said)
    assert re.search(r"T\d\d:\d\d:\d\dZ this machine's own line is up", said)
    assert not re.search(r"\b(site|alpha|beta|127\.0)\b", said + title)
    assert "fail" in str(runs(tmp_path)[-1][-1]["states"])


def test_a_sigint_in_a_run_keeps_what_was_measured(tmp_path: Path) -> None:
    with (
        listed(tmp_path),
        watching(tmp_path, *WORDS, "--every", "1h", "--rate", "0.2") as process,
    ):
        ends = time.monotonic() + 15
        while not list((tmp_path / "data").rglob("*.part")):
            assert time.monotonic() < ends
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 130
    (rows,) = runs(tmp_path)
    assert rows[-1]["reason"] == "interrupted"


def test_a_stopped_watch_makes_up_with_one_look_not_with_all(tmp_path: Path) -> None:
    """As a laptop that was closed for a while."""
    with listed(tmp_path), watching(tmp_path, *WORDS, "--every", "1s") as process:
        until(tmp_path, 2)
        process.send_signal(signal.SIGSTOP)
        before = len(runs(tmp_path))
        time.sleep(4)
        process.send_signal(signal.SIGCONT)
        until(tmp_path, before + 2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    at = [started(rows) for rows in runs(tmp_path)]
    steps = [other - one for one, other in pairwise(at)]
    assert max(steps) > 3
    assert min(steps) > LEAST - 0.2, f"no hurry afterwards: {steps}"


def test_lists_are_read_anew_and_a_mistake_in_them_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    with listed(tmp_path), watching(tmp_path, *WORDS, "--every", "1s") as process:
        until(tmp_path, 1)
        good = path.read_text()
        path.write_text(good + '[[target]]\nid = "third"\n')
        time.sleep(2.2)
        path.write_text(good.replace('"other"', '"another"'))
        count = len(runs(tmp_path))
        until(tmp_path, count + 2)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=10)[1]
    assert "list.toml:" in said, "the mistake is said with its place"
    targets = [{row["target"] for row in rows[1:-1]} for rows in runs(tmp_path)]
    assert targets[0] == {"site", "other", "control"}
    assert targets[-1] == {"site", "another", "control"}


def test_a_wrong_list_at_the_beginning_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text("title = 1\n")
    with watching(tmp_path, *WORDS, "--every", "1s") as process:
        said = process.communicate(timeout=10)[1]
        assert process.returncode == 2
    assert "list.toml:1" in said
    assert not (tmp_path / "data").exists()


def test_more_often_than_every_five_minutes_must_be_asked_for(tmp_path: Path) -> None:
    with listed(tmp_path), watching(tmp_path, "--allow-private", "--every", "30s") as process:
        said = process.communicate(timeout=10)[1]
        assert process.returncode == 2
    assert "--again" in said


def test_while_another_run_is_under_way_looks_are_left_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with listed(tmp_path):
        with lock.hold(data), watching(tmp_path, *WORDS, "--every", "1s", "-q") as process:
            time.sleep(2.5)
            assert process.poll() is None
            assert runs(tmp_path) == []
        with watching(tmp_path, *WORDS, "--every", "1s", "-q") as process:
            until(tmp_path, 1)
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=10)[1]
    assert said == ""


FAKETIME = next(Path("/usr/lib").rglob("faketime/libfaketimeMT.so.1"), None)


@pytest.fixture
def quick() -> dict[str, str]:
    if FAKETIME is None:
        pytest.skip("needs libfaketime")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_FORCE_MONOTONIC_FIX": "1"}


def test_after_a_change_only_what_changed_is_asked_every_thirty_seconds(
    tmp_path: Path, quick: dict[str, str]
) -> None:
    talk = loopback.answering(loopback.page())
    with loopback.serving(talk) as control:
        with loopback.serving(talk) as site:
            text = TARGETS.format(site=site.port, control=control.port)
            (tmp_path / "list.toml").write_text(text)
            words = (*WORDS, "--every", "2m", "--burst")
            process = watching(tmp_path, *words, env=quick | {"FAKETIME": "+0 x20"})
            begun = process.__enter__()
            until(tmp_path, 1)
        try:
            until(
                tmp_path, 5, 30
            )  # the site is gone now: whole, then three of it alone, then whole
            until(tmp_path, 6, 30)
        finally:
            begun.send_signal(signal.SIGTERM)
            process.__exit__(None, None, None)
    found = runs(tmp_path)[:6]
    asked = [{row["target"] for row in rows[1:-1]} for rows in found]
    everything, lively = {"site", "other", "control"}, {"site", "control"}
    assert asked == [everything, everything, lively, lively, lively, everything]
    steps = [other - one for one, other in pairwise(map(started, found))]
    assert [round(one / 10) for one in steps] == [12, 3, 3, 3, 3], steps


def test_it_ends_by_itself_after_its_days_and_says_so(
    tmp_path: Path, quick: dict[str, str]
) -> None:
    words = (*WORDS, "--every", "6h", "--days", "1")
    with (
        listed(tmp_path),
        watching(tmp_path, *words, "-q", env=quick | {"FAKETIME": "+0 x20000"}) as process,
    ):
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0
    assert said.strip().endswith("start it anew to go on")
    assert 3 <= len(runs(tmp_path)) <= 4


@contextmanager
def on_a_terminal(tmp_path: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the command on a terminal; give the end that sees what it prints."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [KEEPITON, "watch", "list.toml", "--data", "data", *words],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )
    os.close(follower)
    try:
        yield process, leader
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def read_on(leader: int, until: Callable[[bytes], bool]) -> bytes:
    """Read what is printed until it is enough, or over; 20 s at most."""
    seen, ends = b"", time.monotonic() + 20
    while not until(seen) and time.monotonic() < ends:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
    return seen


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.2, 0.4, 0.8])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_whatever_it_is_doing(
    tmp_path: Path, number: signal.Signals, late_s: float
) -> None:
    """Also between two steps of a run, and while a table is made."""
    words = (*WORDS, "--every", "1s", "--vantage", "v-mine", "--lang", "en")
    with listed(tmp_path), on_a_terminal(tmp_path, *words) as (process, leader):
        read_on(leader, lambda seen: b"2 looks." in seen)
        time.sleep(late_s)
        process.send_signal(number)
        read_on(leader, lambda _: process.poll() is not None)
        assert process.wait(10) == 128 + number


def test_on_a_terminal_the_table_stays_in_place_and_the_first_run_can_ask(tmp_path: Path) -> None:
    words = ("--allow-private", "--again", "--no-doh", "--every", "2s", "--lang", "en")
    seen = b""
    with listed(tmp_path), on_a_terminal(tmp_path, *words) as (process, leader):
        for waited, answer in (
            (b"inside or outside", b"outside\n"),
            (b"vantage", b"v-mine\n"),
            (b"The next look is in", b""),
            (b"2 looks.", b""),
        ):
            seen += read_on(leader, lambda more, waited=waited: waited in more)  # type: ignore[misc]
            os.write(leader, answer)
        process.send_signal(signal.SIGINT)
        read_on(leader, lambda _: process.poll() is not None)
        assert process.wait(10) == 130
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode(errors="replace")
    assert re.search(r"alpha +\+ up", text)
    assert "This machine's own line is up." in text
    assert runs(tmp_path)[0][0]["vantage"] == "v-mine"
