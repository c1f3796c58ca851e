"""The drill, with the installed command: a story told, and exactly its windows found."""

import gettext
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import lab
from conftest import HERE, Command, in_folder
from keepiton.base.connectivity import Connectivity
from keepiton.base.language import ENGLISH, Language
from keepiton.cli import detection, summary
from keepiton.commands import drill
from keepiton.detect import detect
from keepiton.drill import story
from keepiton.probe.types import Progress
from keepiton.storage.reader import read
from keepiton.storage.result_files import find

BETA = ("operator", "beta", "both", "degraded", None)
LIED = [("target", one, "inside", "full", "dns") for one in story.FALSE_NAMES]
COUNTRY = ("country", "ZZ", "both", "full", "tls")
OWN = ("own_line", "you", "inside", "full", None)
CHAPTERS = [one.title for one in story.SCENARIOS["all"]]
SINGLE = {"border": COUNTRY, "wifi": OWN}


@dataclass
class Kept:
    """What a drill kept."""

    run: Command
    folder: Path

    def report(self) -> dict[str, Any]:
        """Make the report anew, as the drill says."""
        words = ("--data", str(self.folder), "--policy", str(self.folder / "policy.toml"))
        return dict(json.loads(self.run("report", *words, "--format", "json").stdout))

    def windows(self) -> list[tuple[str | None, ...]]:
        """Say what was found, in order of the names."""
        made = self.report()
        keys = ("scope", "subject", "perspective", "severity", "layer")
        found = (*made["windows"], *made["vantage_outages"])
        return sorted((tuple(one[key] for key in keys) for one in found), key=str)

    def files(self) -> list[list[dict[str, Any]]]:
        """Read the result files, in order of their names."""
        paths = sorted(self.folder.rglob("*.jsonl"))
        return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def played(base: Path, *words: str) -> tuple[Kept, subprocess.CompletedProcess[str]]:
    """Play a drill with the installed command."""
    kept = Kept(in_folder(base), base / "kept")
    return kept, kept.run("drill", "--fast", "-o", str(kept.folder), *words)


@pytest.fixture(scope="module")
def story_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Kept, subprocess.CompletedProcess[str]]:
    """The whole story."""
    return played(tmp_path_factory.mktemp("drill"))


@pytest.fixture(scope="module")
def kept(story_told: tuple[Kept, subprocess.CompletedProcess[str]]) -> Kept:
    """What it kept."""
    return story_told[0]


def test_the_story_is_told_as_it_happens(
    story_told: tuple[Kept, subprocess.CompletedProcess[str]],
) -> None:
    kept, done = story_told
    assert (done.returncode, done.stderr) == (0, "")
    out, _, rest = done.stdout.partition("\nDisruptions.")
    heads = [line[3:] for line in out.splitlines() if line[:1].isdigit() and line[1:3] == ". "]
    assert heads == CHAPTERS
    assert max(map(len, out.splitlines())) < 80
    assert "inside   9 of 9 answered; abroad did not answer, domestic controls did" in out
    assert "outside  0 of 9 answered; at tls: connection_reset (9)" in out
    assert "inside   0 of 9 answered; own line not usable: nothing of this counts" in out
    assert "inside   7 of 9 answered; at dns: dns_bogon_error (2)" in out
    assert "ZZ (country), seen from inside and outside" in rest
    assert "slow_least=3 (usually 50)" in rest
    assert f"keepiton status --data {kept.folder}" in rest


def test_the_report_holds_what_was_told_and_nothing_else(kept: Kept) -> None:
    assert kept.windows() == sorted([BETA, *LIED, COUNTRY, OWN], key=str)
    made = kept.report()
    verdicts = {one["subject"]: one["verdict"] for one in made["windows"]}
    assert verdicts["ZZ"] == "national isolation"
    assert verdicts["news.alpha.example"] == "trouble inside; answers outside"
    (own,) = made["vantage_outages"]
    end = datetime.fromisoformat(own["end_latest"])
    meanwhile = [one for one in made["windows"] if own["start_latest"] < one["start_latest"]]
    assert meanwhile == [], "the own line makes nobody's disruption"
    assert not any(one["ongoing"] for one in made["windows"])
    assert datetime.now(UTC) - end < timedelta(hours=1), "the story ends now"


def test_what_is_kept_can_be_looked_at(kept: Kept) -> None:
    names = {one.name for one in kept.folder.iterdir()}
    assert names >= {"drill.toml", "policy.toml", "results", "report.txt", "report.html"}
    assert "disrupted" not in (quick := kept.run("status", "--data", str(kept.folder)).stdout)
    assert quick.count("+ up") == 7
    checked = kept.run("targets", "check", "--allow-private", str(kept.folder / "drill.toml"))
    assert checked.returncode == 0, checked.stderr


SHAPES = (
    (r"\d{8}T\d{6}Z", "TIME"),
    (r"\d{1,2} [A-Z][a-z]{2,3}( \d{4})?,?", "DAY"),
    (r"\d\d:\d\d", "HH:MM"),
    (r"-[0-9a-f]{12}\.jsonl:\d+", "-RUN:LINE"),
    (r"[▁▂▃▄▅▆▇█·?]{6,}", "STRIP"),
    (r" +", " "),
)
"""What differs from one drill to the next, and what stands in its place to compare."""


def shaped(text: str) -> list[str]:
    for pattern, name in SHAPES:
        text = re.sub(pattern, name, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_readmes_example_is_what_the_program_prints(
    story_told: tuple[Kept, subprocess.CompletedProcess[str]],
) -> None:
    kept, done = story_told
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    block = text.partition("<!-- example -->\n```console\n")[2].partition("```")[0]
    commands = [
        one.split("\n", 1) for one in re.split(r"^\$ keepiton ", block, flags=re.MULTILINE) if one
    ]
    assert [words.split()[0] for words, _ in commands] == ["drill", "report", "status", "report"]
    for words, shown in commands:
        told = [one.replace("drill", str(kept.folder), 1) for one in words.split()[1:]]
        made = done if words.startswith("drill") else kept.run(words.split()[0], *told)
        assert made.returncode == 0, made.stderr
        printed = iter(shaped(made.stdout))
        for line in shaped(shown):
            assert line in printed, line  # and in this order


def test_result_files_are_real_ones_sealed_and_in_a_chain(kept: Kept) -> None:
    assert kept.report()["unsealed"] == 0
    paths = sorted(kept.folder.rglob("*.jsonl"), key=lambda one: one.name.split("-")[1::-1])
    for _vantage, theirs in groupby(paths, lambda one: one.name.split("-")[1]):
        previous = None
        for path in theirs:
            content = path.read_bytes()
            *rows, end = content.splitlines(keepends=True)
            assert json.loads(end)["sha256"] == hashlib.sha256(b"".join(rows)).hexdigest()
            assert json.loads(end).get("previous") == previous
            previous = hashlib.sha256(content).hexdigest()


def test_run_lines_say_that_it_is_a_drill(kept: Kept) -> None:
    assert {rows[0]["settings"]["drill"] for rows in kept.files()} == {True}
    assert {rows[0]["country"] for rows in kept.files()} == {"zz"}


def test_all_instants_are_the_drills(kept: Kept) -> None:
    """Ten minutes lie between two runs on every line, and half a second in truth."""
    for rows in kept.files():
        at = datetime.fromisoformat(rows[0]["planned_at"])
        assert (at.minute % 10, at.second, at.microsecond) == (0, 0, 0)
        texts = [rows[0]["started_at"], *(row["at"] for row in rows[1:-1]), rows[-1]["ended_at"]]
        stamps = [datetime.fromisoformat(one) for one in texts]
        assert all(at <= one < at + story.EVERY / 2 for one in stamps)
    reasons = {row["reason"] for rows in kept.files() for row in rows[1:-1] if "reason" in row}
    assert reasons == {"own_line", "perspective"}, "what is skipped has its instant, too"


def test_nothing_but_loopback_is_contacted(kept: Kept) -> None:
    """The guard of the tests refuses the rest, and no row is of another address."""
    rows = [row for rows in kept.files() for row in rows[1:-1]]
    assert {row["address"] for row in rows if "address" in row} == {"127.0.0.1"}
    lies = {
        one for row in rows if row.get("failure") == "dns_bogon_error" for one in row["answers"]
    }
    assert lies == {"10.10.34.34", "100::34"}


@pytest.mark.parametrize("scenario", SINGLE)
def test_a_chapter_alone(scenario: str, tmp_path: Path) -> None:
    alone, done = played(tmp_path, "--scenario", scenario)
    assert (done.returncode, done.stderr) == (0, "")
    assert alone.windows() == [SINGLE[scenario]]


def test_without_any_network(tmp_path: Path) -> None:
    """In a namespace of its own, where there is nothing but loopback."""
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not permitted")
    assert shutil.which("ip", path=os.environ["PATH"] + ":/usr/sbin")
    words = f"ip link set lo up && exec {lab.KEEPITON} drill --fast --scenario dns -o kept"
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("trouble inside; answers outside") == len(LIED)


class Marked(gettext.NullTranslations):
    """A catalogue that marks what went through it."""

    def gettext(self, message: str) -> str:
        """Mark."""
        return f"<{message}>"


def test_slowness_is_found_wherever_a_week_begins(tmp_path: Path) -> None:
    """Usual durations are told by calendar weeks. And every text of the story is translated.

    The delays are real: a machine that is busy just then gets two more chances.
    """
    for number in range(3):
        try:
            folder = tmp_path / str(number)
            folder.mkdir()
            slowness_is_found(folder)
        except (AssertionError, ValueError):
            if number == 2:
                raise
        else:
            break


def slowness_is_found(tmp_path: Path) -> None:
    said: list[str] = []
    at = datetime(2022, 2, 24, 0, 25, tzinfo=UTC)
    words = Language("en", Marked())
    story.run_story(story.SCENARIOS["slow"], tmp_path, at, words, said.append, fast=True)
    assert all("<" in one for one in said if one), [one for one in said if "<" not in one]
    last = at.replace(minute=20)
    runs = [rows[0]["started_at"] for rows in Kept(in_folder(tmp_path), tmp_path).files()]
    begun = [datetime.fromisoformat(one) for one in sorted(runs)]
    assert last <= begun[-1] < last + timedelta(seconds=1), "the clock handed in is used"
    rounds = read(find([tmp_path])).rounds
    policy = detection.policy_from(tmp_path / "policy.toml")
    for step in range(len(begun) // 2 + 1):  # the week begins before each run, and after all
        later_ms = step * story.EVERY // timedelta(milliseconds=1) - 21 * 60_000
        moved = replace(rounds, at=rounds.at + later_ms)
        (found,) = detect(moved, policy, at + timedelta(hours=3)).windows
        key = (found.scope, found.subject, found.perspective, found.severity, found.layer)
        assert key == BETA, step


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_nothing_stays(number: int, code: int, tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(HERE / "guard")}
    words = [lab.KEEPITON, "drill", "--fast"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if b"  inside " in line:
                break
        time.sleep(0.15)  # into the midst of the next run
        process.send_signal(number)
        rest, complaint = process.communicate(timeout=10)
    assert process.returncode == code
    assert rest.count(b"\n") <= 1
    assert b"Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []


def test_without_an_output_nothing_stays(keepiton: Command, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = keepiton("drill", "--fast", "--scenario", "calm", env={"TMPDIR": str(tmp_path / "tmp")})
    assert (done.returncode, done.stderr) == (0, "")
    assert "No disruption" in done.stdout
    assert str(tmp_path / "tmp" / "keepiton-") in done.stdout.replace("\n", "")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_mistakes_are_told_in_a_line(keepiton: Command, tmp_path: Path) -> None:
    assert tuple(story.SCENARIOS) == drill.SCENARIOS
    assert keepiton("drill", "--scenario", "flood").returncode == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    full = keepiton("drill", "-o", "full")
    assert (full.returncode, full.stderr) == (
        2,
        "keepiton: --output full: not empty; name a new folder\n",
    )
    under = keepiton("drill", "-o", "full/file/kept")
    assert (under.returncode, under.stdout) == (5, "")
    assert under.stderr == "keepiton: full/file/kept: not written: Not a directory\n"


def test_who_is_offline_is_told_of_the_drill() -> None:
    down, up = (Progress(connectivities=[Connectivity(verdict)]) for verdict in ("down", "up"))
    assert "keepiton drill" in summary.offline_text(down, ENGLISH)
    assert "keepiton drill" not in summary.offline_text(up, ENGLISH)
