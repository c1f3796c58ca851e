"""Before, during and after an event: what changed, how surely, and when it cannot be said."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from keepiton.detect.before_during_after import Periods, around, compare_periods
from keepiton.detect.observations import judge_connectivity, observe
from keepiton.detect.types import BeforeDuringAfter, Difference
from keepiton.storage.rounds import CONFIRMED, FAILED, LOOKED_UP, REACHED, RESOLVED, Array, Rounds
from keepiton.storage.rounds import make_rounds as of_columns
from timelines import START, STEP, USUAL, Watch, rounds

DAY = timedelta(days=1)
CALM = "." * 144
HALF = 72
"""Runs in a day, and in half of one: the event's."""
EVENT = START + len(CALM) * STEP, START + (len(CALM) + HALF) * STEP
DAYS = around(EVENT, DAY, DAY)


def compared(kept: Rounds, periods: Periods = DAYS) -> tuple[BeforeDuringAfter, ...]:
    seen = observe(kept, judge_connectivity(kept), USUAL)
    return compare_periods(seen, seen.symbol, periods)


def of(
    found: tuple[BeforeDuringAfter, ...], subject: str, perspective: str = "outside"
) -> BeforeDuringAfter:
    (one,) = (one for one in found if (one.subject, one.perspective) == (subject, perspective))
    return one


def holds(difference: Difference | None, value: float) -> bool:
    assert difference
    return difference.low <= value <= difference.high


def noisy(share: float, seed: int) -> str:
    order = np.random.default_rng(seed)
    return "".join(order.choice((".", "x"), len(CALM) * 2 + HALF, p=(share, 1 - share)))


def test_a_cut_is_a_difference_of_minus_one_and_over_afterwards() -> None:
    marks = CALM + "x" * HALF + CALM + "."
    found = compared(rounds(Watch("v1", {"a@alpha": marks, "b@beta": "." * len(marks)})))
    alpha, beta = of(found, "alpha"), of(found, "beta")
    assert alpha.difference
    assert alpha.difference.value == -1
    assert holds(alpha.difference, -1)
    assert holds(alpha.difference_after, 0)
    assert (alpha.before.share, alpha.during.share, alpha.after.share) == (1, 0, 1)
    assert (alpha.before.runs, alpha.during.runs, alpha.after.rounds) == (144, 72, 144)
    assert (alpha.during.start, alpha.during.end) == EVENT
    assert alpha.insufficient == ("too few answers during",)
    assert (alpha.during.latency_ms, alpha.latency_difference_ms) == (None, None)
    assert alpha.latency_difference_after_ms == Difference(0, 0, 0)
    assert beta.difference == Difference(0, 0, 0)
    assert beta.insufficient == ()


def test_what_does_not_change_gives_an_interval_that_holds_zero() -> None:
    kept = rounds(*(Watch(f"v{n}", {"a@alpha": noisy(0.9, n)}, late=n * STEP / 2) for n in (1, 2)))
    alpha = of(compared(kept), "alpha")
    for difference in (alpha.difference, alpha.difference_after):
        assert holds(difference, 0)
        assert difference
        assert 0.02 < difference.high - difference.low < 0.3


def test_half_a_loss_is_told_with_its_uncertainty() -> None:
    """Of two targets of one operator, one is cut."""
    marks = {"a@alpha": CALM + "x" * HALF + CALM, "b@alpha": noisy(0.8, 3)}
    difference = of(compared(rounds(Watch("v1", marks))), "alpha").difference
    assert holds(difference, -0.5)
    assert difference
    assert -0.7 < difference.low < difference.value < difference.high < -0.3


@pytest.mark.parametrize("period", ["before", "during", "after"])
def test_where_too_little_was_seen_there_is_no_number(period: str) -> None:
    """Four hours with anything in them are not enough, five are."""
    for runs, enough in ((24, False), (30, True)):
        short = "." * runs
        marks = {
            "before": short.rjust(len(CALM)) + "." * HALF + CALM,
            "during": CALM + short.rjust(HALF) + CALM,
            "after": CALM + "." * HALF + short,
        }[period]
        alpha = of(compared(rounds(Watch("v1", {"a@alpha": marks}))), "alpha")
        assert alpha.insufficient == (() if enough else (f"too little seen {period}",))
        said = alpha.difference is not None, alpha.difference_after is not None
        assert said == (enough or period == "after", enough or period == "during")
        timed = alpha.latency_difference_ms, alpha.latency_difference_after_ms
        assert said == tuple(one is not None for one in timed)


def test_an_event_that_nobody_watched_gives_no_number_at_all() -> None:
    found = compared(rounds(Watch("v1", {"a@alpha": CALM})), around((EVENT[0] + 30 * DAY,) * 2))
    alpha = of(found, "alpha")
    assert len(alpha.insufficient) == 3
    assert (alpha.before.share, alpha.before.rounds, alpha.before.latency_ms) == (None, 0, None)
    assert compared(of_columns({})) == ()


def test_a_dead_own_line_counts_for_nothing() -> None:
    """A third of the event's runs fail with every control: the share of the others stays one."""
    line = CALM + "x" * 24 + "." * 48 + CALM
    watch = Watch("v1", {"a@alpha": line}, line=line)
    alpha = of(compared(rounds(watch)), "alpha")
    assert (alpha.during.share, alpha.during.runs) == (1, 48)
    assert alpha.difference == Difference(0, 0, 0)


def test_sides_and_roles_stand_apart_and_foreign_controls_and_dead_targets_are_left_out() -> None:
    marks = {"a@alpha": CALM, "b#cdn": CALM, "never@gamma": "x" * len(CALM)}
    found = compared(rounds(Watch("v1", marks), Watch("v2", {"a@alpha": CALM}, inside=True)))
    assert [(one.subject, one.perspective) for one in found] == [
        ("alpha", "outside"),
        ("alpha", "inside"),
        ("cdn", "outside"),
        ("control", "outside"),
        ("control", "inside"),
    ]
    assert of(found, "control").before.rounds == 2 * len(CALM)


def test_latency_that_doubles_is_seen() -> None:
    kept = rounds(Watch("v1", {"a@alpha": CALM + "." * HALF + CALM}))
    begin, end = (round(one.timestamp() * 1000) for one in EVENT)
    during = (kept.at >= begin) & (kept.at < end)
    noise = np.random.default_rng(4).lognormal(0, 0.3, len(kept))
    noise[-1] = 0  # no time at all is no latency
    alpha = of(compared(replace(kept, latency_ms=100 * noise * (1 + during))), "alpha")
    assert alpha.before.latency_ms == pytest.approx(100, abs=10)
    assert holds(alpha.latency_difference_ms, 100)
    assert holds(alpha.latency_difference_after_ms, 0)
    assert alpha.latency_difference_ms
    assert alpha.latency_difference_ms.low > 60
    assert alpha.difference == Difference(0, 0, 0)


def test_the_same_rounds_say_the_same_in_any_order_and_whoever_else_is_there() -> None:
    watches = [Watch("v1", {"a@alpha": noisy(0.9, 1)}), Watch("v2", {"a@alpha": noisy(0.7, 2)})]
    kept = rounds(*watches)
    found = compared(kept)
    assert compared(kept) == found
    order = np.random.default_rng(5).permutation(len(kept))
    assert compared(kept.of(order)) == found
    assert compared(rounds(*reversed(watches))) == found
    third = Watch("v3", {"b@a-first": noisy(0.5, 6), "c@beta": noisy(0.5, 7)})
    assert of(compared(rounds(*watches, third)), "alpha") == of(found, "alpha")


def test_a_week_on_either_side_is_usual_and_more_may_be_asked_for() -> None:
    before, during, after = around(EVENT)
    assert (before, during, after) == ((EVENT[0] - 7 * DAY, EVENT[0]), EVENT, after)
    assert after == (EVENT[1], EVENT[1] + 7 * DAY)
    kept = rounds(Watch("v1", {"a@alpha": CALM + noisy(0.5, 8)}))
    day, more = (of(compared(kept, around(EVENT, one, one)), "alpha") for one in (DAY, 10 * DAY))
    assert day.difference
    assert more.difference
    assert day.difference.value == more.difference.value
    year = of(compared(kept, around(EVENT, 365 * DAY, DAY)), "alpha")
    assert year.insufficient == ("too little seen before",)


def simulated(reached: Array) -> Rounds:
    """Make rounds of a target each (column) in a run each (row), ten minutes apart."""
    runs, targets = reached.shape
    good = reached.ravel()
    place = np.arange(runs).repeat(targets)
    begin = round(START.timestamp() * 1000)
    nothing = np.full(len(good), -1)
    return of_columns(
        {
            "run": place,
            "subject": np.tile(np.arange(targets), runs),
            "at": begin + place * round(STEP / timedelta(milliseconds=1)),
            "flags": np.where(good, REACHED, FAILED | CONFIRMED) | LOOKED_UP | RESOLVED,
            "latency_ms": np.where(good, 100.0, np.nan),
            **dict.fromkeys(("check_number", "first_check", "last_check"), nothing),
            **dict.fromkeys(("stage", "failure", "file"), nothing),
            "run_id": [f"{n:012x}" for n in range(runs)],
            **dict.fromkeys(("run_vantage", "run_inside", "run_mixed", "run_clock_ms"), [0] * runs),
            "run_country": ["by"] * runs,
            "target": [f"t{n}" for n in range(targets)],
            "operator": [f"o{n}" for n in range(targets)],
            "role": ["other"] * targets,
            "control": [""] * targets,
            "vantages": ["v1"],
        }
    )


@pytest.mark.parametrize("together", [1, 6], ids=["round by round", "hour by hour"])
def test_intervals_hold_the_truth_as_often_as_they_say(together: int) -> None:
    """Of 200 series, whether each round falls for itself or all of an hour fall together."""
    order = np.random.default_rng(6)
    share = np.repeat((0.9, 0.6, 0.9), (144, 144, 144))[::together, None]
    reached = np.repeat(order.random((len(share), 200)) < share, together, axis=0)
    day = START + DAY, START + 2 * DAY
    found = compared(simulated(reached), around(day, DAY, DAY))
    assert len(found) == 200
    assert sum(holds(one.difference, -0.3) for one in found) >= 0.88 * 200
    assert sum(holds(one.difference_after, 0) for one in found) >= 0.88 * 200
    assert sum(holds(one.difference, 0) for one in found) < 0.5 * 200
