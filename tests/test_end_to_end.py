"""The whole way through, with the installed command, real servers and a real cut."""

import json
import os
import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import traces
from lab import (
    CLIENT,
    KEEPITON,
    NAME_SERVER,
    RESOLVER,
    SITES,
    SPEED,
    Lab,
    addresses_of,
    missing,
)

ALPHA = f"ip daddr {addresses_of(['alpha-1.test', 'alpha-2.test'])}"
FOREIGN = addresses_of(["foreign-1.test", "foreign-2.test", "foreign-3.test"])
EVERYTHING = f"ip saddr {CLIENT} drop"


POLICY = """\
clock_from_s = 1e9  # the servers' clocks are right here, and ours is put back by years
"""


@pytest.fixture
def policy(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return "--policy", str(path)


def report(lab: Lab, *words: str, at: str) -> dict[str, Any]:
    done = lab.run("report", "--format", "json", *words, at=at)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_an_event_from_targets_to_windows(
    open_lab: Lab, tmp_path: Path, policy: tuple[str, str]
) -> None:
    """One operator is cut, then our own line: the report shows the first and not the second."""
    lab, data = open_lab, tmp_path / "data"
    story = [
        ("08:00:00", "", 0),
        ("08:10:00", "", 0),
        ("08:20:00", f"{ALPHA} drop", 0),
        ("08:30:00", f"{ALPHA} tcp dport 443 reject with tcp reset", 0),
        ("08:40:00", f"{ALPHA} reject with icmp host-unreachable", 0),
        ("08:50:00", EVERYTHING, 4),
        ("09:00:00", "unplugged", 4),
        ("09:10:00", "", 0),
        ("09:20:00", "", 0),
    ]
    for at, rules, code in story:
        if rules == "unplugged":
            lab.link("down")
        else:
            lab.link("up")
            lab.nft(rules)
        done = lab.probe(
            data, "--vantage", "v-one", "--perspective", "outside", at=f"2022-02-27 {at}"
        )
        assert done.returncode == code, (at, done.stderr)
        if code == 4:
            assert "this machine's own line is down" in done.stderr
    found = report(lab, "--data", str(data), *policy, at="2022-02-27 09:30:00")
    (window,) = found["windows"]
    assert (window["scope"], window["subject"]) == ("operator", "alpha")
    assert "2022-02-27T07:59:58" <= window["start_earliest"] < "2022-02-27T08:12"
    assert window["start_latest"].startswith("2022-02-27T08:20")
    assert "2022-02-27T08:39:58" <= window["end_earliest"] < "2022-02-27T08:42"
    assert "2022-02-27T09:10" <= window["end_latest"] < "2022-02-27T09:22"
    assert window["targets"] == ["alpha-1.test", "alpha-2.test"]
    assert window["failures"] == {
        "tcp connection_refused": 2,
        "tcp generic_timeout_error": 2,
        "tcp host_unreachable": 2,
    }
    assert (window["confidence_label"], window["layer"]) == ("likely", "tcp")
    assert window["verdict"] == "unreachable from outside; no data from inside"
    (own,) = found["vantage_outages"]
    assert (own["scope"], own["subject"]) == ("own_line", "v-one")
    assert own["start_latest"].startswith("2022-02-27T08:50")
    assert "2022-02-27T08:59:58" <= own["end_earliest"] < "2022-02-27T09:01"
    (period,) = found["connectivity_periods"]
    assert (period["connectivity"], period["runs"]) == ("down", 2)
    assert period["start"].startswith("2022-02-27T08:50")
    for one in window["evidence"]:
        witness = rows_of(next(data.rglob(one["file"])))[one["line"] - 1]
        assert (witness["state"], witness["target"]) == ("fail", one["target"])
    rows = rows_of(next(data.rglob(window["evidence"][0]["file"])))
    bad = [row for row in rows if row.get("failure") == "generic_timeout_error"]
    assert {row["target"] for row in bad} == {"alpha-1.test", "alpha-2.test"}
    assert {row["attempt"] for row in bad} == {1, 2}, "each failure was confirmed"
    six = [row for path in data.rglob("*.jsonl") for row in rows_of(path) if row.get("family") == 6]
    assert len(six) >= len(story) - 2, "asked in every run that could resolve"
    assert {(row["target"], row["state"], row["reason"]) for row in six} == {
        ("beta-1.test", "inconclusive", "no_route")
    }, "no IPv6 here is nobody's disruption"
    web = [row for row in rows if row.get("stage") == "http" and row["target"] == "beta-1.test"]
    assert {row["http_version"] for row in web} == {"HTTP/2"}, "spoken where it is offered"
    masked = [row for path in data.rglob("*T0850*") for row in rows_of(path)]
    states = {row["state"] for row in masked if row.get("stage") and not row.get("control")}
    assert states == {"inconclusive"}
    words = ("--data", str(data), *policy)
    text = lab.run("report", *words, "--tz", "Europe/Minsk", at="2022-02-27 09:30:00")
    ended = r"ended      27 Feb 2022, between 11:(39|4[01]) and 12:[12]\d \(08:"
    assert re.search(ended, text.stdout)
    quick = lab.run("status", *words, at="2022-02-27 09:30:00").stdout
    assert re.search(r"alpha +\+ up +27 Feb \d\d:(39|4[01])–\d\d:[12]\d +2 of 2", quick), quick


def test_two_vantages_and_a_border_seen_from_inside(open_lab: Lab, tmp_path: Path) -> None:
    lab, data = open_lab, tmp_path / "data"
    lab.nft(f"ip daddr {FOREIGN} drop\nip daddr 5.45.83.53 drop")
    words = ("--vantage", "v-in", "--perspective", "inside")
    done = lab.probe(data, *words, "-v", at="2022-02-27 08:00:00")
    assert done.returncode == 0, done.stderr
    assert "Abroad did not answer, domestic controls did" in done.stderr
    outside = lab.probe(
        tmp_path / "two", "--vantage", "v-out", "--perspective", "outside", at="2022-02-27 08:00:00"
    )
    assert outside.returncode == 4
    found = report(lab, str(data), str(tmp_path / "two"), at="2022-02-27 08:30:00")
    assert found["basis"]["vantages"] == ["v-in", "v-out"]
    assert {(one["vantage"], one["connectivity"]) for one in found["connectivity_periods"]} == {
        ("v-in", "border"),
        ("v-out", "down"),
    }


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def until_a_target_is_asked(data: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for part in data.rglob("*.part"):
            if any(not row.get("control") and row.get("stage") for row in rows_of(part)[1:]):
                return
        time.sleep(0.02)
    raise AssertionError("no target was asked")


def test_a_line_that_dies_in_mid_run_raises_no_window(open_lab: Lab, tmp_path: Path) -> None:
    """What failed after the last good look is nobody's disruption."""
    lab, data = open_lab, tmp_path / "data"
    assert lab.probe(data, at="2022-02-27 08:00:00").returncode == 0
    for minute in (10, 20):
        lab.nft("")
        words = lab.command(
            *lab.words(data),
            "--rate",
            "1",
            "--again",
            "-q",
            at=f"2022-02-27 08:{minute}:00",
            speed=SPEED,
        )
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with subprocess.Popen(words, env=env) as process:
            until_a_target_is_asked(data)
            lab.nft(EVERYTHING)
            assert process.wait(60) == 4
    found = report(lab, "--data", str(data), at="2022-02-27 08:45:00")
    assert found["windows"] == []
    rows = [row for path in data.rglob("*.jsonl") for row in rows_of(path)]
    lost = [row for row in rows if row.get("failure") and not row.get("control")]
    assert lost, "the line died while targets were being asked"


def test_a_runs_packets_go_to_listed_hosts_and_resolvers_only(
    open_lab: Lab, tmp_path: Path
) -> None:
    """And nothing that it writes or prints names this machine."""
    lab, data = open_lab, tmp_path / "data"
    seen: set[str] = set()
    with lab.capture(seen):
        done = lab.probe(data, "-v")
        reports = [
            lab.run(*words, "--data", str(data)).stdout
            for words in (
                ["report"],
                ["report", "--format", "json"],
                ["report", "--format", "csv"],
                ["report", "--format", "md"],
                ["status"],
                ["status", "--by", "target"],
            )
        ]
    assert seen == {*SITES.values(), RESOLVER, NAME_SERVER}
    assert "Results: " in done.stderr
    printed = done.stderr.replace(str(data), "")
    written = [path.read_bytes().decode("latin-1") for path in data.rglob("*") if path.is_file()]
    for text in [*written, *reports, printed, done.stdout]:
        # The resolver may name the volunteer's provider or router.
        assert not traces(text, CLIENT, RESOLVER)


def test_not_below_five_minutes_without_saying_so(open_lab: Lab, tmp_path: Path) -> None:
    lab, data = open_lab, tmp_path / "data"

    def run(at: str, *more: str) -> subprocess.CompletedProcess[str]:
        return lab.run(*lab.words(data), "--rate", "200", *more, at=at, speed=SPEED)

    assert run("2022-02-27 08:00:00").returncode == 0
    soon = run("2022-02-27 08:03:00")
    assert soon.returncode == 2
    assert "less than 5 minutes ago; wait until 2022-02-27T08:05:" in soon.stderr
    assert "add --again" in soon.stderr
    assert run("2022-02-27 08:03:30", "--again").returncode == 0
    assert run("2022-02-27 08:08:10").returncode == 0, "a schedule of five minutes, a little early"
    assert run("2022-02-27 08:20:00").returncode == 0
    assert run("2021-02-27 08:20:00").returncode == 0, "a clock that jumped back"


def test_manners_one_connection_in_two_seconds_to_one_address(
    open_lab: Lab, tmp_path: Path
) -> None:
    lab = open_lab
    site = SITES["beta-1.test"]
    entries = "".join(f'[[target]]\nid = "p{n}"\nurl = "http://{site}/{n}"\n' for n in range(3))
    path = tmp_path / "list.toml"
    path.write_text(
        'title = "x"\n'
        + entries
        + "".join(
            f'[[target]]\nid = "c{n}"\nurl = "http://{SITES[f"foreign-{n}.test"]}/"\n'
            'control = "foreign"\n'
            for n in (1, 2, 3)
        )
    )
    done = lab.run(
        *("probe", str(path), "--data", str(tmp_path / "data"), "--again", "--rate", "1000"),
        "--no-doh",
    )
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "data").rglob("*.jsonl")
    rows = rows_of(result)
    at = sorted(row["at"] for row in rows if row.get("stage") == "tcp" and row["address"] == site)
    seconds = [int(one[14:16]) * 60 + float(one[17:23]) for one in at]
    gaps = [(after - before) % 3600 for before, after in pairwise(seconds)]
    assert len(gaps) == 2
    assert all(1.95 <= gap < 4 for gap in gaps)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_without_any_network_the_shipped_list_says_so_within_a_minute(tmp_path: Path) -> None:
    data = tmp_path / "data"
    began = time.monotonic()
    done = subprocess.run(
        ["unshare", "-n", KEEPITON, "probe", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert time.monotonic() - began < 60
    assert done.returncode == 4
    assert "this machine's own line is down: results are inconclusive" in done.stderr
    (result,) = data.rglob("*.jsonl")
    rows = rows_of(result)
    assert rows[-1]["line"] == "down"
    assert {row["state"] for row in rows[1:-1]} == {"inconclusive", "skipped"}
    assert {row["reason"] for row in rows[1:-1]} <= {"no_route", "perspective"}


def test_a_run_whose_way_out_changes_is_mixed_and_shows_nothing(
    open_lab: Lab, tmp_path: Path, policy: tuple[str, str]
) -> None:
    """A VPN comes up in mid-run: nobody knows any more which network was looked at."""
    lab, data = open_lab, tmp_path / "data"
    assert lab.probe(data, at="2022-02-27 08:00:00").returncode == 0
    words = lab.command(*lab.words(data), "--rate", "1", "--again", at="2022-02-27 08:10:00")
    env = os.environ | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) as process:
        until_a_target_is_asked(data)
        with lab.router([], own="5.45.67.9"):
            said = process.communicate(timeout=60)[1]
    assert process.returncode == 4
    assert "way out changed" in said
    first, second = sorted(data.rglob("*.jsonl"))
    assert [rows_of(one)[-1]["line"] for one in (first, second)] == ["up", "mixed"]
    found = json.loads(lab.run("findings", str(second), "--format", "json").stdout)
    rules = {one["rule"] for one in found} - {"no_route"}  # IPv6 came with the VPN
    assert rules == {"line_mixed"}
    shown = report(lab, "--data", str(data), at="2022-02-27 08:20:00")
    assert [one["connectivity"] for one in shown["connectivity_periods"]] == ["mixed"]
    quick = lab.run("status", "--data", str(data), *policy, at="2022-02-27 08:20:00").stdout
    assert re.search(r"alpha +\? unknown +answered (19|20) min ago", quick), quick
    assert "5.45.67.9" not in second.read_text() + said
