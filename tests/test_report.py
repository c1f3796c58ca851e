"""Reports: what a journalist prints and a sceptic checks, safe wherever it is shown."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from keepiton.detect import Policy, detect
from keepiton.model import LineState, clean
from keepiton.report import RENDERERS, Report, common, table
from keepiton.report.coarse import coarsen
from keepiton.report.csv import cell
from keepiton.report.defang import defang, name
from keepiton.report.markdown import escape
from test_detect import START, STEP, rounds

HOSTILE = "=cmd|' /C calc'!A0\x1b]0;pwned\x07\u202e<script>|`[x](http://evil.example)"


def a_report(marks: str = "..xxx..", target: str = "www.a.example", zone: str = "UTC") -> Report:
    lines = [LineState("r1", "v1", "outside", START, "down")]
    series = rounds(marks, target, operator="alpha")
    now = START + 10 * STEP
    findings = detect(series, lines, Policy(), now)
    return Report(
        findings=findings,
        windows=findings.windows,
        lines=findings.lines,
        statuses=findings.operators,
        policy=Policy(),
        zone=UTC if zone == "UTC" else ZoneInfo(zone),
        now=now,
        files=7,
        unsealed=1,
    )


def test_the_table_says_when_how_long_for_whom_and_what_would_refute_it() -> None:
    text = RENDERERS["table"](a_report())
    assert "www.a.example (target), seen from outside" in text
    assert "began      between 2022-02-27 08:10 and 2022-02-27 08:20" in text
    assert "ended      between 2022-02-27 08:40 and 2022-02-27 08:50" in text
    assert "lasted     20 min to 40 min" in text
    assert "3 of 3 rounds failed: tcp generic_timeout_error (3)" in text
    assert "1 saw it (v1), 0 silent; 100% of the time observed" in text
    assert "refuted by an answer of www.a.example to anyone outside in that time" in text
    assert "Times are UTC." in text
    assert "own line down" in text
    assert "1 of 7 files unsealed" in text
    assert "neither up nor down" in text


def test_the_zone_asked_for_is_the_zone_shown_and_named() -> None:
    text = RENDERERS["table"](a_report(zone="Europe/Minsk"))
    assert "Times are Europe/Minsk." in text
    assert "between 2022-02-27 11:10 and 2022-02-27 11:20" in text
    assert "2022-02-27T08:10:00.000Z" in RENDERERS["json"](a_report(zone="Europe/Minsk"))


@pytest.mark.parametrize("form", RENDERERS)
def test_no_form_claims_more_than_a_disruption(form: str) -> None:
    text = RENDERERS[form](a_report()).lower()
    for word in ("shutdown", "censor", "blocked"):
        assert word not in text


@pytest.mark.parametrize("form", RENDERERS)
def test_no_window_is_not_called_all_well(form: str) -> None:
    text = RENDERERS[form](a_report("......."))
    if form in ("table", "md"):
        assert "No disruption found in this data." in text
        assert "neither up nor down" in text


@pytest.mark.parametrize("form", RENDERERS)
def test_hostile_names_do_no_harm_anywhere(form: str) -> None:
    text = RENDERERS[form](a_report(target=clean(HOSTILE)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    if form == "csv":
        (row,) = csv.DictReader(io.StringIO(text))
        assert row["subject"].startswith("'=cmd")
    if form == "md":
        assert "<script>" not in text
        assert "[x](" not in text
        assert "http://" not in text
        assert all(
            line.count("|") - line.count("\\|") == 10 for line in text.splitlines() if "cmd" in line
        )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    assert cell(start + "1+1") == "'" + start + "1+1"
    assert cell(("a", start)) == f"a; {start}"


def test_markdown_links_nothing() -> None:
    assert "www." not in escape("www.a.example")
    assert "://" not in escape("https://a.example")


def test_json_is_whole_and_csv_opens_in_a_spreadsheet() -> None:
    whole = json.loads(RENDERERS["json"](a_report()))
    (window,) = whole["windows"]
    assert window["start_earliest"] == "2022-02-27T08:10:00.000Z"
    assert window["failures"] == {"tcp generic_timeout_error": 3}
    assert whole["policy"]["min_bad"] == 2
    (row,) = csv.DictReader(io.StringIO(RENDERERS["csv"](a_report())))
    assert row["id"] == window["id"]
    assert row["rounds_bad"] == "3"


def test_the_status_table_fits_80_columns_and_says_how_old_it_is() -> None:
    text = table.status(a_report("..xxx"), width=80)
    assert "newest data 60 min old" in text
    assert "! disrupted" in text
    rows = [line for line in text.splitlines() if line.startswith("alpha")]
    assert len(rows) == 1
    assert len(rows[0]) <= 80
    assert "0 of 1" in rows[0]
    assert "02-27 08:10..08:20" in rows[0]
    assert "90 min ago" in rows[0]


def test_coarse_times_stay_true_and_give_no_exact_one_away() -> None:
    exact = replace(a_report(), statuses=())
    rough = coarsen(exact, timedelta(hours=1))
    (one,), (other,) = exact.windows, rough.windows
    assert other.start_earliest
    assert other.end_latest
    assert other.start_earliest <= (one.start_earliest or START) <= one.start_latest
    assert one.start_latest <= other.start_latest
    assert other.end_earliest <= one.end_earliest
    assert (one.end_latest or START) <= other.end_latest
    for form, render in RENDERERS.items():
        text = render(rough)
        for minute in ("10", "20", "40", "50"):
            assert f"08:{minute}" not in text, form
        assert one.witness not in text
        assert one.id not in text


def test_defanged_names_are_no_links() -> None:
    report = defang(a_report(target="www.a.example"))
    for form, render in RENDERERS.items():
        assert "a.example" not in render(report), form
    assert "www[.]a[.]example" in RENDERERS["table"](report)
    assert name("https://a.example/") == "https[://]a[.]example/"


def test_durations_are_ranges_or_lower_bounds() -> None:
    (whole,) = a_report("..xxx..").windows
    (open_end,) = a_report("..xxx").windows
    assert common.duration(whole) == "20 min to 40 min"
    assert common.duration(open_end) == "at least 20 min"
    assert common.ended(open_end, UTC) == "not yet at 2022-02-27 08:40 (last observation)"


def test_terminal_escapes_and_direction_marks_are_cleaned() -> None:
    assert clean("a\x1b[2J\u202eb\x9bc\n") == "a\ufffd[2J\ufffdb\ufffdc\ufffd"
    assert len(clean("x" * 10_000)) == 200


def test_a_period_in_hours_reads_as_hours() -> None:
    (window,) = a_report("." + "x" * 31 + ".").windows
    assert common.duration(window) == "5 h 00 min to 5 h 20 min"
    assert window.end_earliest - window.start_latest == timedelta(hours=5)
    assert isinstance(window.start_latest, datetime)
