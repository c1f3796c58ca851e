"""Reports: what a journalist prints and a sceptic checks, safe wherever it is shown."""

import csv
import io
import json
import re
from dataclasses import asdict, fields, replace
from datetime import UTC, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from keepiton.base.language import ENGLISH
from keepiton.base.types import clean
from keepiton.detect import Policy
from keepiton.detect.types import Window
from keepiton.report import phrases
from keepiton.report.build import build
from keepiton.report.coarsen import coarsen
from keepiton.report.csv import HEADER, cell
from keepiton.report.defang import defang, name
from keepiton.report.formats import REPORT_FORMATS
from keepiton.report.markdown import escape
from keepiton.report.types import Report
from keepiton.storage.rounds import ReadResult
from keepiton.storage.rows import EvidenceRow
from timelines import START, STEP, Watch, only, rounds

TEXTS = [form for form in REPORT_FORMATS if form != "png"]
HOSTILE = "=cmd|' /C calc'!A0\x1b]0;pwned\x07\u202e<script>|`[x](http://evil.example)"
CALM = "." * 36
OUT = "xxxxxx"
AFTER = 36 + 6 + 36
"""Runs of a whole timeline; what is reported begins at 14:02."""


def rows(*watches: Watch) -> ReadResult:
    return ReadResult(rounds(*watches), files=7, unsealed=1, bad_lines={})


def a_report(
    marks: str = CALM + OUT + CALM,
    target: str = "www.a.example",
    zone: str = "UTC",
    line: str = "",
    policy: Policy = Policy(),  # noqa: B008 - frozen
) -> Report:
    watch = Watch("v1", {f"{target}@alpha": marks}, line=line or "xx" + "." * (len(marks) - 2))
    tz = UTC if zone == "UTC" else ZoneInfo(zone)
    made = build(rows(watch), tz, START + (len(marks) + 2) * STEP, policy=policy)
    assert made
    return made


def written(form: str, made: Report) -> str:
    """Write a report."""
    text = REPORT_FORMATS[form].render(made)
    assert isinstance(text, str)
    return text


def test_the_table_says_when_how_long_for_whom_and_what_would_refute_it() -> None:
    text = written("table", a_report())
    assert "www.a.example (target), seen from outside: likely (0.80)" in text
    assert re.search(r"  began      27 Feb 2022, between 1[34]:\d\d and 14:02", text)
    assert "  ended      27 Feb 2022, between 14:52 and 1" in text
    assert "  lasted     50 min to " in text
    assert "  verdict    unreachable from outside; no data from inside" in text
    assert "  kind       full, at tcp, 100% of the scope's targets affected" in text
    assert "6 of 6 rounds failed: tcp generic_timeout_error (6)" in text
    assert re.search(
        r"1 saw it \(v1\), 0 saw the opposite, 0 silent; (100|9\d)% of the time observed\n", text
    )
    assert "  operators  alpha" in text
    assert "refuted by an answer of www.a.example to anyone outside in that time" in text
    watch = Watch("v1", {})
    assert f"  witness    {watch.file(36)} (www.a.example)" in text
    assert f"  witness    {watch.file(41)} (www.a.example)" in text
    assert "Times are UTC." in text
    assert "own line down" in text
    assert "1 of 7 files unsealed" in text
    assert "neither up nor down" in text


def test_a_witness_is_told_with_its_line_where_that_is_known() -> None:
    made = a_report()
    window = replace(only(made), evidence=(EvidenceRow("x.jsonl", "r", "t", 17),))
    text = written("table", replace(made, windows=(window,)))
    assert "  witness    x.jsonl:17 (t)\n" in text


def test_every_threshold_is_printed_and_what_was_changed_first() -> None:
    usual, changed = a_report(), a_report(policy=Policy(target_bad=3))
    for form in ("table", "md"):
        text = " ".join(written(form, usual).replace("\\", "").split())
        told = dict(re.findall(r"(\w+)=([-+.\de]+)", text))
        assert {name: float(value) for name, value in told.items()} == asdict(Policy())
        assert "(usually" not in text
        text = " ".join(written(form, changed).replace("\\", "").split())
        assert "Thresholds: target_bad=3 (usually 2), recovery_s=" in text
    assert json.loads(written("json", changed))["policy"]["target_bad"] == 3


def test_the_zone_asked_for_is_the_zone_shown_and_named() -> None:
    text = written("table", a_report(zone="Europe/Minsk"))
    assert "Times are Europe/Minsk, in brackets UTC." in text
    assert re.search(
        r"ended      27 Feb 2022, between 17:52 and 1\d:\d\d \(14:52-1\d:\d\d UTC\)", text
    )
    assert "2022-02-27T14:52:" in written("json", a_report(zone="Europe/Minsk"))


@pytest.mark.parametrize("form", TEXTS)
def test_no_form_claims_more_than_a_disruption(form: str) -> None:
    text = written(form, a_report()).lower()
    for word in ("shutdown", "censor", "blocked"):
        assert word not in text


@pytest.mark.parametrize("form", TEXTS)
def test_no_window_is_not_called_all_well(form: str) -> None:
    text = written(form, a_report("." * 12))
    if form not in ("json", "jsonl", "csv", "atom", "prometheus", "svg"):
        assert "No disruption found in this data" in text
        assert "neither up nor down" in text


@pytest.mark.parametrize("form", TEXTS)
def test_hostile_names_do_no_harm_anywhere(form: str) -> None:
    made = a_report(target=clean(HOSTILE))
    window = only(made)
    witness = replace(window.evidence[0], file=clean("=x" + HOSTILE))
    made = replace(made, windows=(replace(window, evidence=(witness,)),))
    text = written(form, made)
    assert "\x1b" not in text
    assert "\u202e" not in text
    if form == "csv":
        (row,) = csv.DictReader(io.StringIO(text))
        assert row["subject"].startswith("'=cmd")
        assert row["evidence"].startswith("'=x")
        assert not [one for one in row.values() if one.startswith(("=", "+", "-", "@"))]
    if form == "md":
        assert "<script>" not in text
        assert "[x](" not in text
        assert "http://" not in text
        assert all(
            line.count("|") - line.count("\\|") == 12
            for line in text.splitlines()
            if line.startswith("|")
        )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert cell(start + "1+1") == "'" + start + "1+1"
    assert cell(("a", start)) == f"a; {start}"


def test_markdown_links_nothing() -> None:
    assert "www." not in escape("www.a.example")
    assert "://" not in escape("https://a.example")


def test_json_is_whole_and_csv_opens_in_a_spreadsheet() -> None:
    whole = json.loads(written("json", a_report()))
    (window,) = whole["windows"]
    assert set(window) == {one.name for one in fields(Window)}
    assert window["start_latest"].startswith("2022-02-27T14:02:46")
    assert window["failures"] == {"tcp generic_timeout_error": 6}
    assert window["verdict"] == "unreachable from outside; no data from inside"
    assert (window["confidence_label"], window["confidence"]) == ("likely", 0.8)
    assert [one["target"] for one in window["evidence"]] == ["www.a.example"] * 2
    assert whole["policy"] == asdict(Policy())
    (row,) = csv.DictReader(io.StringIO(written("csv", a_report())))
    assert tuple(row) == HEADER
    assert set(HEADER) <= set(window)
    assert row["id"] == window["id"]
    assert row["rounds_bad"] == "6"
    assert row["confidence"] == "0.8"
    assert row["start_latest"] == window["start_latest"]


def test_own_line_windows_are_told_apart_from_windows() -> None:
    marks = CALM + OUT + CALM
    made = a_report(marks, line="." * 36 + OUT + "." * 36)
    whole = json.loads(written("json", made))
    assert whole["windows"] == []
    (window,) = whole["vantage_outages"]
    assert (window["scope"], window["subject"]) == ("own_line", "v1")
    assert [one["connectivity"] for one in whole["connectivity_periods"]] == ["down"]
    assert csv_rows(made) == []
    for form in ("table", "md"):
        text = written(form, made)
        assert "No disruption found in this data; some of it is inconclusive" in text
        assert "own line down" in text


def csv_rows(made: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written("csv", made))))


def test_only_what_was_asked_for_is_told_and_found_with_all_there_is() -> None:
    """Controls count whatever was asked for; a window is chosen by what its edges may be."""
    watch = Watch("v1", {"a@alpha": CALM + OUT + CALM, "b@beta": CALM + OUT + CALM})
    now = START + 90 * STEP
    ask = partial(build, rows(watch), UTC, now)
    everything = ask()
    assert everything
    assert [one.scope for one in everything.windows] == ["country"]
    for made in (ask(targets=("a",)), ask(operators=("alpha",))):
        assert made
        assert [(one.scope, one.subject) for one in made.windows] == [("target", "a")]
    assert ask(targets=("nobody",)) is None
    cut = Watch("v1", {"a@alpha": CALM + OUT + CALM}, line=CALM + OUT + CALM)
    masked = build(rows(cut), UTC, now, targets=("a",))
    assert masked
    assert (masked.windows, len(masked.vantage_outages)) == ((), 1)
    early, late = START + 10 * STEP, START + 60 * STEP
    for span, count in (
        ((early, late), 1),
        ((None, early), 0),
        ((late, None), 0),
        ((early, None), 1),
    ):
        made = ask(span=span)
        assert made
        assert len(made.windows) == count
    assert ask(span=(START + 95 * STEP, None)) is None


def test_coarse_times_stay_true_and_give_no_exact_one_away() -> None:
    exact = a_report(CALM + "xxx" + " " * 12 + "xxx" + CALM)
    exact = replace(exact, since=START - STEP, until=START + 1000 * STEP)
    rough = coarsen(exact, timedelta(hours=1))
    (one,), (other,) = exact.windows, rough.windows
    assert other.start_earliest
    assert other.end_latest
    assert other.start_earliest <= (one.start_earliest or START) <= one.start_latest
    assert one.start_latest <= other.start_latest
    assert other.end_earliest <= one.end_earliest
    assert (one.end_latest or START) <= other.end_latest
    (gap,), (wide,) = one.gaps, other.gaps
    assert wide[0] <= gap[0] < gap[1] <= wide[1]
    assert (other.id, other.evidence, other.starts_on_half_hour) == ("", (), False)
    clock = re.compile(r"\d\d:(\d\d)(?::(\d\d(?:\.\d+)?))?")
    for form in TEXTS:
        text = written(form, rough)
        assert {found.group(1) for found in clock.finditer(text)} <= {"00"}, form
        assert {float(found.group(2) or 0) for found in clock.finditer(text)} <= {0.0}, form
        assert one.id not in text
        for witness in one.evidence:
            assert witness.file not in text
            assert witness.run not in text


def test_own_line_windows_are_made_coarse_too() -> None:
    exact = a_report(line="." * 36 + OUT + "." * 36)
    rough = coarsen(exact, timedelta(hours=1))
    assert exact.vantage_outages
    assert {one.start_latest.minute for one in rough.vantage_outages} == {0}
    text = written("json", rough)
    assert exact.vantage_outages[0].id not in text
    assert "14:02" not in text


def test_defanged_names_are_no_links() -> None:
    report = defang(a_report(target="www.a.example"))
    for form in TEXTS:
        assert "a.example" not in written(form, report), form
    assert "www[.]a[.]example" in written("table", report)
    assert name("https://a.example/") == "https[://]a[.]example/"


def test_durations_are_ranges_or_lower_bounds() -> None:
    whole = only(a_report())
    open_end = only(a_report(CALM + OUT))
    assert re.fullmatch(r"50 min to \d+ min", phrases.duration(whole, ENGLISH))
    assert phrases.duration(open_end, ENGLISH) == "at least 50 min"
    assert phrases.ended(open_end, a_report()) == "not yet at 27 Feb 2022, 14:52 (last observation)"


def test_terminal_escapes_and_direction_marks_are_cleaned() -> None:
    assert clean("a\x1b[2J\u202eb\x9bc\n") == "a\ufffd[2J\ufffdb\ufffdc\ufffd"
    assert len(clean("x" * 10_000)) == 200


def test_a_period_in_hours_reads_as_hours() -> None:
    window = only(a_report(CALM + "x" * 31 + CALM))
    assert re.fullmatch(r"(4 hr \d+ min|5 hr) to 5 hr \d+ min", phrases.duration(window, ENGLISH))


def test_came_and_went_and_slow_are_said() -> None:
    slow = only(a_report(CALM + CALM + "~" * 8 + CALM))
    assert phrases.kind(slow, ENGLISH).startswith("degraded, ")
    assert "8 of 8 rounds slow" in phrases.evidence(slow, ENGLISH)
    assert phrases.refuted_by(slow, ENGLISH).startswith("answers as fast as usual")
    assert "came and went" in phrases.kind(replace(slow, flapping=True), ENGLISH)
