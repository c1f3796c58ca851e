"""Detection reads as timelines: one mark a run, ten minutes apart.

``.`` all answered, ``x`` all failed, ``?`` the own line was down, a blank: no run.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepiton.detect import Policy, detect
from keepiton.line import Tally, masks, verdict
from keepiton.model import Detected, LineState, Perspective, Round, Window

START = datetime(2022, 2, 27, 8, tzinfo=UTC)
STEP = timedelta(minutes=10)


def rounds(
    marks: str,
    target: str = "t",
    vantage: str = "v1",
    operator: str | None = None,
    perspective: Perspective = "outside",
    offset: timedelta = timedelta(0),
) -> list[Round]:
    state = {".": True, "x": False, "?": None}
    return [
        Round(
            run=f"{vantage}-{number}",
            vantage=vantage,
            perspective=perspective,
            target=target,
            operator=operator,
            control=None,
            at=START + number * STEP + offset,
            reached=state[mark],
            stage=None if mark == "." else "tcp",
            failure=None if mark == "." else "generic_timeout_error",
            file=f"{vantage}-{number}.jsonl",
        )
        for number, mark in enumerate(marks)
        if mark != " "
    ]


def found(*series: list[Round], after: int = 1000) -> Detected:
    everything = [one for each in series for one in each]
    return detect(everything, [], Policy(), START + after * STEP)


def spans(findings: Detected) -> list[tuple[int, int]]:
    """First bad and last bad run of every window."""
    return [
        ((one.start_latest - START) // STEP, (one.end_earliest - START) // STEP)
        for one in findings.windows
    ]


@pytest.mark.parametrize(
    ("marks", "wanted", "why"),
    [
        ("....xxxx....", [(4, 7)], "an outage"),
        ("....xxxx", [(4, 7)], "still going on at the end"),
        ("xxxx....", [(0, 3)], "it began before anyone looked"),
        ("....x....", [], "one failing run may be a passing fault"),
        ("....x.x.x....", [], "a success between failures breaks them"),
        ("....????....", [], "the own line was down"),
        ("....xx?x....", [(4, 7)], "an own-line hole inside adds nothing and breaks nothing"),
        ("....x??x....", [(4, 7)], "two failures around a hole"),
        ("....    ....", [], "a silent hour is not a disruption"),
        ("....xx  xx..", [(4, 9)], "a silent hour inside one is joined, and lowers the coverage"),
        ("..xx..xx..", [(2, 3), (6, 7)], "two outages"),
        ("xxxxxxxx", [], "what never answered cannot be said to have stopped"),
        ("", [], "nothing"),
    ],
)
def test_timelines(marks: str, wanted: list[tuple[int, int]], why: str) -> None:
    assert spans(found(rounds(marks))) == wanted, why


def only(findings: Detected) -> Window:
    (window,) = findings.windows
    return window


def test_edges_are_the_intervals_between_good_and_bad() -> None:
    window = only(found(rounds("..xxx..")))
    assert (window.start_earliest, window.start_latest) == (START + STEP, START + 2 * STEP)
    assert (window.end_earliest, window.end_latest) == (START + 4 * STEP, START + 5 * STEP)
    assert (window.rounds, window.rounds_bad, window.coverage) == (3, 3, 1.0)
    assert window.failures == {"tcp generic_timeout_error": 3}
    assert window.witness == "v1-2.jsonl"
    assert not window.ongoing


def test_what_goes_on_and_what_nobody_looked_at_afterwards_are_told_apart() -> None:
    assert only(found(rounds("..xx"))).ongoing
    broken_off = found(rounds("..xx" + " " * 80 + "xx.."))
    assert [one.ongoing for one in broken_off.windows] == [False, False]
    assert broken_off.windows[0].end_latest is None
    assert broken_off.windows[1].start_earliest is None


def test_coverage_counts_what_was_really_observed() -> None:
    assert only(found(rounds("....xx  xx...."))).coverage == pytest.approx(4 / 6, abs=0.01)
    assert only(found(rounds("....xx??xx...."))).coverage == pytest.approx(4 / 6, abs=0.01)
    staggered = rounds("...xxx...", vantage="v2", offset=STEP / 2)
    assert only(found(rounds("...xxx..."), staggered)).coverage == 1.0
    holed = rounds("...x x...", vantage="v2", offset=STEP / 2)
    assert only(found(rounds("...xxx..."), holed)).coverage == pytest.approx(5 / 6, abs=0.01)


def test_two_targets_of_an_operator_make_one_operator_window() -> None:
    both = [rounds("...xxx...", target, operator="alpha") for target in ("a", "b")]
    window = only(found(*both))
    assert (window.scope, window.subject, window.targets) == ("operator", "alpha", ("a", "b"))


def test_one_of_three_targets_down_is_that_target_and_not_the_operator() -> None:
    series = [rounds("...xxx...", "a", operator="alpha")]
    series += [rounds(".........", target, operator="alpha") for target in ("b", "c")]
    window = only(found(*series))
    assert (window.scope, window.subject) == ("target", "a")


def test_half_an_operator_is_its_targets_and_not_the_operator() -> None:
    series = [rounds("...xxx...", target, operator="alpha") for target in ("a", "b")]
    series += [rounds(".........", target, operator="alpha") for target in ("c", "d")]
    assert [(one.scope, one.subject) for one in found(*series).windows] == [
        ("target", "a"),
        ("target", "b"),
    ]


def test_targets_without_an_operator_are_no_operator() -> None:
    """Two unrelated sites that fail together are two windows."""
    both = [rounds("...xxx...", target) for target in ("a", "b")]
    assert [one.scope for one in found(*both).windows] == ["target", "target"]
    assert [one.subject for one in found(*both).operators] == ["other"]


def test_two_looks_of_one_run_are_one_observation() -> None:
    """A control is looked at twice a run: one bad run is still one, and an answer decides."""
    again = timedelta(seconds=30)
    assert not found(rounds("...x..."), rounds("...x...", offset=again)).windows
    assert not found(rounds("..xxx.."), rounds("..x.x..", offset=again)).windows
    assert spans(found(rounds("..xx..."), rounds("..xx...", offset=again))) == [(2, 3)]


def test_a_target_that_stays_down_longer_keeps_its_own_window() -> None:
    one = rounds("...xxxxxx", "a", operator="alpha")
    two = rounds("...xxx...", "b", operator="alpha")
    assert [(each.scope, each.subject) for each in found(one, two).windows] == [
        ("operator", "alpha"),
        ("target", "a"),
    ]


def test_a_second_vantage_that_is_answered_refutes_and_one_that_fails_supports() -> None:
    bad = rounds("...xxx...")
    half = STEP / 2
    assert found(bad, rounds(".........", vantage="v2", offset=half)).windows == ()
    window = only(found(bad, rounds("...xxx...", vantage="v2", offset=half)))
    assert window.vantages_for == ("v1", "v2")
    silent = only(found(bad, rounds("...   ...", vantage="v2", offset=half)))
    assert (silent.vantages_for, silent.vantages_silent) == (("v1",), ("v2",))


def test_inside_and_outside_are_not_mixed() -> None:
    window = only(found(rounds("...xxx..."), rounds(".........", "t", "v2", None, "inside")))
    assert window.perspective == "outside"


def test_own_line_trouble_is_listed_by_vantage() -> None:
    lines = [
        LineState(f"r{number}", "v1", "outside", START + number * STEP, line)  # type: ignore[arg-type]
        for number, line in enumerate(["up", "down", "down", "up", "border"])
    ]
    periods = detect(rounds("....."), lines, Policy(), START).lines
    assert [(one.line, one.runs, one.start) for one in periods] == [
        ("down", 2, START + STEP),
        ("border", 1, START + 4 * STEP),
    ]


@pytest.mark.parametrize(
    ("marks", "state", "answering"),
    [
        ("......", "up", 1),
        ("...xxx", "disrupted", 0),
        ("...xx.", "up", 1),
        (".....x", "unknown", 0),
        ("...???", "unknown", 0),
        ("xxxxxx", "unknown", 0),
    ],
)
def test_status_now(marks: str, state: str, answering: int) -> None:
    (status,) = found(rounds(marks, operator="alpha"), after=6).operators
    assert (status.state, status.answering) == (state, answering)


def test_old_data_says_nothing_about_now() -> None:
    (status,) = found(rounds("......", operator="alpha"), after=500).operators
    assert status.state == "no data"
    assert status.last_seen == START + 5 * STEP


def test_half_an_operator_is_partly_and_since_when() -> None:
    series = [rounds("...xxx", "a", operator="alpha"), rounds("......", "b", operator="alpha")]
    (status,) = found(*series, after=6).operators
    assert (status.state, status.answering, status.targets) == ("partly", 1, 2)
    assert status.since == (START + 2 * STEP, START + 3 * STEP)


SERIES = st.text(alphabet=".x? ", max_size=60)


@given(SERIES, SERIES, st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(one: str, two: str, order: random.Random) -> None:
    everything = rounds(one, "a", operator="alpha") + rounds(two, "b", "v2", "alpha")
    shuffled = everything[:]
    order.shuffle(shuffled)
    now = START + 100 * STEP
    assert detect(everything, [], Policy(), now) == detect(shuffled, [], Policy(), now)


@given(SERIES, st.integers(-10_000, 10_000))
def test_a_shifted_clock_shifts_the_windows_and_nothing_else(marks: str, minutes: int) -> None:
    shift = timedelta(minutes=minutes)
    moved = [replace(one, at=one.at + shift) for one in rounds(marks)]
    assert [
        (one.start_latest - shift, one.end_earliest - shift, one.rounds_bad)
        for one in found(moved).windows
    ] == [
        (one.start_latest, one.end_earliest, one.rounds_bad) for one in found(rounds(marks)).windows
    ]


@given(SERIES)
def test_windows_are_ordered_disjoint_and_never_made_of_silence(marks: str) -> None:
    windows = found(rounds(marks)).windows
    for one, after in pairwise(windows):
        assert one.end_earliest < after.start_latest
    for one in windows:
        assert one.rounds_bad >= Policy().min_bad
        assert 0 < one.coverage <= 1
        assert (one.start_earliest or one.start_latest) <= one.start_latest <= one.end_earliest
    assert not found(rounds(marks.replace("x", " "))).windows


@pytest.mark.parametrize(
    ("tally", "outside", "inside"),
    [
        (Tally(8, 8, 4, 4), "up", "up"),
        (Tally(8, 3, 4, 4), "up", "up"),
        (Tally(8, 2, 4, 4), "down", "border"),
        (Tally(8, 0, 4, 2), "down", "border"),
        (Tally(8, 0, 4, 1), "down", "down"),
        (Tally(8, 0, 0, 0), "down", "down"),
        (Tally(8, 8, 4, 0), "up", "up"),
        (Tally(0, 0, 4, 4), "unknown", "unknown"),
        (Tally(8, 4, 4, 0, named=4, unresolved=4), "resolver", "resolver"),
        (Tally(8, 5, 4, 0, named=4, unresolved=3), "up", "up"),
        (Tally(8, 0, 4, 0, named=4, unresolved=4), "down", "down"),
    ],
)
def test_the_own_line(tally: Tally, outside: str, inside: str) -> None:
    assert (verdict(tally, "outside"), verdict(tally, "inside")) == (outside, inside)


def test_what_a_bad_line_hides() -> None:
    assert masks("down", "tcp")
    assert masks("unknown", "tcp")
    assert masks("resolver", "dns")
    assert not masks("resolver", "tcp")
    assert not masks("border", "tcp")
    assert not masks("up", "dns")
