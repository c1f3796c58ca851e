"""What changed is told once, by whom it was asked for, and nothing else is."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import filelock
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepiton.base import language
from keepiton.base.connectivity import Connectivity
from keepiton.base.errors import UserError
from keepiton.cli import exits, times
from keepiton.cli.extensions import RunHooks
from keepiton.commands import alarm_options
from keepiton.detect import Policy
from keepiton.detect.types import Detection, Window
from keepiton.operate.alarms import (
    announce,
    apprise_worker,
    changes,
    deliver,
    hooks,
    memory,
    message,
    ping,
)
from keepiton.operate.alarms.changes import FLOORS, KEEP, AnnouncedWindow, Change, compare
from keepiton.report.types import Report, shared_fields
from loopback import Server, Talk, closed_port, page, serving, silent
from timelines import START, STEP, Watch, found, write

CALM = "." * 36
SOON = "." * 8
"""As little calm as will do, where files are written and read."""
LATE = timedelta(minutes=3)
LIKELY = FLOORS["likely"]
SECRET = "s3cr3t-token"  # noqa: S105 - what must not be shown
Said = tuple[int, str, str, str]


def at(number: float) -> datetime:
    """Return when a run begins."""
    return START + number * STEP


def until(watch: Watch, number: int) -> Watch:
    """Return what was seen before a run."""
    marks = {name: told[:number] for name, told in watch.marks.items()}
    return replace(watch, marks=marks, line=watch.line[:number])


def story(
    *watches: Watch,
    runs: Sequence[int],
    late: dict[str, int] | None = None,
    told: Sequence[AnnouncedWindow] = (),
    floor: float = LIKELY,
) -> tuple[list[Said], list[AnnouncedWindow]]:
    """Detect and compare before each of these runs; some vantages upload late."""
    kept = list(told)
    out: list[Said] = []
    for number in runs:
        known = [one for one in watches if number >= (late or {}).get(one.vantage, 0)]
        seen = found(*(until(one, number) for one in known), after=number)
        kept, told_now = compare(kept, seen, at(number), floor)
        out += [(number, one.kind, one.reason, one.window.subject) for one in told_now]
    return out, kept


def test_a_window_opens_once_and_closes_once() -> None:
    """It closes when detection would no longer join what may come: after half an hour."""
    told, _ = story(
        Watch("v1", {"t": CALM + "x" * 12 + CALM}), runs=[36, 37, *range(38, 49, 2), 51, 53, 54, 55]
    )
    assert told == [(38, "opening", "", "t"), (54, "closing", "", "t")]


def test_what_flaps_is_one_window() -> None:
    told, _ = story(Watch("v1", {"t": CALM + "xxxx.." * 3 + CALM}), runs=range(38, 66, 3))
    assert [kind for _, kind, _, _ in told] == ["opening", "closing"]


@pytest.mark.parametrize("line", "xbmruv")
def test_a_bad_own_line_raises_nothing_of_others(line: str) -> None:
    """Whatever it is that ails it: judged by detection, over all that was asked on it."""
    bad = 12
    marks = CALM + ("." if line == "b" else "x") * bad + "......"
    watch = Watch(
        "v1",
        {"a@alpha": marks, "b@beta": marks, "c": marks},
        line=CALM + line * bad + "......",
        inside=line != "b",
    )
    told, kept = story(watch, runs=range(38, len(marks) + 1, 3))
    assert (told, kept) == ([], [])


def test_a_dead_own_line_closes_nothing() -> None:
    """The window is still there when the line comes back: neither closed nor opened anew."""
    watch = Watch("v1", {"t": CALM + "x" * 30}, line=CALM + "....." + "x" * 18 + ".......")
    told, _ = story(watch, runs=range(39, 67, 4))
    assert told == [(39, "opening", "", "t")]


def test_late_data_withdraws_what_was_announced() -> None:
    one = Watch("v1", {"t": CALM + "xx" + CALM[2:]})
    others = [Watch(f"w{n}", {"t": CALM + CALM}, late=n * LATE) for n in (1, 2)]
    told, kept = story(one, *others, runs=range(37, 45), late={"w1": 39, "w2": 39})
    assert told == [(38, "opening", "", "t"), (39, "correction", "withdrawn", "t")]
    assert kept == []


def test_late_data_shows_that_a_closed_one_goes_on() -> None:
    """Nobody looked for twelve hours, which closes it; somebody else had."""
    here = Watch("v1", {"t": CALM + "x" * 6, "other": "." * 130})
    other = Watch("v2", {"t": CALM + "x" * 94}, late=LATE)
    told, kept = story(here, other, runs=[40, 41, 116, 117, 119, 120], late={"v2": 119})
    assert told == [
        (40, "opening", "", "t"),
        (116, "closing", "", "t"),
        (119, "correction", "goes-on", "t"),
    ]
    assert [one.going for one in kept] == [True]


def test_a_larger_window_takes_the_place_of_a_smaller_in_one_message() -> None:
    marks = {"a@alpha": CALM + "x" * 12 + CALM, "b@alpha": CALM + "..." + "x" * 9 + CALM}
    watch = Watch("v1", marks)
    told, kept = story(watch, runs=[*range(37, 42), 50, 53, 54, 55])
    assert told == [
        (38, "opening", "", "a"),
        (40, "opening", "", "alpha"),
        (54, "closing", "", "alpha"),
    ]
    _, before = story(watch, runs=[39])
    _, (opening,) = compare(before, found(until(watch, 40), after=40), at(40), LIKELY)
    assert [(one.scope, one.subject) for one in opening.supersedes] == [("target", "a")]
    assert len(kept) == 1


def test_a_larger_window_that_is_over_corrects_a_smaller_in_one_message() -> None:
    """Late data makes an operator's window of a site's, after both ended."""
    mine = Watch("v1", {"a@alpha": CALM + "x" * 9 + CALM})
    theirs = Watch("v2", dict.fromkeys(("a@alpha", "b@alpha", "c@alpha"), CALM + "x" * 9 + CALM))
    told, kept = story(mine, theirs, runs=[40, 52, 53, 54], late={"v2": 53})
    assert told == [
        (40, "opening", "", "a"),
        (52, "closing", "", "a"),
        (53, "correction", "part-of-larger", "alpha"),
    ]
    assert [(one.window.subject, one.going) for one in kept] == [("alpha", False)]


def test_history_raises_nothing() -> None:
    """Neither what ended before alarms were switched on, nor what others upload of last month."""
    ended = Watch("v1", {"t": CALM + "x" * 12 + CALM * 4})
    old = Watch("v2", {"u": CALM + "x" * 12}, late=LATE)
    told, kept = story(ended, old, runs=[64, 70, 71], late={"v2": 70})
    assert (told, kept) == ([], [])


def test_what_nobody_saw_lately_is_not_announced() -> None:
    """It was failing when somebody looked last, three hours ago."""
    here = Watch("v1", {"other": CALM * 3})
    there = Watch("v2", {"t": CALM + "x" * 12})
    told, _ = story(here, there, runs=[48 + 18])
    assert told == []
    told, _ = story(here, there, runs=[48 + 6])
    assert told == [(54, "opening", "", "t")]


def test_of_a_vantage_that_looks_every_three_hours_a_window_stays_news_for_three_of_its_runs() -> (
    None
):
    """Two hours, which are enough for shorter intervals, would end before its next run."""
    sparse = Watch("v1", {"t": "".join(mark.ljust(18) for mark in "." * 36 + "x" * 6)})
    last = 18 * 41
    assert story(sparse, runs=[last + 3 * 18 - 1])[0] == [(last + 53, "opening", "", "t")]
    assert story(sparse, runs=[last + 3 * 18 + 1])[0] == []


def test_what_never_answered_did_not_change() -> None:
    """Not to this vantage, though to another: it began before anybody looked."""
    never = Watch("v1", {"t": "x" * 24, "u": "." * 24})
    assert story(never, runs=[12, 24]) == ([], [])
    other = Watch("v2", {"t": "." * 24}, late=LATE)
    (window,) = found(never, other, after=24).windows
    assert (window.ongoing, window.start_earliest) == (True, None)
    assert story(never, other, runs=[12, 24]) == ([], [])


def test_a_window_longer_than_what_is_read_is_still_the_same() -> None:
    """What is read begins in the middle of it: its start is lost, then it, and its id moved."""
    names = ("a@alpha", "b@alpha", "c@alpha")
    whole = Watch("v1", {**dict.fromkeys(names, CALM + "x" * 60), "u": "." * 96})
    told, kept = story(whole, runs=[96])
    (before,) = kept
    assert [kind for _, kind, _, _ in told] == ["opening"]
    fading = "." + "x" * 60 + "......"
    marks = {"a@alpha": fading, "b@alpha": "x" * 61 + "......", "c@alpha": "x" * 61 + "......"}
    away, up = " " * 90, "." * 67
    late = Watch(
        "v1", {**{one: away + marks[one] for one in names}, "u": away + up}, line=away + up
    )
    assert [one.scope for one in found(until(late, 140), after=140).windows] == ["target"]
    told, kept = story(late, runs=[140, 150, 157], told=kept)
    assert told == [(157, "closing", "", "alpha")]
    (after,) = (one.window for one in kept)
    assert (after.id, after.start_earliest) == (before.window.id, before.window.start_earliest)
    assert after.id not in {one.id for one in found(late).windows}


def test_what_is_out_of_sight_is_forgotten_and_not_withdrawn() -> None:
    """Alarms were off for a month, or results were pruned or moved away."""
    _, kept = story(Watch("v1", {"t": CALM + "x" * 6}), runs=[42])
    calm = found(Watch("v1", {"t": CALM}), after=42)
    for age, kind in ((KEEP / 2, ["correction"]), (2 * KEEP, [])):
        assert [one.kind for one in compare(kept, calm, at(42) + age, LIKELY)[1]] == kind
    pruned = replace(calm, first_at=at(41))
    assert compare(kept, pruned, at(43), LIKELY) == ([], [])


def test_what_closed_is_forgotten_in_bounded_time() -> None:
    _, kept = story(Watch("v1", {"t": CALM + "x" * 12 + CALM}), runs=[44, 60])
    seen = found(Watch("v1", {"t": CALM + "x" * 12 + CALM}), after=60)
    still, said = compare(kept, seen, at(60) + KEEP, LIKELY)
    assert ([one.going for one in still], said) == ([False], [])
    assert compare(kept, seen, at(60) + KEEP + STEP, LIKELY) == ([], [])


def test_the_floor_decides_who_is_told() -> None:
    """One vantage alone is never more than likely."""
    alone = Watch("v1", {"t": CALM + "x" * 9})
    more = [replace(alone, vantage=f"v{n}", late=n * LATE) for n in (2, 3)]
    confirmed = FLOORS["confirmed"]
    assert story(alone, runs=[45], floor=confirmed)[0] == []
    assert len(story(alone, *more, runs=[45], floor=confirmed)[0]) == 1


def test_a_stranger_s_clock_does_not_close_what_goes_on(tmp_path: Path) -> None:
    """A row from next year would make everything look long past."""
    here = Watch("v1", {"t": SOON + "x" * 4})
    there = Watch("v2", {"u": "...."}, late=timedelta(days=365))
    write(tmp_path / "data" / "results", here, there)
    told = tmp_path / "told"
    alarms = ready(tmp_path, f"echo $KEEPITON_CHANGE >> {told}")
    run(alarms, tmp_path, 12)
    assert told.read_text() == "opening\n"


# Any sequence of findings.


@cache
def calm() -> Detection:
    return found(Watch("v1", {"t": CALM}), after=36)


@cache
def example() -> Window:
    (window,) = found(Watch("v1", {"t": CALM + "x" * 9}), after=45).windows
    return window


def spanning(subject: str, begin: int, length: int, confidence: float, *, ongoing: bool) -> Window:
    scope: Any = {"a": "target", "b": "target", "op": "operator", "by": "country"}[subject]
    end = None if ongoing else at(begin + length + 1)
    return replace(
        example(),
        id=f"{subject}-{begin // 36}",
        scope=scope,
        subject=subject,
        targets=("a",) if subject == "a" else ("b",) if subject == "b" else ("a", "b"),
        operators=("op",),
        start_earliest=at(begin - 1),
        start=at(begin),
        start_latest=at(begin),
        end_earliest=at(begin + length),
        end=end,
        end_latest=end,
        ongoing=ongoing,
        confidence=confidence,
    )


windows = st.builds(
    spanning,
    st.sampled_from(["a", "b", "op", "by"]),
    st.integers(0, 60),
    st.integers(1, 30),
    st.sampled_from([0.6, 0.8, 0.95]),
    ongoing=st.booleans(),
)
steps = st.lists(st.tuples(st.integers(1, 40), st.lists(windows, max_size=4)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_between_corrections_a_window_opens_and_closes_at_most_once(
    told: list[tuple[int, list[Window]]],
) -> None:
    """Whatever detection finds and takes back; and what is remembered reads back."""
    kept: list[AnnouncedWindow] = []
    counts: Counter[tuple[str, str, str]] = Counter()
    number = 60
    for pause, listed in told:
        number += pause
        apart = {(one.scope, one.subject): one for one in listed}  # detection joins what overlaps
        seen = replace(calm(), windows=tuple(apart.values()), last_at=at(number))
        kept, said = compare(kept, seen, at(number), LIKELY)
        for one in said:
            key = one.window.scope, one.window.subject, one.window.id
            if one.kind == "correction":
                counts[(*key[:2], key[2])] = 0
                for kind in ("opening", "closing"):
                    counts[key[1], key[2], kind] = 0
                continue
            counts[key[1], key[2], one.kind] += 1
            assert counts[key[1], key[2], one.kind] == 1, (one.kind, key)
        assert len({(one.window.scope, one.window.subject) for one in kept}) == len(kept)
        noted = memory.AlarmMemory(announced=kept)
        assert memory.AlarmMemory.model_validate_json(noted.model_dump_json()) == noted
        assert compare(kept, seen, at(number), LIKELY) == (kept, []), "said twice"


# Messages.


def report_of(seen: Detection, number: float, code: str = "en") -> Report:
    return Report(
        **shared_fields(Detection, seen),
        policy=Policy(),
        zone=times.zone(None, "by"),
        now=at(number),
        lang=language.load(code),
    )


def opening() -> tuple[Change, Report]:
    seen = found(Watch("v1", {"t.example": CALM + "x" * 9}), after=45)
    return Change("opening", seen.windows[0], at(45)), report_of(seen, 45)


def test_a_message_says_what_since_when_how_sure_who_saw_it_and_what_would_refute_it() -> None:
    change, report = opening()
    said = message.write_message(change, report, late=False)
    assert said.title == "Disruption: t[.]example (target), seen from outside: likely (0.80)"
    for part in (
        "began: 27 Feb 2022, between 16:42 and 17:02 (13:42-14:02 UTC)",
        "ended: not yet at",
        "1 saw it (v1)",
        "refuted by: an answer of t[.]example to anyone outside in that time",
        "Times are Europe/Minsk, in brackets UTC.",
    ):
        assert part in said.body, said.body
    assert "t.example" not in said.title + said.body, "a chat would link it, and fetch it"
    assert ".jsonl" not in said.body
    late = message.write_message(change, replace(report, now=at(60)), late=True)
    assert "it could not be sent before" in late.body


@pytest.mark.parametrize("code", ["ru", "be"])
def test_a_message_is_in_the_reader_s_language(code: str) -> None:
    change, report = opening()
    said = message.write_message(change, replace(report, lang=language.load(code)), late=False)
    assert "вероятно" in said.title or "імаверна" in said.title or "верагодна" in said.title


HOSTILE = (
    "evil\r\nX-Injected: 1\r\n\r\n<!channel> @everyone [a](http://e.example) `$(id)` \x1b[31m\u202e"
)


def test_a_hostile_name_stays_a_name() -> None:
    change, report = opening()
    window = replace(
        change.window,
        subject=HOSTILE,
        targets=(HOSTILE,) * 50,
        operators=(HOSTILE,),
        vantages_for=(HOSTILE,),
        failures={f"tcp unknown_failure: {HOSTILE}": 3},
    )
    for kind in ("opening", "closing", "correction"):
        why = "withdrawn" if kind == "correction" else ""
        hostile = Change(kind, window, at(45), why)  # type: ignore[arg-type]
        said = message.write_message(hostile, report, late=True)
        assert "\n" not in said.title
        for odd in ("\r", "\x1b", "\u202e", "@", "<", "`", "$", "http://", "e.example"):
            assert odd not in said.title + said.body, odd
        assert not any(line.startswith("X-Injected") for line in said.body.splitlines())
        assert len(said.title) <= message.TITLE_LENGTH
        assert len(said.body) <= message.BODY_LENGTH


def test_the_window_as_json_is_bounded_and_tells_no_folder() -> None:
    (window,) = opening()[1].windows
    many = replace(
        window,
        targets=tuple(f"{n}" + "ж" * 190 for n in range(5000)),
        evidence=tuple(replace(one, file=f"/home/me/{one.file}") for one in window.evidence),
    )
    cut = changes.small(many)
    assert 0 < len(cut.targets) < 5000
    assert len(changes.as_json(cut)) <= changes.LONGEST_JSON
    assert "/home" not in changes.as_json(cut)
    assert changes.small(window) == window


# The command.


def ready(tmp_path: Path, on_change: str | None = None, **files: str | None) -> hooks.AlarmHooks:
    return hooks.prepare(
        tmp_path / "data",
        on_change,
        private(tmp_path / "notify", files["notify"]) if files.get("notify") else None,
        "likely",
        private(tmp_path / "ping", files["ping"]) if files.get("ping") else None,
    )


def private(path: Path, text: str | None) -> Path:
    path.write_text(text or "")
    path.chmod(0o600)
    return path


def run(
    alarms: hooks.AlarmHooks,
    tmp_path: Path,
    number: float,
    verdict: Connectivity | None = Connectivity.UP,
    code: int = 0,
    *,
    verbose: bool = False,
) -> None:
    """Do what ``probe`` does about alarms, around a run that ends now."""
    alarms.ping_begin()
    data = tmp_path / "data"
    alarms.finish(data, verdict, code, language.ENGLISH, at(number), verbose=verbose)


def upload(tmp_path: Path, *marks: str, name: str = "t", line: str = "") -> None:
    """Write the results of one vantage for each row of marks."""
    for n, told in enumerate(marks, 1):
        watch = Watch(f"v{n}", {name: told}, line=line, late=(n - 1) * LATE)
        write(tmp_path / "data" / "results", watch)


@pytest.mark.slow
def test_a_command_is_told_once_what_changed_in_its_environment(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """From result files to the shell: opening, ten runs of nothing, closing."""
    log = tmp_path / "log"
    alarms = ready(
        tmp_path,
        f'printf \'%s|\' "$KEEPITON_CHANGE" "$KEEPITON_TITLE" "$KEEPITON_WINDOW" >> {log};'
        f" echo >> {log}; echo noise; echo noise >&2",
    )
    upload(tmp_path, SOON)
    run(alarms, tmp_path, 8)
    assert not log.exists()
    for number in (10, 12, 19):
        upload(tmp_path, SOON + "x" * (number - 8))
        run(alarms, tmp_path, number)
    (line,) = log.read_text().splitlines()
    kind, title, told, _ = line.split("|")
    assert (kind, title.partition(" (")[0]) == ("opening", "Disruption: t")
    assert json.loads(told)["subject"] == "t"
    assert json.loads(told)["ongoing"] is True
    upload(tmp_path, SOON + "x" * 11 + SOON)
    for number in (27, 28):
        run(alarms, tmp_path, number)
    kinds = [line.partition("|")[0] for line in log.read_text().splitlines()]
    assert kinds == ["opening", "closing"]
    assert capfd.readouterr() == ("", "")
    kept = tmp_path / "data" / memory.FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    assert memory.load(tmp_path / "data").pending == []


@pytest.mark.parametrize(
    "verdict", [*map(Connectivity, ("down", "portal", "mixed", "unknown")), None]
)
def test_a_run_on_a_bad_line_raises_nothing_not_even_what_is_due(
    tmp_path: Path, verdict: Connectivity | None
) -> None:
    log = tmp_path / "log"
    alarms = ready(tmp_path, f"echo $KEEPITON_CHANGE >> {log}")
    upload(tmp_path, SOON + "x" * 4)
    run(alarms, tmp_path, 12, verdict, exits.VANTAGE_OFFLINE)
    run(alarms, tmp_path, 12, Connectivity.UP, 143)
    assert not log.exists()
    assert not (tmp_path / "data" / memory.FILE).exists()
    run(alarms, tmp_path, 12)
    assert log.read_text() == "opening\n"


def test_a_hostile_window_is_never_part_of_the_command(tmp_path: Path) -> None:
    name = f"$(touch${{IFS}}{tmp_path}/pwned);`id`\"'|&"
    upload(tmp_path, SOON + "x" * 4, name=name)
    log = tmp_path / "log"
    alarms = ready(tmp_path, f'printf %s "$KEEPITON_WINDOW" > {log}')
    run(alarms, tmp_path, 12)
    assert json.loads(log.read_text())["subject"] == name
    assert not (tmp_path / "pwned").exists()


def test_a_command_that_fails_shows_what_it_said_and_is_tried_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Said once for each message, so that cron does not mail it every five minutes."""
    upload(tmp_path, SOON + "x" * 4)
    fixed = tmp_path / "fixed"
    alarms = ready(tmp_path, f"test -e {fixed} || {{ echo 'no \x1b[31m route'; exit 3; }}")
    run(alarms, tmp_path, 12)
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "keepiton: --on-change: opening not sent: the command ended with 3\n"
        "keepiton:   no \N{REPLACEMENT CHARACTER}[31m route\n"
    )
    run(alarms, tmp_path, 12)
    assert capfd.readouterr() == ("", "")
    fixed.touch()
    assert len(memory.load(tmp_path / "data").pending) == 1
    run(alarms, tmp_path, 13)
    assert memory.load(tmp_path / "data").pending == []
    assert capfd.readouterr() == ("", "")


def test_a_command_that_hangs_ends_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = f"sleep 61 & echo $! >> {pids}; (sleep 62 & echo $! >> {pids}); echo said; sleep 63"
    began = time.monotonic()
    why = deliver.command(text, {}, 0.5)
    assert why == "ended after 0.5 s\n  said"
    assert time.monotonic() - began < 5
    for pid in pids.read_text().split():
        assert ended(int(pid))


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """It would hold a lock, or a pipe, for months."""
    pids = tmp_path / "pids"
    assert deliver.command(f"sleep 61 & echo $! > {pids}", {}) is None
    assert ended(int(pids.read_text()))


def ended(pid: int) -> bool:
    """Wait a moment for a process to be gone, or dead and not buried."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


def test_a_command_gets_no_input_and_no_open_file_of_ours(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with filelock.FileLock(tmp_path / "lock"), (tmp_path / "other").open("w") as other:
        os.set_inheritable(other.fileno(), True)
        listing = f"{sys.executable} -c 'import os; print(os.listdir(\"/proc/self/fd\"))'"
        assert deliver.command(f"{listing} > {seen}; cat; test ! -t 0", {}) is None
    assert sorted(eval(seen.read_text())) == ["0", "1", "2", "3"]  # noqa: S307 - 3 lists them


def test_endless_output_is_neither_kept_nor_waited_for() -> None:
    began = time.monotonic()
    why = deliver.command("yes secret | head -c 50000000; exit 1", {})
    assert why
    assert len(why) < 2000
    assert time.monotonic() - began < 20


# Apprise.


@contextmanager
def receiving(*replies: bytes) -> Iterator[Server]:
    """Take requests whole and answer them in turn, the last reply for ever."""
    left = list(replies or (page(),))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length:")
        ]
        body = await reader.readexactly(lengths[0]) if lengths else b""
        reader.seen.append(head + body)  # type: ignore[attr-defined]
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    with serving(talk) as server:
        yield server


def body_of(request: bytes) -> dict[str, Any]:
    return dict(json.loads(request.partition(b"\r\n\r\n")[2]))


def wired(*urls: str, on_change: str = "") -> hooks.AlarmHooks:
    """Make ready what ``prepare`` would, which takes a process to look at the URLs."""
    channels = [deliver.Channel(f"line {n}", url=url) for n, url in enumerate(urls, 1)]
    if on_change:
        channels.insert(0, deliver.Channel("--on-change", command=on_change))
    return hooks.AlarmHooks(announce.Announcer(LIKELY, tuple(channels)))


@pytest.mark.slow
def test_a_service_gets_the_message_and_is_asked_for_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection a message, by no proxy, that names no program; it keeps nothing."""
    upload(tmp_path, SOON + "x" * 4)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with receiving() as server, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        url = f"json://user:{SECRET}@127.0.0.1:{server.port}/{SECRET}"
        alarms = ready(tmp_path, notify=f"# mine\n\n{url}\n")
        assert server.connections == 0, "looking at the URL asks nobody"
        for number in (12, 13):
            run(alarms, tmp_path, number, verbose=True)
        assert (server.connections, proxy.connections) == (1, 0)
        (request,) = server.requests
    assert b"keepiton" not in request.lower()
    assert b"apprise" not in request.lower()
    told = body_of(request)
    assert told["title"].startswith("Disruption: t (target)")
    assert told["type"] == "warning"
    assert "refuted by" in told["message"]
    assert told["attachments"] == []
    assert capfd.readouterr() == ("", "")
    assert SECRET not in (tmp_path / "data" / memory.FILE).read_text()
    assert SECRET not in repr(alarms)
    assert list(home.iterdir()) == [], "nothing is kept on disk"


@pytest.mark.slow
def test_a_service_that_is_down_gets_it_later_and_once_and_others_are_not_told_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    upload(tmp_path, SOON + "x" * 4)
    log, port = tmp_path / "log", closed_port()
    with receiving() as up:
        lines = [f"json://127.0.0.1:{one}/{SECRET}" for one in (port, up.port)]
        alarms = wired(*lines, on_change=f"echo $KEEPITON_CHANGE >> {log}")
        run(alarms, tmp_path, 12, verbose=True)
        assert capfd.readouterr() == (
            "",
            "keepiton: line 1: opening not sent: it was refused, or nobody answered\n",
        )
        assert up.connections == 1
    with receiving() as now_up:
        lines = [f"json://127.0.0.1:{now_up.port}/{SECRET}", *lines[1:]]
        kept = memory.load(tmp_path / "data")
        (left,) = kept.pending
        left.left = [kept.key(lines[0])]
        memory.save(tmp_path / "data", kept)
        alarms = wired(*lines, on_change=f"echo $KEEPITON_CHANGE >> {log}")
        for number in (14, 15):
            run(alarms, tmp_path, number)
        (request,) = now_up.requests
    assert "it could not be sent before" in body_of(request)["message"]
    assert log.read_text() == "opening\n"
    assert memory.load(tmp_path / "data").pending == []
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_sent_for_a_day_is_given_up_with_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    upload(tmp_path, SOON + "x" * 4)
    alarms = ready(tmp_path, "false")
    run(alarms, tmp_path, 12)
    assert "the command ended with 1" in capfd.readouterr().err
    for number in (13, 12 + 145, 12 + 146):
        run(alarms, tmp_path, number)
    given_up = [one for one in capfd.readouterr().err.splitlines() if "given up" in one]
    assert len(given_up) == 1
    assert given_up[0].startswith("keepiton: alarm given up: opening ")


@pytest.mark.slow
def test_a_service_that_hangs_is_left_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even by sending a byte now and then can it hold the run."""
    upload(tmp_path, SOON + "x" * 4)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: yes\r\n")
            await writer.drain()
            await asyncio.sleep(0.2)

    with serving(drip) as server:
        alarms = wired(f"json://127.0.0.1:{server.port}/{SECRET}")
        monkeypatch.setattr(deliver, "SERVICE_S", 2.5)
        began = time.monotonic()
        run(alarms, tmp_path, 12)
        assert time.monotonic() - began < 6
        assert server.connections == 1, "it did begin"
    err = capfd.readouterr().err
    assert err == "keepiton: line 1: opening not sent: no answer within 2.5 s\n"


def test_no_redirect_takes_a_message_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no password that lies about for that host goes with it."""
    private(tmp_path / ".netrc", f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    upload(tmp_path, SOON + "x" * 4)
    with receiving() as elsewhere:
        aside = f"Location: http://127.0.0.1:{elsewhere.port}/\r\n"
        with receiving(page(status="307 Go", extra=aside)) as server:
            alarms = wired(f"json://127.0.0.1:{server.port}/")
            run(alarms, tmp_path, 12)
            assert (server.connections, elsewhere.connections) == (1, 0)
            assert b"authorization" not in server.requests[0].lower()


def test_a_hostile_name_adds_no_header(tmp_path: Path) -> None:
    change, report = opening()
    hostile = replace(change, window=replace(change.window, subject=HOSTILE))
    with receiving() as server:
        channel = deliver.Channel("line 1", url=f"ntfy://127.0.0.1:{server.port}/topic")
        noted = memory.AlarmMemory()
        deliver.add_pending(noted, [hostile], [channel])
        said: list[str] = []
        memory_file = tmp_path / "data"
        memory_file.mkdir()
        deliver.deliver(
            *(noted, [channel], report, lambda: memory.save(memory_file, noted), said.append),
            verbose=True,
        )
        assert said == []
        (request,) = server.requests
    assert b"github" not in request.lower(), "no picture is linked"
    assert b"x-injected" not in request.partition(b"\r\n\r\n")[0].lower()


@pytest.mark.slow
def test_each_message_is_noted_as_it_is_sent_so_a_crash_repeats_one_at_most(
    tmp_path: Path,
) -> None:
    """Killed in the middle of the second of three: the first is not sent again."""
    data, log = tmp_path / "data", tmp_path / "log"
    for name in ("a", "b", "c"):
        write(data / "results", Watch(f"v{name}", {name: SOON + "x" * 4}))
    text = (
        f"echo $KEEPITON_TITLE >> {log};"
        f" test $(wc -l < {log}) -ne 2 || {{ kill -9 $PPID; sleep 1; }}"
    )
    code = f"""
import datetime, pathlib
from keepiton.base import language
from keepiton.base.connectivity import Connectivity
from keepiton.operate.alarms import hooks
data = pathlib.Path({str(data)!r})
alarms = hooks.prepare(data, {text!r}, None, "likely", None)
now = datetime.datetime.fromisoformat({at(12).isoformat()!r})
alarms.finish(data, Connectivity.UP, 0, language.ENGLISH, now, verbose=False)
"""
    words = [sys.executable, "-c", code]
    paths = [str(Path(__file__).parent / "guard"), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    killed = subprocess.run(words, env=env, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(log.read_text().splitlines()) == 2
    again = subprocess.run(words, env=env, check=False, capture_output=True)
    assert (again.returncode, again.stderr) == (0, b"")
    titles = [line.split()[1] for line in log.read_text().splitlines()]
    assert titles == ["a", "b", "b", "c"]


def test_no_more_than_so_many_messages_a_run_and_the_rest_in_the_next(tmp_path: Path) -> None:
    change, report = opening()
    noted = memory.AlarmMemory()
    log = tmp_path / "log"
    channel = deliver.Channel("--on-change", command=f"echo $KEEPITON_WINDOW >> {log}")
    ids = [f"{n:010}" for n in range(deliver.MOST_A_RUN + 3)]
    told = [replace(change, window=replace(change.window, id=one)) for one in ids]
    deliver.add_pending(noted, told, [channel])
    for count in (deliver.MOST_A_RUN, len(ids), len(ids)):
        deliver.deliver(noted, [channel], report, lambda: None, pytest.fail, verbose=True)
        assert len(log.read_text().splitlines()) == count
    assert [json.loads(line)["id"] for line in log.read_text().splitlines()] == ids


def test_a_disk_that_is_full_sends_nothing_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What cannot be noted would be sent again and again."""
    upload(tmp_path, SOON + "x" * 4)
    log = tmp_path / "log"
    alarms = ready(tmp_path, f"echo sent >> {log}")
    (tmp_path / "data" / (memory.FILE + ".new")).mkdir()
    run(alarms, tmp_path, 12)
    assert not log.exists()
    assert capfd.readouterr().err.startswith("keepiton: no alarm could be raised: ")


# What is wrong is found before anything is sent.


@pytest.mark.parametrize("content", [b"", b"{", b'{"told": 1}', b"\xff\xfe", b'{"told": [{}]}'])
def test_a_damaged_memory_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / memory.FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"alarms\.json: damaged; delete it"):
        ready(tmp_path, "true")


def test_a_file_written_before_its_keys_were_renamed_is_read(tmp_path: Path) -> None:
    """Written by an earlier version: a window that was announced, and three undelivered changes."""
    former = Path(__file__).parent / "data" / "alarms" / "former-keys.json"
    (tmp_path / memory.FILE).write_bytes(former.read_bytes())
    remembered = memory.load(tmp_path)
    (announced,) = remembered.announced
    window = announced.window
    assert (window.scope, window.subject, announced.going) == ("country", "BY", True)
    assert (window.confidence_label, window.starts_on_half_hour) == ("likely", True)
    assert (window.vantages_without_data, len(window.evidence)) == ((), 2)
    assert window.evidence[0].file == "20220227T140200Z-v1-088bb11e1c14.jsonl"
    last = remembered.pending[-1].change
    assert [entry.change.kind for entry in remembered.pending] == ["opening"] * 3
    assert (last.reason, [smaller.subject for smaller in last.supersedes]) == ("", ["a", "c"])
    memory.save(tmp_path, remembered)
    assert memory.load(tmp_path) == remembered
    written = (tmp_path / memory.FILE).read_text()
    assert not [key for key in memory.FORMER_KEYS if f'"{key}":' in written]


def test_a_memory_damaged_meanwhile_ends_no_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    upload(tmp_path, SOON)
    alarms = ready(tmp_path, "true")
    (tmp_path / "data" / memory.FILE).write_text("{")
    run(alarms, tmp_path, 36)
    assert "damaged; delete it" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["notify", "ping"])
def test_a_file_of_secrets_that_others_can_read_is_refused(tmp_path: Path, kind: str) -> None:
    path = private(tmp_path / "file", f"json://127.0.0.1/{SECRET}")
    notify, pinged = (path, None) if kind == "notify" else (None, path)
    for mode in (0o640, 0o604, 0o622):
        path.chmod(mode)
        with pytest.raises(UserError, match="chmod 600") as raised:
            hooks.prepare(tmp_path, None, notify, "likely", pinged)
        assert SECRET not in str(raised.value)
    for bad, why in ((tmp_path / "none", "No such file"), (tmp_path, "directory")):
        notify, pinged = (bad, None) if kind == "notify" else (None, bad)
        with pytest.raises(UserError, match=why):
            hooks.prepare(tmp_path, None, notify, "likely", pinged)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1 to 20"),
        ("# none\n", "1 to 20"),
        ("json://127.0.0.1\n" * 21, "1 to 20"),
        (f"#\njson://127.0.0.1/\n{SECRET}://{SECRET}\n", "notify:3: not a URL of a service"),
        (SECRET, "notify:1: not a URL"),
        ("\x00" * 70_000, "longer than"),
    ],
)
def test_a_notify_file_is_looked_at_before_a_run(tmp_path: Path, text: str, why: str) -> None:
    path = private(tmp_path / "notify", text)
    with pytest.raises(UserError, match=why) as raised:
        hooks.prepare(tmp_path, None, path, "likely", None)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a URL such as"),
        (f"ftp://example.org/{SECRET}", "not a URL such as"),
        (f"http://example.org/{SECRET}", "write https://"),
        (f"https://me:{SECRET}@example.org/", "user name"),
        (f"https://example.org/{SECRET} x", "without spaces"),
        (f"https://example.org/{SECRET}#a", "# part"),
        (f"https://example.org:no/{SECRET}", "not a URL"),
        (f"https://exämple.org/{SECRET}", "ASCII"),
        (f"https://example.org/{SECRET}" + "a" * 2000, "not one URL"),
    ],
)
def test_a_ping_url_is_looked_at_before_a_run(tmp_path: Path, text: str, why: str) -> None:
    path = private(tmp_path / "ping", text + "\nanother line\n")
    with pytest.raises(UserError, match=why) as raised:
        hooks.prepare(tmp_path, None, None, "likely", path)
    assert SECRET not in str(raised.value)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util  # noqa: PLC0415

    from keepiton.storage import result_files  # noqa: PLC0415

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    path = private(tmp_path / "notify", "json://127.0.0.1/")
    with pytest.raises(UserError, match=r"pip install 'keepiton\[notify\]'"):
        hooks.prepare(tmp_path, None, path, "likely", None)
    monkeypatch.setattr(result_files, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="--on-change: needs duckdb and numpy"):
        hooks.prepare(tmp_path, "true", None, "likely", None)
    pinged = private(tmp_path / "ping", "http://localhost/abc")
    assert hooks.prepare(tmp_path, None, None, "likely", pinged).ping_url
    nothing = {"on_change": None, "notify_file": None, "ping_url_file": None}
    asked_for = alarm_options.prepare_run(tmp_path, {"alarm_from": "likely", **nothing})
    assert type(asked_for) is RunHooks, "nothing of alarms"


# The ping.


def asked(server: Server) -> list[str]:
    return [one.split()[1].decode() for one in server.requests]


@pytest.mark.parametrize(
    ("code", "path"),
    [(0, ""), (2, "/2"), (5, "/5"), (exits.VANTAGE_OFFLINE, "/log"), (143, "/143")],
)
def test_a_ping_tells_the_beginning_and_the_end_of_a_run(
    tmp_path: Path, code: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a browser would ask, straight, with no body."""
    with receiving() as server, receiving() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        alarms = ready(tmp_path, ping=f"http://127.0.0.1:{server.port}/{SECRET}/?create=1\nmore")
        run(alarms, tmp_path, 36, Connectivity.UP, code)
        assert asked(server) == [f"/{SECRET}/start?create=1", f"/{SECRET}{path}?create=1"]
        assert proxy.connections == 0
    for one in server.requests:
        assert one.startswith(b"GET ")
        assert b"Mozilla/5.0" in one
        assert b"keepiton" not in one.lower()
        assert b"python" not in one.lower()
        assert one.endswith(b"\r\n\r\n")
    assert not (tmp_path / "data").exists(), "a ping alone reads and writes nothing"


@pytest.mark.slow
def test_a_ping_is_tried_three_times_where_that_may_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ping, "PAUSES_S", (0.01, 0.01))
    for status, tries in (("500 No", 3), ("429 Slow", 3), ("404 No", 1), ("302 Go", 1)):
        with receiving() as elsewhere:
            aside = f"Location: http://127.0.0.1:{elsewhere.port}/\r\n"
            with receiving(page(status=status, extra=aside)) as server:
                alarms = ready(tmp_path, ping=f"http://localhost:{server.port}/{SECRET}")
                run(alarms, tmp_path, 36, verbose=True)
                assert server.connections == 1 + tries, status
            assert elsewhere.connections == 0
        number = status.split()[0]
        assert capfd.readouterr().err == (
            f"keepiton: --ping-url-file: not heard: answered {number}\n"
        )
    with receiving(page(), page(status="500 No"), page()) as server:
        alarms = ready(tmp_path, ping=f"http://localhost:{server.port}/{SECRET}")
        run(alarms, tmp_path, 36, verbose=True)
        assert server.connections == 3
    assert capfd.readouterr() == ("", "")


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with more than anybody wants."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"a" * 65_536)
        await writer.drain()


@pytest.mark.parametrize("talk", [silent, endless])
def test_a_ping_that_hangs_holds_no_run(
    tmp_path: Path, talk: Talk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ping, "STEP_S", 0.3)
    monkeypatch.setattr(ping, "LIMIT_S", 0.5)
    with serving(talk) as server:
        alarms = ready(tmp_path, ping=f"http://127.0.0.1:{server.port}/{SECRET}")
        began = time.monotonic()
        alarms.ping_begin()
        assert time.monotonic() - began < 0.2, "the beginning is not waited for"
        run(alarms, tmp_path, 36, verbose=True)
        assert time.monotonic() - began < 3
        err = capfd.readouterr().err
        assert ("not heard" in err) == (talk is silent)


@pytest.mark.slow
def test_no_secret_is_shown_when_nobody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor the host."""
    monkeypatch.setattr(ping, "PAUSES_S", (0.0, 0.0))
    upload(tmp_path, SOON + "x" * 4)
    url = f"127.0.0.1:{closed_port()}/{SECRET}"
    alarms = ready(tmp_path, notify=f"json://{url}", ping=f"http://{url}")
    run(alarms, tmp_path, 12, verbose=True)
    out, err = capfd.readouterr()
    assert err == (
        "keepiton: --ping-url-file: not heard: ConnectionRefusedError\n"
        "keepiton: --notify-file, line 1: opening not sent: it was refused, or nobody answered\n"
    )
    shown = out + err + repr(alarms)
    shown += (tmp_path / "data" / memory.FILE).read_text()
    assert SECRET not in shown
    assert "127.0.0.1" not in shown


@pytest.mark.slow
def test_the_courier_says_nothing_whatever_apprise_says() -> None:
    """Of a broken URL Apprise's own log would show parts."""
    words = [sys.executable, "-P", "-m", apprise_worker.__name__]
    text = json.dumps({"urls": ["json://127.0.0.1/ok", f"tgram://{SECRET}"]})
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == apprise_worker.UNKNOWN + 1
    assert SECRET not in done.stdout + done.stderr
    assert shlex.join(words).count(SECRET) == 0
