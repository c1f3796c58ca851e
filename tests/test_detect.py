"""Detection reads as timelines: marks, one a run, ten minutes apart (tests/timelines.py)."""

import random
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keepiton.detect
from keepiton.base.connectivity import Connectivity, ControlTally, verdict
from keepiton.detect import Policy, detect
from keepiton.detect.types import Detection
from timelines import START, STEP, Watch, found, only, rounds, spans, steps

CALM = "." * 36
"""Six good hours: the noise is known, and what comes next begins at 14:02."""
AT = len(CALM)
LATE = timedelta(minutes=3)


def calm(marks: str) -> str:
    return CALM + marks + CALM


def one(marks: str, target: str = "t", vantage: str = "v1", **more: object) -> Watch:
    """One vantage that looks at one target, in calm before and after."""
    return Watch(vantage, {target: calm(marks)}, **more)  # type: ignore[arg-type]


def several(marks: str, count: int, target: str = "t") -> list[Watch]:
    """Several vantages that look at one target, three minutes after each other."""
    return [one(marks, target, f"v{n}", late=n * LATE) for n in range(count)]


@pytest.mark.parametrize(
    ("marks", "wanted", "why"),
    [
        ("", [], "nothing failed"),
        ("x", [], "one failing run may be a passing fault, even a confirmed one"),
        ("xxx", [(0, 2)], "three confirmed ones are not"),
        ("xxxxxxxxxxxx", [(0, 11)], "an outage"),
        ("s", [], "a single failure"),
        ("ss", [], "two"),
        ("ssssssssss", [(0, 9)], "HTTP alone fails for long"),
        ("tttttttttt", [(0, 9)], "TLS alone fails for long"),
        ("xxxx" + "." * 24 + "xxxx", [(0, 3), (28, 31)], "two outages, four hours apart"),
        ("xxxxxx..xxxxxx", [(0, 13)], "one lucky stretch of twenty minutes"),
        (" " * 12, [], "a silent time is not a disruption"),
        ("xxx" + " " * 12 + "xxx", [(0, 17)], "a silent time inside one is joined"),
    ],
)
def test_timelines(marks: str, wanted: list[tuple[int, int]], why: str) -> None:
    whole = [("t", AT + first, AT + last) for first, last in wanted]
    told = spans(found(one(marks)).windows)
    assert [(name, round(first), round(last)) for name, first, last in told] == whole, why


def test_it_may_have_begun_before_anyone_looked_and_not_have_ended() -> None:
    before = only(found(Watch("v1", {"t": "xxxxxx" + CALM})))
    assert before.start_earliest is None
    assert not before.ongoing
    after = only(found(Watch("v1", {"t": CALM + "xxxxxx"})))
    assert (after.end, after.end_latest) == (None, None)
    assert after.ongoing
    assert steps(after.end_earliest) == pytest.approx(AT + 5, abs=0.2)


@pytest.mark.parametrize("marks", ["..xxx..", "..xxxx..", "...xxx...", "..xxxxxx..", "...xxxxx..."])
def test_two_answers_before_and_after_bound_it_even_in_a_short_series(marks: str) -> None:
    window = only(found(Watch("v1", {"t": marks})))
    assert window.severity == "full"
    assert window.start_earliest is not None
    assert window.end_latest is not None
    assert not window.ongoing
    assert window.rounds_bad == marks.count("x")


def test_what_never_answered_cannot_have_stopped() -> None:
    findings = found(Watch("v1", {"t": "x" * 60, "u": "." * 60}))
    assert findings.windows == ()
    assert findings.never_answered == ("t",)
    both = found(Watch("v1", {"a@alpha": calm("xxxx"), "b@alpha": "x" * 76}))
    assert [(each.scope, each.targets) for each in both.windows] == [("target", ("a",))]


def test_three_vantages_need_one_run_and_two_need_two() -> None:
    assert found(*several("x", 1)).windows == ()
    window = only(found(*several("x", 3)))
    assert window.vantages_for == ("v0", "v1", "v2")
    assert (window.rounds, window.rounds_bad) == (3, 3)
    assert only(found(*several("xx", 2))).rounds_bad == 4


def edge(*instants: datetime | None) -> list[float]:
    """Write what is there in runs after the beginning."""
    return [at for at in map(steps, instants) if at is not None]


def test_edges_hold_the_truth_and_are_no_wider_than_they_must() -> None:
    """The start lies after the last good and not after the first bad observation."""
    for count, width in ((1, 4), (3, 2)):
        window = only(found(*several("x" * 12, count)))
        begin, early, late = edge(window.start, window.start_earliest, window.start_latest)
        assert early <= AT - 1 + 0.1 + 0.3 * (count - 1)
        assert early <= begin <= late
        assert late == pytest.approx(AT + 0.1, abs=0.05)
        assert late - early < width
        end, early, late = edge(window.end, window.end_earliest, window.end_latest)
        assert early == pytest.approx(AT + 11.1 + 0.3 * (count - 1), abs=0.05)
        assert late >= AT + 12
        assert early <= end <= late
        assert late - early < width


def test_a_window_counts_every_round_from_the_first_bad_to_the_last() -> None:
    window = only(found(one("xxxxxx")))
    assert (window.rounds, window.rounds_bad) == (6, 6)
    assert window.coverage == pytest.approx(1, abs=0.05)
    assert window.failures == {"tcp generic_timeout_error": 6}
    assert window.stages == {"tcp": 6}
    assert [(each.target, each.file) for each in window.evidence] == [
        ("t", one("xxxxxx").file(AT)),
        ("t", one("xxxxxx").file(AT + 5)),
    ]


@pytest.mark.parametrize(
    ("marks", "severity", "layer"),
    [
        ("xxxxxxxx", "full", "tcp"),
        ("dddddddd", "full", "dns"),
        ("tttttttttttt", "full", "tls"),
        ("ssssssssssss", "full", "http"),
        ("dddddxxx", "full", "dns"),
        ("dxxxxxxx", "full", "tcp"),
        ("x..x..xx...x..x..x.x..x...x..x", "partial", "tcp"),
        ("~~~~~~~~", "degraded", None),
    ],
)
def test_how_bad_and_where(marks: str, severity: str, layer: str | None) -> None:
    window = only(found(one(marks)))
    assert (window.severity, window.layer) == (severity, layer)
    assert window.vantages_for == ("v1",)
    assert window.impact > 0
    share = window.rounds_bad / window.rounds
    assert (share >= 0.9) == (severity != "partial")


def test_slow_is_what_is_unusual_for_this_vantage_and_target() -> None:
    assert only(found(one("~~~~~~"))).failures == {}
    assert found(Watch("v1", {"t": "~" * 80})).windows == ()
    assert found(Watch("v1", {"t": "." * 20 + "~" * 6})).windows == (), "too few answers to know"


def test_came_and_went() -> None:
    """Three pieces in two hours, however many looked at however much of it."""
    marks = "xxx..xxx..xxx..xxx"
    assert only(found(one(marks))).flapping
    assert only(found(*several(marks, 2))).flapping
    pair = {"a@alpha": calm(marks), "b@alpha": calm(marks)}
    assert only(found(Watch("v1", pair), Watch("v2", pair, late=LATE))).flapping
    for steady in ("x" * 24, "xxxxxx..xxxxxx"):
        assert not only(found(one(steady))).flapping


@pytest.mark.parametrize("marks", ["xxxx.......xxxx.....xxxx", "xx.....xx", "xxx......xxx"])
def test_a_full_window_holds_hardly_anything_good(marks: str) -> None:
    windows = found(*several(marks, 2)).windows
    assert windows
    for window in windows:
        begin, end = edge(window.start, window.end)
        inside = marks[max(0, round(begin) - AT) : max(0, round(end) - AT)]
        assert window.severity != "full" or inside.count(".") <= 0.1 * len(inside)
        assert window.rounds >= 2 * (len(inside) - 2)


# Own line


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("xxxxxxxx", "the line was down"),
        ("uuuuuuuu", "it was unplugged"),
        ("mmmmmmmm", "it died in mid-run, after a good look"),
        ("rrrrrrrr", "it came back in mid-run, after a bad look"),
        ("vvvvvvvv", "another network was looked at"),
    ],
)
def test_nothing_follows_from_runs_of_a_bad_line(line: str, why: str) -> None:
    assert found(one("xxxxxxxx", line=calm(line))).windows == (), why


def test_nothing_follows_from_a_failure_that_no_look_followed() -> None:
    assert found(one("xxxxxxxx", looks=1)).windows == ()
    assert only(found(one("xxxxxxxx", looks=2)))


@pytest.mark.parametrize("marks", ["xxxxxx", "uuuuuu", "xxuuuu"])
def test_a_cut_of_the_own_line_is_told_as_such(marks: str) -> None:
    """Also where nothing could even be asked, as without a cable."""
    findings = found(one(marks, line=calm(marks)))
    (window,) = findings.vantage_outages
    assert findings.windows == ()
    assert (window.scope, window.subject, window.perspective) == ("own_line", "v1", "outside")
    assert window.verdict == "the vantage's own line was down; it says nothing of others"
    assert steps(window.start_earliest) == pytest.approx(AT - 1, abs=0.1)
    assert steps(window.start_latest) == pytest.approx(AT, abs=0.1)
    assert steps(window.end_earliest) == pytest.approx(AT + 5, abs=0.1)
    assert steps(window.end_latest) == pytest.approx(AT + 6, abs=0.1)
    assert (window.rounds, window.rounds_bad) == (6, 6)
    assert (window.targets, window.evidence, window.impact) == ((), (), 0.0)
    (period,) = findings.connectivity_periods
    assert (period.connectivity, period.runs, steps(period.start)) == ("down", 6, AT)
    assert found(one("x", line=calm("x"))).vantage_outages == (), (
        "masked, and too little to tell of"
    )


def test_a_hole_of_the_own_line_inside_an_outage_breaks_nothing() -> None:
    findings = found(one("xxxxxxxxxx", line=calm("....xxx...")))
    window = only(findings)
    assert steps(window.end_earliest) == pytest.approx(AT + 9.1, abs=0.1)
    assert (window.rounds_bad, window.coverage < 1) == (7, True)
    assert [each.scope for each in findings.vantage_outages] == ["own_line"]


def test_without_controls_others_tell_whose_fault_it_was() -> None:
    """All of two operators failed for one vantage and answered to another of its side."""
    bad = {"a@alpha": calm("xxxxxx"), "b@beta": calm("xxxxxx")}
    good = {"a@alpha": calm("......"), "b@beta": calm("......")}
    unknown = "?" * 78
    findings = found(Watch("v1", bad, line=unknown), Watch("v2", good, line=unknown))
    assert findings.windows == ()
    (window,) = findings.vantage_outages
    assert window.subject == "v1"
    assert not window.ongoing
    assert steps(window.end_latest) == pytest.approx(AT + 6, abs=0.2)
    both = found(Watch("v1", bad, line=unknown), Watch("v2", bad, line=unknown))
    assert both.vantage_outages == ()
    assert only(both).scope == "country"


CUT = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 14), st.sampled_from("xmrvu")), max_size=4
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(cuts=st.tuples(CUT, CUT, CUT), together=st.booleans())
def test_no_cut_of_any_own_line_is_anybodys_disruption(
    *, cuts: tuple[list[tuple[int, int, str]], ...], together: bool
) -> None:
    """At any time, of any vantage, at once or not; and of a look, the targets may have answered."""
    watches = []
    for number, mine in enumerate([cuts[0]] * 3 if together else cuts):
        line = list("." * 80)
        for start, length, mark in mine:
            line[start : start + length] = mark * length
        marks = "".join(mark if mark in ".u" else "x" for mark in line)
        half = "".join("." if mark == "." or n % 2 else "x" for n, mark in enumerate(line))
        targets = {"a@alpha": marks, "b@alpha": marks, "c@beta": half, "d": marks, "e#cdn": marks}
        watches.append(
            Watch(f"v{number}", targets, number == 2, line="".join(line), late=number * LATE)
        )
    findings = found(*watches)
    assert findings.windows == ()
    dead = [[start for start, length, mark in mine if mark in "xu" and length > 3] for mine in cuts]
    if not together and not any(len(mine) > 1 for mine in cuts):
        told = {each.subject for each in findings.vantage_outages}
        assert {f"v{n}" for n, mine in enumerate(dead) if mine} <= told


@pytest.mark.parametrize(
    ("tally", "outside", "inside"),
    [
        (ControlTally(8, 8, 4, 4), "up", "up"),
        (ControlTally(8, 3, 4, 4), "up", "up"),
        (ControlTally(8, 2, 4, 4), "down", "border"),
        (ControlTally(8, 0, 4, 2), "down", "border"),
        (ControlTally(8, 0, 4, 1), "down", "down"),
        (ControlTally(8, 0, 0, 0), "down", "down"),
        (ControlTally(8, 8, 4, 0), "up", "up"),
        (ControlTally(0, 0, 4, 4), "unknown", "unknown"),
        (ControlTally(8, 4, 4, 0, named=4, unresolved=4), "resolver", "resolver"),
        (ControlTally(8, 5, 4, 0, named=4, unresolved=3), "up", "up"),
        (ControlTally(8, 0, 4, 0, named=4, unresolved=4), "down", "down"),
    ],
)
def test_the_own_line(tally: ControlTally, outside: str, inside: str) -> None:
    assert (verdict(tally, inside=False), verdict(tally, inside=True)) == (outside, inside)


@pytest.mark.parametrize(
    ("connectivity", "offline", "counts_as_offline", "evidence", "hides_dns"),
    [
        ("up", False, False, True, False),
        ("border", False, False, True, False),
        ("resolver", False, False, True, True),
        ("portal", True, True, False, True),
        ("down", True, True, False, True),
        ("mixed", False, True, False, True),
        ("unknown", False, False, False, True),
    ],
)
def test_what_each_connectivity_verdict_implies(
    connectivity: str,
    *,
    offline: bool,
    counts_as_offline: bool,
    evidence: bool,
    hides_dns: bool,
) -> None:
    verdict = Connectivity(connectivity)
    assert verdict.is_offline is offline
    assert verdict.counts_as_offline is counts_as_offline
    assert verdict.is_evidence is evidence
    assert verdict.hides("dns") is hides_dns
    for stage in ("tcp", "tls", "http", None):
        assert verdict.hides(stage) is not evidence


def test_each_connectivity_verdict_has_a_text() -> None:
    assert all(verdict.text and verdict.text_here for verdict in Connectivity)


def test_own_line_trouble_is_listed_by_vantage() -> None:
    findings = found(Watch("v1", {"t": "....."}, inside=True, line=".xx.b"))
    assert [
        (each.connectivity, each.runs, steps(each.start)) for each in findings.connectivity_periods
    ] == [
        ("down", 2, 1),
        ("border", 1, 4),
    ]


# Scope


def seen(marks: dict[str, str], vantage: str = "v1", *, inside: bool = False) -> Watch:
    """One vantage, many targets, in calm before and after."""
    return Watch(vantage, {name: calm(each) for name, each in marks.items()}, inside)


UP, OUT = "......", "xxxxxx"


def scopes(findings: Detection) -> list[tuple[str, str, str]]:
    return [(each.scope, each.subject, each.perspective) for each in findings.windows]


@pytest.mark.parametrize(
    ("marks", "wanted"),
    [
        ({"a@alpha": OUT, "b@alpha": OUT}, [("operator", "alpha")]),
        ({"a@alpha": OUT, "b@alpha": UP}, [("target", "a")]),
        ({"a@alpha": OUT, "b@alpha": OUT, "c@alpha": UP}, [("target", "a"), ("target", "b")]),
        ({"a@alpha": OUT}, [("target", "a")]),
        ({"a": OUT, "b": OUT}, [("target", "a"), ("target", "b")]),
        ({"a@alpha": OUT, "b@alpha": OUT, "c@beta": UP}, [("operator", "alpha")]),
        ({"a@alpha": OUT, "b@alpha": OUT, "c@alpha": OUT}, [("operator", "alpha")]),
        ({"a@alpha": OUT, "b@beta": OUT}, [("country", "BY")]),
        ({"a@alpha": OUT, "b@beta": OUT, "c@gamma": UP, "d@delta": UP}, []),
        ({"a@alpha": OUT, "b@beta": OUT, "e#cdn": UP}, [("country", "BY")]),
        ({"a@alpha": UP, "b@beta": UP, "e#cdn": OUT}, [("target", "e")]),
    ],
)
def test_the_widest_scope_that_fits_is_told_and_only_that(
    marks: dict[str, str], wanted: list[tuple[str, str]]
) -> None:
    wanted = wanted or [("target", "a"), ("target", "b")]
    findings = found(seen(marks))
    assert [(each.scope, each.subject) for each in findings.windows] == wanted
    for window in findings.windows:
        down = {name.partition("@")[0].partition("#")[0] for name in marks if marks[name] == OUT}
        assert set(window.targets) <= down
        assert window.scope == "target" or set(window.targets) == down


def test_a_target_that_stays_down_longer_keeps_its_own_window() -> None:
    longer = {"a@alpha": "x" * 54, "b@alpha": OUT + "." * 48, "c@alpha": OUT + "." * 48}
    assert scopes(found(seen(longer))) == [
        ("operator", "alpha", "outside"),
        ("target", "a", "outside"),
    ]


@pytest.mark.parametrize(
    ("earlier", "wanted"),
    [(3, [("country", 35)]), (4, [("target", 32), ("country", 35)])],
    ids=["two failures left", "three left"],
)
def test_beside_a_country_window_two_failures_of_one_vantage_are_told_nowhere_and_three_are(
    earlier: int, wanted: list[tuple[str, int]]
) -> None:
    """Where v1 is silent the country is out; near that, v2's failures are the country's."""
    silent = "." * 36 + "  " + CALM
    bad = {"a@alpha": "." * (36 - earlier) + "x" * (earlier + 5), "b@beta": "." * 20 + "x" * 36}
    v2 = Watch("v2", {name: marks + CALM for name, marks in bad.items()}, late=STEP / 3)
    windows = found(Watch("v1", dict.fromkeys(bad, silent)), v2).windows
    told = [(each.scope, each.start_latest) for each in windows if each.subject != "b"]
    assert [(scope, int((at - START) / STEP)) for scope, at in told] == wanted


HOME = {"a@alpha": OUT, "b@beta": OUT, "c@beta": OUT}
HOME_UP = dict.fromkeys(HOME, UP)


def border() -> Watch:
    """From inside, nothing abroad answers and everything at home does."""
    marks = {**{name: calm(UP) for name in HOME}, "e#cdn": calm(OUT)}
    return Watch("v-in", marks, inside=True, line=calm("bbbbbb"))


def test_what_inside_and_outside_show_together() -> None:
    away, abroad = seen(HOME, "v-out"), seen(HOME_UP, "v-out")
    window = only(found(border(), abroad))
    assert (window.scope, window.perspective) == ("country", "inside")
    assert window.verdict == "outbound trouble"
    window = only(found(border(), away))
    assert (window.scope, window.perspective) == ("country", "both")
    assert window.verdict == "national isolation"
    window = only(found(seen(HOME_UP, "v-in", inside=True), away))
    assert (window.scope, window.perspective) == ("country", "outside")
    assert window.verdict == "unreachable from abroad; answers inside"
    window = only(found(away))
    assert (window.scope, window.perspective) == ("country", "outside")
    assert window.verdict == "unreachable from outside; no data from inside"
    window = only(found(border()))
    assert (window.scope, window.perspective) == ("country", "inside")
    assert window.verdict == "trouble inside; no data from outside"


def test_no_answers_inside_are_claimed_that_nobody_got() -> None:
    """Nobody looked, or nobody could have known, or only what stands abroad was asked."""
    away = seen(HOME, "v-out")
    silent = seen(dict.fromkeys(HOME, "      "), "v-in", inside=True)
    cut = replace(seen(HOME, "v-in", inside=True), line=calm("xxxxxx"))
    other = seen({"e#cdn": UP}, "v-in", inside=True)
    for inside in (silent, cut, other):
        window = only(found(away, inside))
        assert window.perspective == "outside"
        assert "answers inside" not in window.verdict


def test_inside_and_outside_are_not_mixed() -> None:
    findings = found(seen({"a@alpha": OUT}, "v-in", inside=True), seen({"a@alpha": UP}, "v-out"))
    assert scopes(findings) == [("target", "a", "inside")]
    assert only(findings).verdict == "trouble inside; answers outside"


def test_a_vantage_that_moved_tells_each_side_its_own() -> None:
    """Somebody comes home: what was seen from abroad stays what was seen from abroad."""
    rows = rounds(Watch("v1", {"a@alpha": "......"}))
    rows = replace(rows, run_inside=np.arange(len(rows.run_id)) >= 3)
    told = detect(rows, Policy(), START + 6 * STEP, by="target").statuses
    last = {one.perspective: steps(one.last_seen) for one in told if one.subject == "a"}
    assert last == {"outside": pytest.approx(2.1, abs=0.1), "inside": pytest.approx(5.1, abs=0.1)}


# Several vantages


def test_a_vantage_that_loses_a_third_saw_it_too() -> None:
    marks = "x..x..xx...x..x..x.x..x...x..x"
    for count in (1, 2):
        window = only(found(*several(marks, count)))
        assert (len(window.vantages_for), window.vantages_against) == (count, ())
        assert window.impact > 0


def test_who_saw_it_who_did_not_and_who_was_silent() -> None:
    marks = {"v1": "xxxxxx", "v2": "xxxxxx", "v3": "xxxxxx", "v4": "      "}
    watches = [one(each, "t", name, late=n * LATE) for n, (name, each) in enumerate(marks.items())]
    window = only(found(*watches))
    assert window.vantages_for == ("v1", "v2", "v3")
    assert (window.vantages_against, window.vantages_without_data) == ((), ("v4",))
    assert window.confidence_label == "confirmed by several vantages"


def test_one_vantage_alone_against_others() -> None:
    """A network may treat a target in its own way; that takes more, and is never sure."""
    others = several("......", 2)
    window = only(found(one("xxxxxx", vantage="v9"), *others))
    assert (window.scope, window.subject) == ("target", "t")
    assert (window.vantages_for, window.vantages_against) == (("v9",), ("v0", "v1"))
    assert window.confidence <= 0.80
    assert window.confidence_label == "likely"
    assert found(one("xx", vantage="v9"), *several("..", 2)).windows == ()


@pytest.mark.parametrize(
    ("watches", "cap"),
    [
        (several("x" * 20, 1), 0.80),
        (several("x" * 20, 3), 0.95),
        ([border(), seen(HOME, "v1"), seen(HOME, "v2")], 0.99),
    ],
)
def test_confidence_is_capped_by_the_breadth_of_evidence(watches: list[Watch], cap: float) -> None:
    assert only(found(*watches)).confidence == cap


def test_less_evidence_is_less_sure() -> None:
    loose = Policy(cap_one_vantage=1.0, keep_below=0.5)
    sure = [
        only(found(one(marks), policy=loose)).confidence for marks in ("xx", "sss", "ssss", "xxxx")
    ]
    assert 0.5 < sure[0] < sure[1] < sure[2] < sure[3] <= 1
    assert [only(found(one("x" * length))).confidence for length in (3, 12)] == [0.80, 0.80]


# Time


def test_a_silence_is_joined_up_to_twelve_hours_and_listed() -> None:
    hours = 72  # runs in twelve hours
    window = only(found(one("xxx" + " " * (hours - 1) + "xxx")))
    (gap,) = window.gaps
    assert (steps(gap[0]), steps(gap[1])) == (AT + 2, AT + 2 + hours)
    assert window.coverage == pytest.approx(6 / 78, abs=0.02)
    assert window.rounds_bad == 6
    findings = found(one("xxx" + " " * hours + "xxx"))
    first, second = findings.windows
    assert (first.end, first.end_latest, first.ongoing) == (None, None, False)
    assert steps(first.end_earliest) == pytest.approx(AT + 2, abs=0.1)
    assert steps(second.start_latest) == pytest.approx(AT + 3 + hours, abs=0.1)
    assert second.start_earliest is None or second.start_earliest >= first.end_earliest
    assert (first.rounds_bad, second.rounds_bad) == (3, 3)
    assert found(one("xxx" + "  " + "xxx")).windows[0].gaps == (), "two missed runs are no silence"


def test_a_silence_with_one_bad_end_is_the_edge() -> None:
    window = only(found(one("xxxxxx" + " " * 30)))
    assert steps(window.end_earliest) == pytest.approx(AT + 5, abs=0.1)
    assert steps(window.end_latest) == pytest.approx(AT + 36, abs=0.1)


def test_coverage_is_of_what_each_vantage_should_have_looked_at() -> None:
    assert only(found(*several("x" * 12, 2))).coverage == pytest.approx(1, abs=0.02)
    holed = [one("x" * 12), one("xxx x x x xxx", vantage="v2", late=LATE)]
    assert only(found(*holed)).coverage == pytest.approx(0.85, abs=0.08)


@pytest.mark.parametrize("minutes", [-26, 9, 26, 600])
def test_a_clock_that_is_known_to_be_wrong_is_put_right(minutes: int) -> None:
    right = only(found(*several("x" * 12, 2)))
    first, second = several("x" * 12, 2)
    window = only(found(first, replace(second, clock=timedelta(minutes=minutes))))
    assert window == replace(right, evidence=window.evidence)


def test_a_clock_nobody_compared_widens_the_edges() -> None:
    known, unknown = (only(found(one("x" * 12, clock=each))) for each in (timedelta(0), None))
    assert known.start_earliest
    assert unknown.start_earliest
    wider = timedelta(minutes=2) - timedelta(seconds=1)
    assert known.start_earliest - unknown.start_earliest == wider
    assert unknown.start_latest - known.start_latest == wider
    assert (unknown.rounds, unknown.rounds_bad) == (12, 12)


def test_a_shifted_time_shifts_the_windows_and_nothing_else() -> None:
    """By whole weeks, since usual durations are counted by weeks."""
    kept = rounds(*several("x..xx.x.x..xx.xx.x", 2))
    week = timedelta(days=7)
    usual, policy = START + 1000 * STEP, Policy()
    moved = replace(kept, at=kept.at + int(week.total_seconds() * 1000))
    before, after = detect(kept, policy, usual), detect(moved, policy, usual + week)
    assert [
        (each.start + week, each.start_latest + week, each.end_earliest + week, each.rounds_bad)
        for each in before.windows
    ] == [
        (each.start, each.start_latest, each.end_earliest, each.rounds_bad)
        for each in after.windows
    ]
    assert before.windows


def test_a_full_or_half_hour_in_the_start_is_noted() -> None:
    """The edges of three vantages leave four minutes, here those before 14:02 and before 14:12."""
    marked = only(found(*several("x" * 12, 3)))
    assert marked.starts_on_half_hour
    assert not only(found(*several("." + "x" * 12, 3))).starts_on_half_hour


def test_a_window_that_may_have_begun_on_the_full_hour_itself_is_on_a_mark() -> None:
    """The earliest start is part of the interval; a second later the hour is outside of it."""
    earliest = only(found(*several("x" * 12, 3))).start_earliest
    assert earliest
    hour = earliest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for late, on_mark in ((timedelta(0), True), (timedelta(seconds=1), False)):
        shift = hour - earliest + late
        moved = [replace(watch, late=watch.late + shift) for watch in several("x" * 12, 3)]
        window = only(found(*moved))
        assert (window.start_earliest, window.starts_on_half_hour) == (hour + late, on_mark)


# Ids


def test_an_id_stays_when_more_data_comes() -> None:
    ongoing, ended = (Watch("v1", {"t": CALM + marks}) for marks in ("xxxx", "xxxxxxxx" + CALM))
    first = only(found(ongoing))
    for later in ([ended], [ended, one("xxxxxxxx", vantage="v2", late=5 * LATE / 3)]):
        assert only(found(*later)).id == first.id


@pytest.mark.parametrize("hour", range(6))
def test_an_id_stays_when_late_data_moves_an_edge_a_little(hour: int) -> None:
    """For cuts at any full hour, when ordered ones begin."""
    calm_before = "." * (36 + 6 * hour)
    first, *late = (
        Watch(f"v{n}", {"t": calm_before + "x" * 12 + CALM}, late=n * LATE) for n in range(3)
    )
    alone, both = only(found(first)), only(found(first, *late))
    assert alone.start != both.start
    assert alone.id == both.id


def test_ids_differ_between_windows() -> None:
    twice = "xxxx" + "." * 14 + "xxxx"
    findings = found(seen({"a": twice, "b": twice}))
    assert len(findings.windows) == 4
    assert len({each.id for each in findings.windows}) == 4
    own = found(one("xxxxxx", "t", "t", line=calm("xxxxxx"))).vantage_outages[0]
    assert own.id not in {each.id for each in findings.windows}


# Now


def status_of(findings: Detection, subject: str = "alpha") -> object:
    (status,) = (each for each in findings.statuses if each.subject == subject)
    return status


@pytest.mark.parametrize(
    ("marks", "line", "state", "answering"),
    [
        ("......", "......", "up", 1),
        ("...xxx", "......", "disrupted", 0),
        ("..xxx.", "......", "up", 1),
        (".....x", "......", "unknown", 0),
        ("...xxx", "...xxx", "unknown", 0),
    ],
)
def test_status_now(marks: str, line: str, state: str, answering: int) -> None:
    watch = Watch("v1", {"a@alpha": CALM + marks}, line=CALM + line)
    status = status_of(found(watch, after=AT + 6))
    assert (status.state, status.answering) == (state, answering)  # type: ignore[attr-defined]


def test_what_never_answered_has_no_known_state() -> None:
    status = status_of(found(Watch("v1", {"a@alpha": "xxxxxx"}), after=6))
    assert (status.state, status.last_seen) == ("unknown", None)  # type: ignore[attr-defined]


def test_old_data_says_nothing_about_now() -> None:
    status = status_of(found(Watch("v1", {"a@alpha": "......"}), after=500))
    assert status.state == "no_data"  # type: ignore[attr-defined]
    assert steps(status.last_seen) == pytest.approx(5.1, abs=0.1)  # type: ignore[attr-defined]


def test_half_an_operator_is_partly_and_since_when() -> None:
    marks = {"a@alpha": CALM + "x" * 12, "b@alpha": CALM + "." * 12}
    status = status_of(found(Watch("v1", marks), after=AT + 12))
    assert (status.state, status.answering, status.targets) == ("partial", 1, 2)  # type: ignore[attr-defined]
    after, by = status.since  # type: ignore[attr-defined]
    assert steps(by) == pytest.approx(AT, abs=0.2)
    assert after < by
    assert 0.5 <= status.confidence <= 0.8  # type: ignore[attr-defined]


def test_a_cut_border_does_not_date_what_answers_inside() -> None:
    """From inside, the country's window is about what lies abroad."""
    inside = Watch("v1", {"a@alpha": CALM + "." * 24}, inside=True, line=CALM + "b" * 6 + "." * 18)
    marks = {f"{name}@{name}": CALM + "x" * 6 + "." * 18 for name in ("alpha", "beta", "gamma")}
    findings = found(inside, Watch("v2", {"a@alpha": marks["alpha@alpha"], **marks}), after=AT + 24)
    assert {each.verdict for each in findings.windows} == {"national isolation"}
    told = {each.perspective: each.since for each in findings.statuses if each.subject == "alpha"}
    assert told["inside"]
    assert told["inside"][0] is None
    assert told["outside"]
    assert steps(told["outside"][1]) == pytest.approx(AT + 6, abs=2)


def test_two_looks_of_one_run_are_one_observation() -> None:
    """A control is looked at twice a run: one bad run is still one, and an answer decides."""
    home = seen({"a@alpha": UP}, inside=True)
    once = replace(home, line=calm("m....."))
    assert found(once).windows == ()
    assert found(replace(home, line=calm("mmmmmm"))).windows == ()


# Policy


@pytest.mark.parametrize(
    ("watches", "change"),
    [
        (several("xxx", 1), {"target_every_s": 1e9}),
        (several("xxxxxx", 1), {"keep_below": 1e-9}),
        (several("xxxxxx", 1), {"target_bad": 7}),
        (several("xxx", 1), {"least_confidence": 0.81}),
        (several("~~~~~~", 1), {"slow_factor": 50.0}),
        (several("~~~~~~", 1), {"slow_least": 1000}),
        ([one("xxxxxx", vantage="v9"), *several("......", 5)], {"alone_bad": 7}),
        ([one("xxxxxx", vantage="v9"), *several("......", 5)], {"keep_below_alone": 1e-9}),
        (several("ssssssssss", 1), {"background_least": 0.3}),
    ],
)
def test_a_stricter_threshold_lets_less_through(
    watches: list[Watch], change: dict[str, float]
) -> None:
    assert found(*watches).windows
    assert found(*watches, policy=replace(Policy(), **change)).windows == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("watches", "change", "field", "wanted"),
    [
        (several("x" * 20, 1), {"cap_one_vantage": 0.7}, "confidence", 0.7),
        (several("x" * 20, 2), {"cap_one_perspective": 0.9}, "confidence", 0.9),
        ([border(), seen(HOME, "v1"), seen(HOME, "v2")], {"cap": 0.9}, "confidence", 0.9),
        ([seen({"a@x": OUT, "b@y": OUT})], {"country_operators": 3}, "scope", "target"),
        ([seen({"a@x": OUT, "b@y": OUT})], {"country_bad": 13}, "scope", "target"),
        ([seen({"a@x": OUT, "b@x": OUT})], {"operator_targets": 3}, "scope", "target"),
        (
            [seen({"a@x": OUT, "b@x": OUT, "c@x": UP})],
            {"operator_share": 0.6},
            "scope",
            "operator",
        ),
        (
            [seen({"a@x": OUT, "b@y": OUT, "c@z": UP, "d@u": UP})],
            {"country_share": 0.5},
            "scope",
            "country",
        ),
        (several("x" * 20, 1), {"full_from": 1.0}, "severity", "full"),
        (several("xxx" + " " * 12 + "xxx", 1), {"join_gap_s": 3600.0}, "end", None),
        (
            [one("x" * 12, clock=timedelta(minutes=20))],
            {"clock_from_s": 3600.0},
            "start_latest",
            START + (AT - 2) * STEP + timedelta(seconds=46),
        ),
    ],
)
def test_a_threshold_changes_what_it_says(
    watches: list[Watch], change: dict[str, float], field: str, wanted: object
) -> None:
    windows = found(*watches, policy=replace(Policy(), **change)).windows  # type: ignore[arg-type]
    assert getattr(windows[0], field) == wanted


def test_fresh_decides_what_is_now() -> None:
    watch = Watch("v1", {"a@alpha": "......"})
    for policy, state in ((Policy(), "no_data"), (Policy(fresh_s=36_000.0), "up")):
        assert status_of(found(watch, policy=policy, after=30)).state == state  # type: ignore[attr-defined]


def test_own_line_windows_have_their_threshold() -> None:
    watch = one("xxxxxx", line=calm("xxxxxx"))
    assert found(watch, policy=Policy(controls_dead=6)).vantage_outages
    assert not found(watch, policy=Policy(controls_dead=7)).vantage_outages


def test_no_threshold_is_printed_and_not_used() -> None:
    package = Path(keepiton.detect.__file__).parent
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(package.glob("*.py"))
        if path.name != "policy.py"
    )
    assert [each.name for each in fields(Policy) if f"policy.{each.name}" not in source] == []


def test_windows_that_are_less_likely_than_the_cut_are_not_listed() -> None:
    watches = [one("xxx"), one("x" * 20, "u", "v2")]
    everything = found(*watches, policy=Policy(least_confidence=0.01, cap_one_vantage=1.0))
    sure = sorted(each.confidence for each in everything.windows)
    assert len(sure) == 2
    cut = Policy(least_confidence=sum(sure) / 2, cap_one_vantage=1.0)
    assert [each.confidence for each in found(*watches, policy=cut).windows] == sure[1:]


def shuffled(seed: int, *watches: Watch) -> Detection:
    """Detect in the same rounds, in another order of rounds and of runs."""
    kept = rounds(*watches)
    order = np.random.default_rng(seed)
    rows, runs = order.permutation(len(kept)), order.permutation(len(kept.run_id))
    place = np.argsort(runs)
    kept = kept.of(rows)
    moved = {name: getattr(kept, name)[runs] for name in kept.columns() if name.startswith("run_")}
    kept = replace(kept, run=place[kept.run].astype(np.int32), **moved)
    return detect(kept, Policy(), START + 1000 * STEP)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(".xs~ ", min_size=20, max_size=50), min_size=4, max_size=4), st.randoms())
def test_order_does_not_matter(marks: list[str], order: random.Random) -> None:
    """Nor where two vantages looked in the same instant."""
    watches = [
        Watch("v1", {"a@alpha": marks[0], "b@beta": marks[1]}),
        Watch("v2", {"a@alpha": marks[2], "b@beta": marks[3]}),
    ]
    assert shuffled(order.randrange(2**32), *watches) == found(*watches)
