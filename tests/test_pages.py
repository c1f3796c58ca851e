"""Pages that are published: they stand alone, say what they must, and harm nobody."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from pydantic import TypeAdapter

import browser
import generate
from keepiton.base import language
from keepiton.base.language import LOCALES
from keepiton.base.types import clean
from keepiton.lists.types import Event
from keepiton.report import phrases, status, vocabulary
from keepiton.report.build import build
from keepiton.report.defang import defang
from keepiton.report.formats import REPORT_FORMATS, STATUS_FORMATS
from keepiton.report.types import ExternalSeries, Report
from keepiton.storage.rounds import ReadResult
from keepiton.storage.rows import FileSeal
from timelines import START, STEP, Watch, rounds

DOCS = Path(__file__).parent.parent / "docs"
MINSK = ZoneInfo("Europe/Minsk")
EVENT = Event.model_validate(
    {
        "id": "vote",
        "title": "A vote",
        "title_ru": "Голосование",
        "title_be": "Галасаванне",
        "start": datetime(2022, 2, 28, 5, tzinfo=UTC),
        "end": datetime(2022, 2, 28, 17, tzinfo=UTC),
        "zone": "Europe/Minsk",
        "kind": "vote",
        "where": "national",
        "precision": "hour",
        "source": "https://events.example/vote",
        "confidence": "high",
    }
)
HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}</svg>\x1b[31m\u202e'
DAYS = 3
N = DAYS * 144


def watches(*, hostile: bool = False) -> list[Watch]:
    """Give three vantages' three days: an operator out for two hours, one slow, a border cut."""
    marks = {}
    for operator in ("alpha", "beta", "gamma"):
        for n in range(3):
            mark = ["."] * N
            if operator == "alpha":
                mark[150:162] = "x" * 12
            if operator == "beta":
                mark[220:250] = "~" * 30
            if operator == "gamma" and n == 0:
                mark[300:320] = "d" * 20
            name = clean(HOSTILE).replace(" ", "_") if hostile and n == 0 else f"www{n}"
            marks[f"{name}.{operator}.example@{operator}"] = "".join(mark)
    line = "." * 180 + "x" * 9 + "." * (N - 189)
    return [
        Watch("v-one", marks, line=line),
        Watch("v-two", marks),
        Watch("v-three", marks, inside=True, line="." * 330 + "b" * 12 + "." * (N - 342)),
    ]


@cache
def a_report(code: str = "en", *, hostile: bool = False) -> Report:
    """Build a report of these days with an event and other people's figures."""
    hours = [(START + timedelta(hours=n), 0.5 if n % 7 else None) for n in range(DAYS * 24)]
    made = build(
        ReadResult(rounds(*watches(hostile=hostile)), files=N * 3, unsealed=1, bad_lines={}),
        MINSK,
        START + N * STEP,
        most=240,
        language=language.load(code),
        event=EVENT,
        events=(EVENT,),
        external=(
            ExternalSeries(
                "IODA", "bgp, BY" + (clean(HOSTILE) if hostile else ""), tuple(hours), 3600.0
            ),
        ),
    )
    assert made
    sealed = FileSeal("v-one", made.windows[0].evidence[0].file, "0" * 64)
    return replace(made, sealed=(sealed,))


def page(form: str, made: Report) -> str:
    """Write one."""
    text = REPORT_FORMATS[form].render(made)
    assert isinstance(text, str)
    return text


class Tags(HTMLParser):
    """Gathers what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.inside[self._open] = self.inside.get(self._open, "") + data


PAGES = ("html", "disclosure-html")


@pytest.mark.parametrize("form", PAGES)
def test_a_page_loads_nothing_and_links_nothing(form: str) -> None:
    made = Tags(page(form, a_report()))
    names = {tag for tag, _ in made.tags}
    assert not names & {"a", "link", "img", "iframe", "object", "embed", "form", "base", "image"}
    for tag, attributes in made.tags:
        assert not {"src", "href", "xlink:href", "srcset", "style", "action"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")]
        assert "http-equiv" not in attributes or "refresh" not in str(attributes)


@pytest.mark.parametrize("form", PAGES)
def test_its_policy_forbids_all_but_its_own_style_and_script(form: str) -> None:
    made = Tags(page(form, a_report()))
    (policy,) = (
        attributes["content"]
        for tag, attributes in made.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy
    hashes = {
        name: base64.b64encode(sha256(made.inside[name].encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{hashes['style']}'",
        f"script-src 'sha256-{hashes['script']}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.parametrize("form", [*PAGES, "svg"])
def test_hostile_names_stay_text(form: str) -> None:
    text = page(form, a_report(hostile=True))
    assert "<img" not in text
    assert "onerror=alert(1)>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "{{7*7}}" in text or form == "svg"  # not 49: no template is made of a name
    assert text.count("</svg>") == text.count("<svg")


def test_the_page_says_what_it_must() -> None:
    made = a_report()
    text = page("html", made)
    for said in (
        "What this can show, and what it cannot",
        "It cannot show who caused that",
        "refuted by",
        "Times are Europe/Minsk, in brackets UTC.",
        "v-three",
        "recovery_s=14400",
        made.windows[0].evidence[0].file,
        "0" * 64,
        "Before, during and after: A vote",
        "IODA: bgp, BY",
        "no data",
        "made up: it says nothing of who they are",
        "the resolver says that the name does not exist",
    ):
        assert said in text, said
    for one in made.windows:
        assert one.id in text
    assert "shutdown" not in text.lower()


def test_times_are_in_the_zone_and_utc_also_over_midnight() -> None:
    made = a_report()
    at = datetime(2022, 2, 27, 22, 30, tzinfo=UTC)
    assert phrases.instant(at, made) == "28 Feb 2022, 01:30 (27 Feb, 22:30 UTC)"
    assert phrases.between(at, at + timedelta(minutes=10), made).startswith("between 28 Feb 2022")
    noon = datetime(2022, 2, 27, 12, tzinfo=UTC)
    assert phrases.between(noon, noon + timedelta(minutes=10), made) == (
        "27 Feb 2022, between 15:00 and 15:10 (12:00-12:10 UTC)"
    )


def test_events_change_nothing_of_what_is_found() -> None:
    with_event = a_report()
    made = build(
        ReadResult(rounds(*watches()), files=1, unsealed=0, bad_lines={}), MINSK, START + N * STEP
    )
    assert made
    assert made.windows == with_event.windows
    assert made.vantage_outages == with_event.vantage_outages


@pytest.mark.parametrize("form", ["table", "md", "html", "disclosure", "disclosure-html"])
def test_every_text_tells_the_comparison(form: str) -> None:
    text = page(form, a_report()).replace("\\", "")
    assert re.search(r"-1\d points \(-\d+ to -?\d+\)", text)
    assert "A vote" in text


def test_an_event_is_compared_with_the_time_around_it() -> None:
    rows = [phrases.comparison_cells(one, a_report()) for one in a_report().comparisons]
    (alpha,) = (row for row in rows if row[:2] == ["alpha", "outside"])
    assert len(alpha) == len(vocabulary.COMPARISON_HEADER)
    assert alpha[2].startswith("100%")
    assert re.match(r"8\d% \(\d+ rounds\)", alpha[3])
    assert re.match(r"-1\d points \(-\d+ to -?\d+\)", alpha[5])
    assert alpha[9] == "1"
    (beta,) = (row for row in rows if row[:2] == ["beta", "outside"])
    assert re.fullmatch(r"\d+ / \d+ / \d+ ms", beta[7])
    assert re.fullmatch(r"-?\d+ ms \(-?\d+ to \d+\)", beta[8])


@pytest.mark.parametrize("code", LOCALES)
def test_a_page_is_small_and_whole_in_every_language(code: str) -> None:
    for form in PAGES:
        text = page(form, a_report(code))
        assert f'<html lang="{code}">' in text
        assert len(text.encode()) < 300_000
    assert (EVENT.title_in("ru") in text) == (code == "ru")


@pytest.fixture(scope="module")
def chromium() -> None:
    """Skip where there is no browser."""
    if reason := browser.missing():
        pytest.skip(reason)


def views(code: str, form: str) -> Iterator[browser.View]:
    yield browser.View(f"{code}-wide")
    yield browser.View(f"{code}-phone", width=360, height=740)
    yield browser.View(f"{code}-print", print=True)
    if (code, form) == ("en", "html"):
        yield browser.View(f"{code}-dark", dark=True)
        yield browser.View(f"{code}-plain", scripts=False)


OPENED = [*(("html", code) for code in LOCALES), ("disclosure-html", "ru"), ("status", "be")]


@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize(("form", "code"), OPENED)
def test_a_real_browser_finds_nothing_wrong(form: str, code: str, tmp_path: Path) -> None:
    """No console error, no request, nothing that axe-core finds, no sideways scrolling."""
    made = a_report(code)
    text = STATUS_FORMATS["html"].render(made) if form == "status" else page(form, made)
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    for name, seen in browser.look(file, tmp_path / "pictures", list(views(code, form))).items():
        assert (seen.console, seen.requests, seen.axe) == ([], [], []), name
        assert seen.scroll_width <= (360 if name.endswith("phone") else 1280), name


ASK = """
(() => {
  const table = document.getElementById("windows");
  const rows = () => [...table.tBodies].filter((one) => !one.hidden).map((one) => one.id);
  const heads = [...table.tHead.rows[0].cells];
  const before = rows();
  heads[5].querySelector("button").click();
  const up = rows(), sorted = heads[5].getAttribute("aria-sort");
  heads[5].querySelector("button").click();
  const down = rows();
  const field = document.querySelector("input[type=search]");
  field.value = "Gamma.example";
  field.dispatchEvent(new Event("input"));
  const only = rows();
  const open = [...table.querySelectorAll("details")].length;
  return { before, up, sorted, down, only, open };
})()
"""


@pytest.mark.usefixtures("chromium")
def test_the_table_of_windows_sorts_and_filters(tmp_path: Path) -> None:
    """By how long they lasted, and by what a row or its evidence holds."""
    made = a_report()
    file = tmp_path / "page.html"
    file.write_text(page("html", made), encoding="utf-8")
    seen = browser.look(file, tmp_path, [browser.View("table", ask=ASK)])["table"]
    told = seen.told
    assert (seen.console, seen.axe) == ([], [])
    ids = {one.id: one for one in made.windows}
    assert told["before"] == sorted(ids, key=lambda one: ids[one].start)
    lasted = [ids[one].end_earliest - ids[one].start_latest for one in told["up"]]
    assert lasted == sorted(lasted)
    assert told["sorted"] == "ascending"
    assert told["down"] == told["up"][::-1]
    assert 0 < len(told["only"]) < len(ids)
    assert set(told["only"]) == {
        one.id
        for one in made.windows
        if any("gamma.example" in name for name in (one.subject, *one.targets))
    }
    assert told["open"] == len(ids)


def test_the_published_schemas_are_those_of_the_json() -> None:
    for path, model in generate.SCHEMAS.items():
        assert json.loads(path.read_text()) == TypeAdapter(model).json_schema()
    made = a_report()
    for name, text in (
        ("report.schema.json", page("json", made)),
        ("status.schema.json", STATUS_FORMATS["json"].render(made)),
    ):
        jsonschema.validate(json.loads(text), json.loads((DOCS / "reference" / name).read_text()))


def test_json_lines_are_the_windows_of_the_json() -> None:
    made = a_report()
    lines = [json.loads(line) for line in page("jsonl", made).splitlines()]
    assert lines == json.loads(page("json", made))["windows"]


def test_a_feed_keeps_its_ids_and_dates_every_entry() -> None:
    from xml.etree import ElementTree as ET  # noqa: PLC0415

    atom = "{http://www.w3.org/2005/Atom}"
    made = a_report("ru", hostile=True)

    def ids(report: Report) -> list[str]:
        feed = ET.fromstring(page("atom", report))  # noqa: S314 - our own
        for name in ("id", "title", "updated", "author"):
            assert feed.find(atom + name) is not None
        entries = feed.findall(atom + "entry")
        for entry in entries:
            for name in ("id", "title", "updated", "summary"):
                assert entry.findtext(atom + name), name
            updated = entry.findtext(atom + "updated") or ""
            assert datetime.fromisoformat(updated) <= report.now
        return [entry.findtext(atom + "id") or "" for entry in entries]

    assert len(set(ids(made))) == len(made.windows)
    assert ids(made) == ids(replace(made, now=made.now + timedelta(days=1)))
    assert "likely" in page("atom", made)  # machine formats stay English


def test_prometheus_reads_what_is_written() -> None:
    made = a_report(hostile=True)
    for text in (page("prometheus", made), STATUS_FORMATS["prometheus"].render(made)):
        assert text.endswith("\n")
        helped = set()
        for line in text.splitlines():
            if line.startswith("# "):
                helped.add(line.split()[2])
                continue
            found = re.fullmatch(
                r'(\w+)(\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? (-?[0-9.e+]+|NaN)', line
            )
            assert found, line
            assert found[1] in helped
    assert 'keepiton_state{operator="alpha",perspective="outside",state="up"} 1' in text


def test_a_picture_is_a_picture() -> None:
    made = REPORT_FORMATS["png"].render(a_report("ru"))
    assert isinstance(made, bytes)
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(made) > 20_000


def test_a_disclosure_sheet_is_there_for_every_operator_that_was_touched() -> None:
    made = a_report()
    text = page("disclosure", made)
    touched = {name for one in made.windows for name in one.operators}
    titles = re.findall(r"^# Disclosure sheet: (\w+)\. A vote$", text, re.MULTILINE)
    assert sorted(titles) == sorted(touched)
    for said in (
        "When, what and for how long",
        "How it was measured",
        "What is unknown",
        "Evidence attached",
        "What only the operator can say",
        "SHA-256 0000",
    ):
        assert said in text


def test_what_is_defanged_is_so_on_pages_too() -> None:
    for form in (*PAGES, "svg", "atom", "jsonl", "disclosure"):
        text = page(form, defang(a_report()))
        assert "alpha.example" not in text
        assert "events.example" not in text


@cache
def now_report(code: str = "en", by: str = "operator") -> Report:
    """Build what status shows, an hour after the last run."""
    made = build(
        ReadResult(rounds(*watches()), files=1, unsealed=0, bad_lines={}),
        MINSK,
        START + (N + 3) * STEP,
        by=by,  # type: ignore[arg-type]
        language=language.load(code),
    )
    assert made
    return made


@pytest.mark.parametrize("code", LOCALES)
@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_status_fits_its_screen_in_every_language(width: int, code: str) -> None:
    from rich.cells import cell_len  # noqa: PLC0415

    for by in ("operator", "target", "stage", "vantage"):
        text = STATUS_FORMATS["table"].render(replace(now_report(code, by), width=width))
        for line in text.splitlines():
            assert cell_len(line) <= width, line
        assert "\x1b" not in text


def test_a_status_says_first_that_its_data_is_old() -> None:
    made = now_report()
    assert phrases.warning(made) is None
    old = replace(made, now=made.now + timedelta(days=3))
    for form in ("table", "md", "html"):
        text = STATUS_FORMATS[form].render(old)
        assert "OLD DATA" in text
    assert STATUS_FORMATS["table"].render(old).startswith("!! OLD DATA: the newest is from")


def test_a_trend_tells_answers_from_failures_from_silence_from_not_knowing() -> None:
    marks = "." * 36 + "x" * 12 + " " * 24 + "." * 36 + "x." * 18
    line = "." * 72 + "." * 18 + "x" * 18 + "." * 36
    made = build(
        ReadResult(rounds(Watch("v1", {"a@alpha": marks}, line=line)), 1, 0, {}),
        UTC,
        START + 143 * STEP,
    )
    assert made
    (one,) = (one for one in made.statuses if one.subject == "alpha")
    drawn = phrases.strip(one.trend, 24)
    assert len(drawn) == 24
    assert drawn[:5] == "█" * 5
    assert drawn[6:8] == "▁▁"
    assert vocabulary.NOTHING in drawn[8:12]
    assert vocabulary.HIDDEN in drawn[15:18]
    assert "▅" in drawn[18:]


def test_states_by_stage_and_by_vantage() -> None:
    marks = "." * 30 + "d" * 6
    watch = Watch("v1", {f"{n}@alpha": marks for n in "abc"}, line="." * 36)
    other = Watch("v2", {f"{n}@alpha": "." * 36 for n in "abc"}, line="." * 30 + "x" * 6)
    rows = ReadResult(rounds(watch, other), 1, 0, {})
    now = START + 36 * STEP

    def told(by: str) -> dict[str, str]:
        made = build(rows, UTC, now, by=by)  # type: ignore[arg-type]
        assert made
        return {one.subject: one.state for one in made.statuses}

    assert told("stage")["dns"] in ("disrupted", "partial")
    assert told("stage")["tcp"] == "up"
    assert told("vantage")["v2"] == "unknown"
    assert told("vantage")["v1"] in ("disrupted", "partial")


def test_a_spreadsheet_of_states_is_whole_and_safe() -> None:
    import csv  # noqa: PLC0415
    import io  # noqa: PLC0415

    found = list(csv.DictReader(io.StringIO(STATUS_FORMATS["csv"].render(now_report()))))
    assert {row["subject"] for row in found} >= {"alpha", "beta", "gamma"}
    assert tuple(found[0]) == status.HEADER
