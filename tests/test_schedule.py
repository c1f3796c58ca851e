"""Schedules: every kind's text, the real crontab and systemd-analyze, and how they end."""

import importlib
import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import click
import pytest

import lab as lab_module
import loopback
from conftest import HERE, Command
from keepiton.base.errors import UserError
from keepiton.cli import keepiton as program
from keepiton.commands import schedule_expiry
from keepiton.commands.schedule import schedule
from keepiton.operate.schedule import KINDS, cron, installed, launchd, systemd, windows
from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import DAY, EVERY, HOUR, Job
from keepiton.storage.state import DataFolderState

ODD, PLAIN = "my data 100% $HOME", "programs 100%"
NOW = datetime(2026, 11, 26, 18, 13, 20, tzinfo=UTC)
ZONE = "Asia/Kolkata"
"""Half an hour off, so that what is not in UTC is found out."""
SPOOL = "/var/spool/cron/crontabs"
BY_HAND = b"MAILTO=me\n# 100% mine, keepiton schedule: not yours\n\n*/7 * * * * date +\\%H \n"
IN_SPOOL = f'mount --bind "$1" {SPOOL} && shift && exec "$@"'
SHOWS = '#!/bin/sh\nfor one in "$@"; do printf "%s\\n" "$one"; done\n'
"""A command that shows its words, one a line."""


def job(folder: Path, every: str = "10m", phase_s: int = 200) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python 100%"
    python.write_text(SHOWS)
    python.chmod(0o755)
    return Job(
        str(python),
        ("--no-doh", "--contact", 'a "b" \\ c; #d %h'),
        EVERY[every],
        phase_s,
        jobs.jitter(EVERY[every]),
        folder.parent / ODD,
        date(2027, 2, 24),
        jobs.first(NOW, EVERY[every], phase_s),
        900,
    )


def written(folder: Path, files: "dict[str, str]") -> list[str]:
    """Put units into a folder of their own; return their paths."""
    for path, text in files.items():
        (folder / Path(path).name).write_text(text)
    return [str(folder / Path(path).name) for path in files]


def tool(*words: str) -> str:
    """Run one of systemd's own tools, which must have nothing to say on stderr."""
    env = os.environ | {"TZ": ZONE, "XDG_RUNTIME_DIR": "/run"}  # where a manager's would be
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def choices() -> list[str]:
    (option,) = (each for each in schedule.params if each.name == "kind")
    assert isinstance(option.type, click.Choice)
    return list(option.type.choices)


def test_the_kinds_to_choose_from_are_those_there_are() -> None:
    assert choices() == ["auto", *KINDS]


def test_a_new_kind_is_one_line_of_the_table(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """It can be chosen, printed, installed, found and removed; the command knows it from there."""
    there: list[Job] = []

    def find() -> jobs.InstalledSchedule | None:
        return next(
            (jobs.InstalledSchedule("toy", one.mark, one.words(jitter=False)) for one in there),
            None,
        )

    toy = jobs.Kind(lambda one: {"toy": one.mark}, there.append, there.clear, find, "show toy")
    monkeypatch.setitem(cast("dict[str, jobs.Kind]", KINDS), "toy", toy)
    module = importlib.import_module("keepiton.commands.schedule")
    request.addfinalizer(lambda: importlib.reload(module))  # with the kinds that there are
    request.addfinalizer(monkeypatch.undo)
    importlib.reload(module)
    data = ["schedule", "--kind", "toy", "--data", str(tmp_path / "data")]
    program.main([*data, "--", "--no-doh"], standalone_mode=False)
    assert capsys.readouterr().out.startswith("keepiton schedule: every 10m until ")
    program.main([*data, "--every", "1h", "--install"], standalone_mode=False)
    (installed_toy,) = (each for each in installed() if each.kind == "toy")
    assert (installed_toy.every, installed_toy.data) == ("1h", tmp_path / "data")
    assert "To look at it: show toy" in capsys.readouterr().err
    program.main(["schedule", "--kind", "toy", "--remove"], standalone_mode=False)
    assert (there, capsys.readouterr().err) == ([], "Removed: toy\n")


def test_a_thousand_vantages_are_spread_evenly_and_each_begins_within_its_period() -> None:
    for every_s in EVERY.values():
        room = every_s - jobs.jitter(every_s)
        assert jobs.jitter(every_s) <= every_s / 5
        phases = [jobs.phase(f"v-{n}", every_s) for n in range(1000)]
        assert phases == [jobs.phase(f"v-{n}", every_s) for n in range(1000)]
        tenths = Counter(phase * 10 // room for phase in phases)
        assert sorted(tenths) == list(range(10))
        assert all(60 <= count <= 140 for count in tenths.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2m", "nobody is asked more often than every 5m"),
        ("7m", "write 6m or 10m"),
        ("45m", "write 30m or 1h"),
        ("5h", "write 4h or 6h"),
        ("48h", "write 24h"),
        ("ten", "write one of 5m 6m"),
        ("10m\n", "not a period"),
    ],
)
def test_a_period_that_no_calendar_holds_is_refused_with_its_neighbours(
    text: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        jobs.period(text)


@pytest.mark.parametrize("every", EVERY)
def test_every_calendar_has_the_same_runs_in_it(every: str) -> None:
    """As systemd reads its own, and as minutes of cron and launchd are counted."""
    every_s = EVERY[every]
    for phase_s in {0, 61, every_s * 4 // 5 - 1}:
        first = jobs.first(NOW, every_s, phase_s)
        assert NOW <= first < NOW + timedelta(seconds=every_s)
        event = systemd.calendar(every_s, phase_s)
        shown = tool(
            *("systemd-analyze", "calendar", "--iterations=30", event),
            f"--base-time={NOW - timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC",
        )
        read = re.findall(r"in UTC\): \w+ (\S+ \S+) UTC", shown)
        at = [datetime.fromisoformat(f"{one}+00:00") for one in read]
        assert at == [first + timedelta(seconds=n * every_s) for n in range(30)]
        minutes = {phase // 60 for phase in range(phase_s, DAY, every_s)}
        assert of_cron(cron.times(every_s, phase_s)) == minutes
        listed = launchd.times(every_s, phase_s)
        hours = [[one["Hour"]] if "Hour" in one else range(24) for one in listed]
        pairs = zip(hours, listed, strict=True)
        assert {h * 60 + one["Minute"] for each, one in pairs for h in each} == minutes


def of_cron(text: str) -> set[int]:
    """List the minutes of a day that a line's first fields name."""

    def field(one: str, end: int) -> range:
        span, _, step = one.partition("/")
        low, _, high = ("0-" + str(end - 1) if span == "*" else span).partition("-")
        return range(int(low), int(high or low) + 1, int(step or 1))

    minute, hour, *rest = text.split()
    assert rest == ["*", "*", "*"]
    return {h * 60 + m for h in field(hour, 24) for m in field(minute, 60)}


def test_no_change_of_summer_time_makes_a_first_run_late() -> None:
    midnight = datetime(2026, 11, 26, 23, 59, 59, tzinfo=UTC)
    assert jobs.first(midnight, DAY, 0) == midnight + timedelta(seconds=1)
    assert jobs.first(midnight, HOUR, 3599) == midnight


@pytest.mark.parametrize("kind", ["systemd", "systemd-system"])
def test_systemd_takes_the_units_and_finds_them_tight(kind: str, tmp_path: Path) -> None:
    """The machine's in a full sandbox; a user's as tight as without privileges can be."""
    user = ["--user"] if kind == "systemd" else []
    made = job(tmp_path / PLAIN)
    paths = written(tmp_path, dict(KINDS[kind].files(made)))
    tool("systemd-analyze", *user, "verify", *paths)
    worst = "65" if user else "15"  # tenths of ten, which is no protection at all
    rate = ("security", "--offline=yes", f"--threshold={worst}", "--no-pager")
    tool("systemd-analyze", *user, *rate, paths[0])
    texts = [Path(path).read_text() for path in paths]
    for line in ("Type=oneshot", "SuccessExitStatus=4 75", "UMask=0077", "TimeoutStartSec=900"):
        assert f"\n{line}\n" in texts[0]
    for line in ("Persistent=true", "RandomizedDelaySec=120", "OnCalendar=*-*-* *:03/10:20 UTC"):
        assert f"\n{line}\n" in texts[1]
    privileged = systemd.MACHINE.split()
    assert all((one in texts[0]) == (kind != "systemd") for one in privileged)


def test_a_percent_sign_left_alone_is_a_mistake_to_systemd(tmp_path: Path) -> None:
    """The same unit passes, and with its quoting undone does not."""
    service, _ = written(tmp_path, systemd.of_user(job(tmp_path / "%h")))
    tool("systemd-analyze", "--user", "verify", service)
    text = Path(service).read_text()
    Path(service).write_text(text.replace("%%", "%"))
    with pytest.raises(AssertionError):
        tool("systemd-analyze", "--user", "verify", service)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_command_is_the_same_in_every_kind(kind: str, tmp_path: Path) -> None:
    """Run by the shell where one runs it; else as the kind's own reading has it."""
    made = job(tmp_path / PLAIN)
    texts = list(KINDS[kind].files(made).values())
    machine = kind == "systemd-system"
    jitter = kind in ("cron", "launchd", "termux")
    words = made.words(jitter=jitter, data=not machine)
    if kind == "launchd":
        assert plistlib.loads(texts[0].encode())["ProgramArguments"] == words
    elif kind == "windows":
        assert windows.read(texts[0]).words == words
    elif kind in ("cron", "termux"):
        text = texts[0]
        if kind == "cron":
            assert text.count("%") == text.count("\\%")
            text = text.split(" ", 5)[5].replace("\\%", "%")
        else:
            made.data.mkdir()
            subprocess.run(["sh", "-n"], input=text, text=True, check=True)
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == words[1:]
    else:
        (line,) = (one for one in texts[0].splitlines() if one.startswith("ExecStart="))
        assert "%h" not in line.replace("%%", "")
        assert "$HOME" not in line.replace("$$", "")
        assert systemd.unquoted(line.partition("=")[2]) == words
    assert "example" not in "".join(texts)
    mark = jobs.MARK.search(texts[0])
    assert mark
    assert (mark["every"], mark["until"]) == ("10m", "2027-02-24")
    data, options = jobs.parse_words(words)
    assert (data, options) == (None if machine else made.data, made.options)


def test_what_no_kind_can_hold_is_refused(tmp_path: Path) -> None:
    made = job(tmp_path)
    for kind in KINDS.values():
        with pytest.raises(UserError, match="control characters"):
            kind.files(replace(made, options=("a\nb",)))
    with pytest.raises(UserError, match="plainer"):
        systemd.of_user(replace(made, python="/opt/$x/python"))
    with pytest.raises(UserError, match="would replace"):
        windows.files(replace(made, data=Path("/a %TEMP% b")))
    with pytest.raises(UserError, match="longer than 999"):
        cron.files(replace(made, options=("x" * 999,)))


@pytest.mark.parametrize("place", ["/home/u/venv/bin/python", "/root/p", "/opt/../root/p"])
def test_the_machine_s_timer_is_refused_for_what_its_sandbox_hides(
    place: str, tmp_path: Path
) -> None:
    for made in (
        replace(job(tmp_path), python=place),
        replace(job(tmp_path), python="/usr/bin/env", options=(place,)),
    ):
        with pytest.raises(UserError, match="pipx install --global keepiton"):
            KINDS["systemd-system"].install(made)


SCHEMA = {
    "Task": "RegistrationInfo Triggers Principals Settings Actions",
    "RegistrationInfo": "Description Documentation",
    "Triggers": "TimeTrigger",
    "TimeTrigger": "Enabled StartBoundary EndBoundary Repetition ExecutionTimeLimit RandomDelay",
    "Repetition": "Interval Duration StopAtDurationEnd",
    "Principals": "Principal",
    "Principal": "UserId LogonType GroupId DisplayName RunLevel",
    "Settings": "AllowStartOnDemand RestartOnFailure MultipleInstancesPolicy"
    " DisallowStartIfOnBatteries StopIfGoingOnBatteries AllowHardTerminate StartWhenAvailable"
    " NetworkProfileName RunOnlyIfNetworkAvailable WakeToRun Enabled Hidden"
    " DeleteExpiredTaskAfter IdleSettings NetworkSettings ExecutionTimeLimit Priority",
    "Actions": "Exec",
    "Exec": "Command Arguments WorkingDirectory",
}
"""What each element may hold, in the order of Microsoft's Task Scheduler Schema."""


def test_a_windows_task_is_as_its_schema_has_it(tmp_path: Path) -> None:
    (text,) = windows.files(job(tmp_path / PLAIN)).values()
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    root = ET.fromstring(text)  # noqa: S314 - our own
    for one in root.iter():
        names = [child.tag.removeprefix(space) for child in one]
        allowed = SCHEMA.get(one.tag.removeprefix(space), "").split()
        assert names == sorted(names, key=allowed.index)
    found = {one.tag.removeprefix(space): one.text for one in root.iter()}
    assert found["StartBoundary"] == "2026-11-26T18:13:20Z"
    assert found["EndBoundary"] == "2027-02-25T00:00:00Z"
    assert (found["Interval"], found["RandomDelay"]) == ("PT10M", "PT120S")
    assert (found["MultipleInstancesPolicy"], found["RunLevel"]) == ("IgnoreNew", "LeastPrivilege")
    assert found["StartWhenAvailable"] == "true"
    assert ET.fromstring(text.encode("utf-16")) is not None  # noqa: S314 - as schtasks gets it


def test_a_launch_agent_is_as_its_manual_has_it(tmp_path: Path) -> None:
    (text,) = launchd.files(job(tmp_path, "6h", 3661)).values()
    agent = plistlib.loads(text.encode())
    assert agent["StartCalendarInterval"] == [{"Hour": h, "Minute": 1} for h in (1, 7, 13, 19)]
    assert (agent["Umask"], agent["ProcessType"]) == (0o077, "Background")
    assert agent["StandardErrorPath"] == str(tmp_path.parent / ODD / "keepiton.log")


TIMER = ("enable keepiton.timer", "restart keepiton.timer")
ANYHOW = "--network none --battery-not-low true"
CALLS = {
    "systemd": (
        "systemctl",
        [f"--user {one}" for one in ("show --property=Version", "daemon-reload", *TIMER)],
        ["--user disable --now keepiton.timer", "--user daemon-reload"],
    ),
    "launchd": (
        "launchctl",
        ["bootout gui/UID/keepiton.probe", "bootstrap gui/UID PATH"],
        ["bootout gui/UID/keepiton.probe"],
    ),
    "termux": (
        "termux-job-scheduler",
        [f"--script PATH --job-id 4806 --period-ms 900000 --persisted true {ANYHOW}"],
        ["--cancel --job-id 4806"],
    ),
}


@pytest.mark.parametrize("kind", CALLS)
def test_what_is_installed_is_found_and_removed_and_another_s_file_is_left_alone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own command is a stand-in that notes how it is called: none of them is here."""
    name, install, remove = CALLS[kind]
    calls, home = tmp_path / "calls", tmp_path / "home"
    stand_in = tmp_path / "bin" / name
    stand_in.parent.mkdir()
    stand_in.write_text(f'#!/bin/sh\necho "$*" >> {calls}\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    made, one = job(tmp_path / PLAIN, "15m"), KINDS[kind]
    places = [Path(path) for path in one.files(made)]

    def called() -> list[str]:
        text = calls.read_text().replace(str(places[0]), "PATH")
        calls.unlink()
        return text.replace(f"gui/{os.getuid()}", "gui/UID").splitlines()

    one.install(made)
    assert called() == install
    assert {path.read_text() for path in places} == set(one.files(made).values())
    found = one.find()
    assert found
    assert list(found.words) == made.words(jitter=kind != "systemd")
    one.install(replace(made, every_s=EVERY["20m"]))
    assert all("every 20m" in path.read_text() for path in places)
    calls.unlink()
    one.remove()
    assert called() == remove
    assert not any(path.exists() for path in places)
    assert one.find() is None
    places[0].write_text("made by hand\n")
    with pytest.raises(UserError, match="not written by keepiton"):
        one.install(made)
    assert places[0].read_text() == "made by hand\n"


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def alone(tmp_path: Path) -> Run:
    """Run a command with a crontab, a home and a data folder of its own: the real one, hidden."""
    if os.geteuid() or not shutil.which("crontab"):
        pytest.skip("needs root, and Debian's cron")
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "root").write_bytes(BY_HAND)
    (spool / "root").chmod(0o600)
    env = {
        "HOME": str(tmp_path),
        "KEEPITON_DATA": str(tmp_path / ODD),
        "KEEPITON_NO_DOH": "1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE / "guard"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }

    def run(*words: str) -> "subprocess.CompletedProcess[bytes]":
        if words[0] in ("schedule", "wipe"):
            words = (lab_module.KEEPITON, *words)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", IN_SPOOL, "sh", str(spool), *words],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env=env,
        )

    return run


def test_a_line_comes_into_a_real_crontab_is_renewed_and_leaves_no_trace(
    alone: Run, tmp_path: Path
) -> None:
    entry = '[[target]]\nid = "s"\nurl = "http://127.0.0.1:9/secret-target"\n'
    head = 'title = "t"\nrisk = "high"\nwhy = "it is"\n'
    (tmp_path / "mine.toml").write_text(head + entry)
    run_options = ("--", "--perspective", "inside", "--allow-private", "mine.toml")
    refused = alone("schedule", "--install", "--kind", "cron", *run_options)
    assert refused.returncode == 2
    assert b"add --accept-risk" in refused.stderr
    assert alone("crontab", "-l").stdout == BY_HAND
    accepted = ("--", "--accept-risk", "high", *run_options[1:])
    done = alone("schedule", "--install", "--kind", "cron", "--days", "30", *accepted)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode().splitlines()
    said = said[said.index("Installed: crontab") :]
    assert len(said) <= 10
    until = datetime.now(UTC).date() + timedelta(days=30)
    assert any(f"The last day is {until}" in line for line in said)
    assert any("tied to whoever pays" in line for line in said)
    table = alone("crontab", "-l").stdout
    assert table.startswith(BY_HAND)
    (line,) = table.removeprefix(BY_HAND).decode().splitlines()
    assert "secret-target" not in line
    words = shlex.split(line.split(" ", 5)[5].replace("\\%", "%"), comments=True)
    own = ["--until", str(until), "--jitter", "120", "--data", str(tmp_path / ODD)]
    rest = ["--perspective", "inside", "--no-doh", "--allow-private", str(tmp_path / "mine.toml")]
    assert words == [sys.executable, "-m", "keepiton", "probe", "-q", *own, *rest]
    state = json.loads((tmp_path / ODD / "state.json").read_text())
    assert (state["perspective"], list(state["accepted"])) == ("inside", ["high"])

    again = alone("schedule", "--install", "--every", "1h")
    assert again.returncode == 0, again.stderr.decode()
    assert b"before the first run" not in again.stderr
    (renewed,) = alone("crontab", "-l").stdout.removeprefix(BY_HAND).decode().splitlines()
    options = shlex.split(renewed.replace("\\%", "%"), comments=True)
    assert options[-len(rest) :] == rest
    later = datetime.now(UTC).date() + timedelta(days=90)
    assert renewed.endswith(f" # keepiton schedule: every 1h until {later}")

    gone = alone("schedule", "--remove")
    assert (gone.returncode, gone.stderr) == (0, b"Removed: crontab\n")
    assert alone("crontab", "-l").stdout == BY_HAND
    gone = alone("schedule", "--remove")
    assert (gone.returncode, gone.stderr) == (0, b"No schedule of keepiton is installed here.\n")


def test_wipe_takes_the_schedule_of_its_folder_away_and_says_so_before(
    alone: Run, tmp_path: Path
) -> None:
    done = alone("schedule", "--install", "--kind", "cron", "--", "--perspective", "outside")
    assert done.returncode == 0, done.stderr.decode()
    other = alone("wipe", "--yes", "--data", str(tmp_path / "other"))
    assert b"nothing to remove" in other.stderr
    assert alone("crontab", "-l").stdout != BY_HAND
    done = alone("wipe", "--yes")
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode()
    assert said.index("the schedule: crontab") < said.index("removed; also look at")
    assert alone("crontab", "-l").stdout == BY_HAND
    assert not (tmp_path / ODD).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--", "--jitter", "9"], "--jitter: not for a schedule: the schedule sets it"),
        (["--", "--dry-run"], "--dry-run: not for a schedule"),
        (["--", "-"], "a schedule has no stdin"),
        (["--", "--nonsense"], "No such option"),
        (["--", "no-such-list"], "no-such-list"),
        (["--every", "7m"], "write 6m or 10m"),
        (["--kind", "termux", "--every", "10m"], "write 15m or more"),
        (["--remove"], "give one of them"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    words: list[str], said: str, alone: Run, tmp_path: Path
) -> None:
    kind = () if "--kind" in words else ("--kind", "cron")
    done = alone("schedule", "--install", *kind, *words)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert (tmp_path / "spool" / "root").read_bytes() == BY_HAND
    assert not (tmp_path / ODD / "results").exists()


def test_without_install_one_file_is_printed_as_it_is_and_nothing_is_written(
    alone: Run, tmp_path: Path
) -> None:
    done = alone("schedule", "--kind", "launchd")
    assert plistlib.loads(done.stdout)["Label"] == "keepiton.probe"
    done = alone("schedule", "--kind", "systemd")
    assert done.stdout.startswith(f"# {tmp_path}/config/systemd/user/keepiton.service\n".encode())
    assert not (tmp_path / ODD).exists()
    assert not (tmp_path / "config").exists()


def test_without_a_manager_of_the_user_s_no_unit_is_left_behind(alone: Run, tmp_path: Path) -> None:
    done = alone("schedule", "--install", "--kind", "systemd", "--", "--perspective", "outside")
    assert done.returncode == 2
    assert b"systemctl --user show" in done.stderr
    assert not (tmp_path / "config").exists()


def test_a_run_without_any_stream_goes_its_way(tmp_path: Path) -> None:
    """As pythonw starts it on Windows."""
    listing = tmp_path / "list.txt"
    listing.write_text("http://127.0.0.1:9/\n")
    command = [sys.executable, "-m", "keepiton", "probe", "-q", "--allow-private", str(listing)]
    command += ["--data", str(tmp_path / "data"), "--until", "2020-01-01"]
    closed = f"{shlex.join(command)} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", closed], check=False).returncode == 0
    assert DataFolderState.model_validate_json(
        (tmp_path / "data/state.json").read_text()
    ).expiry_announced


def test_a_real_run_after_the_last_day_sends_nothing_and_one_before_it_says_so(
    keepiton: Command, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    with loopback.serving(loopback.answering(loopback.page())) as server:
        listing = tmp_path / "list.txt"
        listing.write_text(f"http://127.0.0.1:{server.port}/\n")
        words = ("probe", "-q", str(listing), "--allow-private", "--confirm", "0", "--until")
        ended = [keepiton(*words, "2020-01-01") for _ in range(2)]
        assert [one.returncode for one in ended] == [0, 0]
        assert [len(one.stderr.splitlines()) for one in ended] == [1, 0]
        assert "This schedule ended with 2020-01-01" in ended[0].stderr
        assert not (tmp_path / "data" / "results").exists()
        before = keepiton(*words, str(today + timedelta(days=7)))
    assert len(before.stderr.splitlines()) == 1
    assert "127.0.0.1" not in before.stderr
    assert list((tmp_path / "data" / "results").rglob("*.jsonl"))


UNTIL = date(2027, 2, 24)


def end(memory: DataFolderState, day: date, *, quiet: bool = True) -> bool:
    """Ask on a day whether the schedule is over."""
    at = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
    with click.Context(click.Command("probe")):
        return schedule_expiry.check_expiry(UNTIL, memory, at, quiet=quiet)


def told(
    memory: DataFolderState, capsys: pytest.CaptureFixture[str], first: date, days: int
) -> list[int]:
    """List the days, counted from the last one, on which something is said; asked twice each."""
    said = []
    for day in (first + timedelta(days=n) for n in range(days)):
        over = [end(memory, day), end(memory, day)]
        assert over == [day > UNTIL] * 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) <= 1
        assert all("keepiton schedule --install" in line for line in lines)
        said += [(UNTIL - day).days] * len(lines)
        memory = DataFolderState.model_validate_json(memory.model_dump_json())
    return said


def test_a_schedule_ends_by_itself_and_says_so_before_each_time_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = DataFolderState()
    assert told(memory, capsys, UNTIL - timedelta(days=90), 100) == [14, 7, 1, -1]


def test_a_machine_that_slept_hears_the_nearest_word_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(DataFolderState(), capsys, UNTIL - timedelta(days=5), 10) == [5, 1, -1]


def test_a_clock_that_is_years_ahead_for_one_run_ends_nothing_for_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = DataFolderState()
    for wrong in (date(2031, 1, 1), date(1970, 1, 1), date(2031, 1, 2)):
        assert end(memory, wrong) == (wrong > UNTIL)
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert told(memory, capsys, UNTIL - timedelta(days=30), 40) == [14, 7, 1, -1]
    assert end(memory, date(2031, 1, 1))
    assert capsys.readouterr().err == ""


def test_who_looks_on_hears_of_the_end_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    memory = DataFolderState()
    for _ in range(2):
        assert end(memory, UNTIL + timedelta(days=1), quiet=False)
        assert "This schedule ended with 2027-02-24" in capsys.readouterr().err


def test_what_was_said_of_an_earlier_schedule_is_forgotten(
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = DataFolderState(expiry_announced={"2026-01-01 14": date(2025, 12, 20)})
    end(memory, UNTIL)
    assert "ends today" in capsys.readouterr().err
    assert list(memory.expiry_announced) == ["2027-02-24 1"]
