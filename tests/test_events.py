"""Events: what is shipped is whole, and every mistake in a file is told with its line."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepiton.base.errors import UserError
from keepiton.base.language import LOCALES
from keepiton.lists import events
from keepiton.lists.load import SHIPPED_FOLDER, available, load
from keepiton.lists.types import Event

HEAD = 'title = "x"\nzone = "Europe/Minsk"\n'
ONE = """
[[event]]
id = "one"
title = "One"
start = 2022-02-27
kind = "vote"
where = "national"
precision = "day"
source = "a page"
confidence = "high"
"""
OURS = SHIPPED_FOLDER / "by" / "events.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def only(folder: Path, text: str) -> Event:
    (event,) = events.read(written(folder, text)).event
    return event


def spans() -> dict[str, tuple[datetime, datetime]]:
    return {one.id: one.span() for one in events.read(OURS).event}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # year, month and so on


def test_shipped_events_are_whole() -> None:
    """Every one has its source and its title in three languages, and they are in order."""
    listed = events.of_country("by")
    assert listed
    assert (listed.country, listed.zone) == ("by", "Europe/Minsk")
    ids = [one.id for one in listed.event]
    assert len(set(ids)) == len(ids) == 34
    assert {one.id for one in listed.event if one.kind == "vote"} == {
        "election-2020",
        "referendum-2022",
        "election-2025",
    }
    known = {one.operator for name in available() for one in load([name]).targets}
    for one in listed.event:
        title_ru, title_be = one.title_in("ru"), one.title_in("be")
        assert one.source.strip()
        assert all((one.title, title_ru, title_be)), one.id
        assert len({one.title, title_ru, title_be}) == 3, one.id
        assert not set("ІіЎў") & set(title_ru), one.id
        assert not set("ИиЩщЪъ") & set(title_be.replace("Настоящее", "")), one.id
        assert set(one.operators) <= known | {"ntec"}, one.id
        words = f"{one.title} {one.where} {one.note} {title_ru} {title_be}".lower()
        assert not any(word in words for word in ("shutdown", "шатдаун", "отключение")), one.id
        assert ("shutdown" in one.id) == ("shutdown" in one.kind), one.id
    starts = [str(one.start)[:10] for one in listed.event]
    assert starts == sorted(starts)
    assert events.of_country("zz") is None


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("referendum-2022", (2022, 2, 26, 21), (2022, 2, 27, 21)),
        ("election-2020", (2020, 8, 8, 21), (2020, 8, 9, 21)),
        ("election-2025", (2025, 1, 25, 21), (2025, 1, 26, 21)),
        ("shutdown-2020-08-09", (2020, 8, 9, 18), (2020, 8, 10, 0)),
        ("shutdown-envelope-2020-08-09", (2020, 8, 8, 21), (2020, 8, 12, 21)),
        ("mobile-cut-2020-08-26", (2020, 8, 26, 17, 40), (2020, 8, 26, 21)),
        ("inbound-geoblock-2025-01-25", (2025, 1, 25, 7), (2025, 1, 27, 20, 59)),
        ("site-blocking-2021-05", (2021, 4, 30, 21), (2021, 5, 31, 21)),
    ],
)
def test_spans_are_instants(name: str, begin: tuple[int, ...], end: tuple[int, ...]) -> None:
    assert spans()[name] == (utc(*begin), utc(*end))


def test_a_day_is_as_long_as_its_zone_makes_it(tmp_path: Path) -> None:
    text = HEAD.replace("Minsk", "Berlin") + ONE.replace("02-27", "03-27")
    event = only(tmp_path, text)
    assert event.span() == (utc(2022, 3, 26, 23), utc(2022, 3, 27, 22))
    assert event.zone == "Europe/Berlin"


def test_an_event_may_have_a_zone_of_its_own(tmp_path: Path) -> None:
    event = only(tmp_path, HEAD + ONE + 'zone = "UTC"\n')
    assert event.span() == (utc(2022, 2, 27), utc(2022, 2, 28))
    hours = ONE.replace("2022-02-27", "2022-02-27T08:00:00+03:00\nend = 2022-02-28")
    assert only(tmp_path, HEAD + hours).span() == (utc(2022, 2, 27, 5), utc(2022, 2, 28, 21))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "One"', 'titel = "One"', '5: event "one", titel: unknown key; did you mean'),
        ("start", 'title_rr = "x"\nstart', 'event "one", title_rr: unknown key; did you mean'),
        ("2022-02-27", '"2022-02-27"', '6: event "one", start: neither a date nor an instant'),
        ("2022-02-27", "2022-02-27T06:00:00", '6: event "one", start: neither a date nor an'),
        ("2022-02-27", "1645920000", "without quotation marks"),
        ("2022-02-27", "0001-01-01", '6: event "one", start: a year lies between 1970 and 2099'),
        ("2022-02-27", "2022-02-30", "6: not TOML"),
        ("start = 2022-02-27\n", "", '3: event "one", start: missing; give a date or an instant'),
        ("kind", "end = 2022-02-26\nkind", '7: event "one", end: is not after its start; write'),
        ("kind", "end = 2022-02-26T21:00:00Z\nkind", '7: event "one", end: is not after its'),
        ('"one"', '"One day"', '4: event "One day", id: String should match pattern'),
        ('"vote"', '"Vote!"', '7: event "one", kind: '),
        ('"day"', '"week"', """(found 'week'); write "minute", "hour", "day" or "month\""""),
        ('"a page"', '""', '10: event "one", source: '),
        ('"high"', '"sure"', '11: event "one", confidence: '),
        ('"vote"', '"vote"\noperators = ["A 1"]', '8: event "one", operators: '),
        ('"vote"', '"vote"\noperators = "a1"', 'a list of ids, such as ["a1"]'),
        ("Europe/Minsk", "Europe/Pinsk", "2: zone: no such time zone (found 'Europe/Pinsk'"),
        ("Europe/Minsk", "../etc", "2: zone: no such time zone"),
        ('zone = "Europe/Minsk"\n', "", 'zone: missing; give a time zone such as "Europe/Minsk"'),
        ("[[event]]", "[[evnt]]", "evnt: unknown key; did you mean event?"),
        ("[[event]]", "[event]", "event: "),
        ('high"\n', 'high"\n' + ONE, '14: event "one", id: already used in line 4; choose another'),
    ],
)
def test_every_mistake_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path, (HEAD + ONE.lstrip()).replace(old, new, 1))
    with pytest.raises(UserError) as raised:
        events.read(path)
    assert str(raised.value).startswith(f"{path}:")
    assert said in str(raised.value)


def test_a_title_may_be_in_every_language_there_is(tmp_path: Path) -> None:
    """The English title stands in where there is none."""
    codes = [code for code in LOCALES if code != "en"]
    for code in codes:
        event = only(tmp_path, HEAD + ONE + f'title_{code} = "X"\n')
        assert event.title_in(code) == "X"
        assert {event.title_in(other) for other in LOCALES if other != code} == {event.title}


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = HEAD + ONE.replace("high", "sure").replace("kind", "knid")
    with pytest.raises(UserError) as raised:
        events.read(written(tmp_path, text))
    assert len(str(raised.value).splitlines()) == 3
    with pytest.raises(UserError, match="cannot be read"):
        events.read(tmp_path / "none.toml")


def test_an_event_is_found_by_its_id(tmp_path: Path) -> None:
    """A person's own file comes first; of a wrong id the nearest and the known ones are named."""
    ours = events.read(OURS)
    mine = events.read(written(tmp_path, HEAD + ONE.replace('"one"', '"referendum-2022"')))
    assert events.find("referendum-2022", [mine, ours]).title == "One"
    assert events.find("election-2020", [mine, ours]).kind == "vote"
    with pytest.raises(UserError) as raised:
        events.find("referendum2022", [ours])
    said = str(raised.value)
    assert said.startswith("referendum2022: no such event; did you mean referendum-2022? known")
    assert "shutdown-2020-08-09" in said
    with pytest.raises(UserError, match="x: no such event; known events: none"):
        events.find("x", [])


def test_events_are_no_target_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("events" in name for name in available())
    assert load(["by"]).targets
    monkeypatch.chdir(SHIPPED_FOLDER)
    assert load(["by"]).targets
    folder = tmp_path / "zz"
    folder.mkdir()
    (folder / "events.toml").write_text(HEAD + ONE)
    (folder / "list.toml").write_text(
        'title = "x"\n[[target]]\nid = "a"\nurl = "https://a.example/"\n'
    )
    assert [one.id for one in load([str(folder)]).targets if not one.control] == ["a"]


def test_what_is_not_known_of_an_event_is_absent_and_not_empty() -> None:
    for one in tomllib.loads(OURS.read_text(encoding="utf-8"))["event"]:
        assert all(one.values()), one["id"]
