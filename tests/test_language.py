"""Every text is there in every language, in the right form, and says what it said."""

import re
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import catalogue
from catalogue import TRANSLATED
from keepiton.base import language
from keepiton.base.errors import UserError
from keepiton.base.language import LOCALES
from keepiton.cli.consent import first_run
from keepiton.detect import Policy
from keepiton.report import vocabulary
from timelines import Watch, found

ROOT = Path(__file__).parent.parent


def forms(message: object) -> list[str]:
    """Return the texts of a message or of its translation."""
    return list(message) if isinstance(message, list | tuple) else [str(message)]


def fields(text: str) -> set[str]:
    """Name what is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_text_is_missing_fuzzy_or_left_over(code: str) -> None:
    there = catalogue.read(code)
    wanted = {message for message, _ in catalogue.texts()}
    known = {tuple(one.id) if isinstance(one.id, list) else one.id for one in there if one.id}
    assert known == wanted
    assert [one.id for one in there if one.fuzzy and one.id] == []
    assert [one.id for one in there if one.id and not all(forms(one.string))] == []
    assert not there.obsolete


@pytest.mark.parametrize("code", TRANSLATED)
def test_what_is_filled_in_is_the_same_in_every_form(code: str) -> None:
    for one in catalogue.read(code):
        if not one.id:
            continue
        wanted = set().union(*map(fields, forms(one.id)))
        for text in forms(one.string):
            assert fields(text) - {"n"} == wanted - {"n"}, one.id
            assert ("\x08" in text) == ("\x08" in forms(one.id)[0]), one.id


@pytest.mark.parametrize("code", TRANSLATED)
def test_plurals_have_the_three_forms_of_the_slavic_languages(code: str) -> None:
    words = language.load(code)
    stems: dict[int, str] = {}
    for n in (1, 2, 5, 11, 21, 22, 25, 101, 111):
        text = words.ngettext("{n} run", "{n} runs", n)
        assert text.startswith(words.number(n))
        stems[n] = text.split(maxsplit=1)[1]
    assert stems[1] == stems[21] == stems[101]
    assert stems[2] == stems[22]
    assert stems[5] == stems[11] == stems[25] == stems[111]
    assert len(set(stems.values())) == 3


def test_dates_and_numbers_are_the_locales() -> None:
    at = datetime(2022, 2, 27, 8, 52, tzinfo=UTC)
    told: dict[str, tuple[str, ...]] = {
        code: (words.instant(at, UTC), words.confidence(0.95), words.percent(0.5))
        for code in language.LOCALES
        for words in [language.load(code)]
    }
    told = {
        code: tuple(one.replace("\xa0", " ").replace("\u202f", " ") for one in texts)
        for code, texts in told.items()
    }
    assert told == {
        "en": ("27 Feb 2022, 08:52", "0.95", "50%"),
        "ru": ("27 февр. 2022 г., 08:52", "0,95", "50 %"),
        "be": ("27 лют 2022, 08:52", "0,95", "50 %"),
    }
    assert language.load("be").duration(timedelta(minutes=125)) == "2 гадз 5 хв"
    assert language.load("ru").duration(timedelta(days=3, hours=4)) == "3 дн. 4 ч"
    assert language.load("en").duration(timedelta(minutes=35)) == "35 min"


def test_a_value_is_never_taken_for_a_form() -> None:
    for code in language.LOCALES:
        words = language.load(code)
        assert "{zone.__class__}" in words.gettext("Times are {zone}.", zone="{zone.__class__}")


def test_the_systems_language_is_taken_where_it_is_ours() -> None:
    for environment, code in (
        ({"LANG": "be_BY.UTF-8"}, "be"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "ru", "LANG": "be_BY"}, "ru"),
        ({"LANG": "uk_UA.UTF-8"}, "en"),
        ({}, "en"),
    ):
        assert language.of_system(environment) == code


def test_an_unknown_language_is_named_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"--lang \.\./x: no such language; known: en, ru, be"):
        language.load("../x")


def test_whatever_detection_says_can_be_translated() -> None:
    """Verdicts and words of sureness are made there and shown here."""
    calm, out, rest = "." * 40, "x" * 10, "." * 40
    seen = set()
    for inside in ("only", "none", "both", "answers"):
        marks = {
            f"{n}.{operator}@{operator}": calm + out + rest for n in range(3) for operator in "ab"
        }
        fine = dict.fromkeys(marks, "." * 90)
        line = calm + "b" * 10 + rest
        watches = {
            "only": [Watch("v1", marks, inside=True, line=line)],
            "none": [Watch("v1", marks)],
            "both": [Watch("v1", marks), Watch("v2", marks, inside=True, line=line)],
            "answers": [Watch("v1", marks), Watch("v2", fine, inside=True)],
        }[inside]
        made = found(*watches, policy=Policy())
        for one in (*made.windows, *made.vantage_outages):
            seen.add(one.verdict)
            assert one.confidence_label in vocabulary.CONFIDENCE_LABELS
            assert one.verdict in vocabulary.VERDICTS
    assert len(seen) > 3
    text = (ROOT / "src" / "keepiton" / "detect" / "windows.py").read_text()
    for stated in re.findall(r'return "([a-z; ]+)"', text):
        assert stated in (*vocabulary.VERDICTS, *vocabulary.CONFIDENCE_LABELS)


HEADING = re.compile(r"^#+ ", re.MULTILINE)
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", TRANSLATED)
def test_the_readmes_say_the_same(code: str) -> None:
    """As many headings of each depth, in order; the same code, but for comments and output."""
    english, other = ((ROOT / name).read_text() for name in ("README.md", f"README.{code}.md"))

    def shape(text: str) -> list[str]:
        return [one.strip() for one in HEADING.findall(BLOCK.sub("", text))]

    def code_of(text: str) -> list[str]:
        return [
            "\n".join(line.partition("  #")[0].rstrip() for line in block.splitlines())
            for block in BLOCK.findall(text)
        ]

    assert shape(other) == shape(english)
    assert code_of(other) == code_of(english)
    links = [set(re.findall(r"\]\(([^)]+)\)", text)) for text in (english, other)]
    assert {one for one in links[0] if "README" not in one} == {
        one for one in links[1] if "README" not in one
    }


def test_what_is_said_before_the_first_run_is_said_in_every_language() -> None:
    text = first_run(Path("{x}"))
    assert text.startswith("keepiton, before the first run (said once):")
    assert text.count("--no-doh") == text.count("keepiton wipe") == len(LOCALES)
    assert "lie on your disk: {x}\n" in text
