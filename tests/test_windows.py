"""What must hold of windows whatever comes in: properties, the first of them through real files."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, floor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from keepiton.detect import Policy, detect
from keepiton.detect.types import Detection, Window
from keepiton.storage import reader
from keepiton.storage.cache import Cache
from timelines import LOOK, MARKS_OF_LINES, START, STEP, Watch, found, plain, rounds, write

NOW = START + 200 * STEP
FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=60, deadline=None)

CALM = "." * 20
MARKS = st.text(".....xxxsd~ ", min_size=8, max_size=16)
"""Good and bad observations, and silence."""
RUNS = st.lists(st.text(".xs", min_size=1, max_size=9) | st.just(" " * 6), max_size=6).map(
    lambda parts: CALM + "....".join(parts) + CALM
)
"""Stretches of trouble and silence with calm around them."""


def weighed(files: Iterable[str | Path], cache: Cache | None = None) -> Detection:
    """Read files and detect; without witnesses, since those name files."""
    got = reader.read([str(path) for path in files], cache)
    assert got.bad_lines == {}
    whole = detect(got.rounds, Policy(), NOW)
    return replace(whole, windows=tuple(replace(one, evidence=()) for one in whole.windows))


def cut(lines: Sequence[str], order: random.Random) -> list[list[str]]:
    """Cut a run's lines into two or three pieces, anywhere."""
    places = sorted(order.choices(range(1, len(lines)), k=order.choice((1, 2))))
    edges = [0, *dict.fromkeys(places), len(lines)]
    return [list(lines[low:high]) for low, high in pairwise(edges)]


def disordered(files: Sequence[Path], folders: Path, order: random.Random) -> list[Path]:
    """Tell the same anew: lines shuffled, runs cut into pieces and copied, in other folders."""
    out: list[Path] = []
    for number, path in enumerate(files):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        order.shuffle(lines)
        pieces = cut(lines, order) if order.random() < 0.4 else [lines]
        if order.random() < 0.3:
            pieces.append(order.choice(pieces))
        for piece in pieces:
            folder = folders / order.choice(("one", "two", "three/four"))
            folder.mkdir(parents=True, exist_ok=True)
            # Named like another day, or like nothing.
            name = order.choice((path.name, f"20220301T000000Z-v9-{number:012}.jsonl", "x.jsonl"))
            new = folder / f"{len(out)}" / name
            new.parent.mkdir()
            new.write_text("".join(piece), encoding="utf-8")
            out.append(new)
    order.shuffle(out)
    return out


EXAMPLE = ["..xxxxx.....", "..xx.xx..x..", "....sssssss ", ".....~~~....", "..xxxxx....."]


@pytest.mark.slow
@FEW
@example(marks=EXAMPLE, seed=1, line="............")
@given(
    marks=st.lists(MARKS, min_size=5, max_size=5),
    seed=st.integers(0, 2**32),
    line=st.text(".....xmbrv?", min_size=24, max_size=24),
)
def test_shuffled_split_copied_merged_and_read_again_it_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, marks: list[str], seed: int, line: str
) -> None:
    """Two vantages look in the same instants, a third at others and with a wrong clock."""
    folder = tmp_path_factory.mktemp("runs")
    late = timedelta(minutes=4)
    watches = [
        Watch("v1", {"a@alpha": marks[0], "b@alpha": marks[1], "c@beta": marks[2]}),
        Watch("v2", {"a@alpha": marks[3], "b@alpha": marks[4]}, line=line),
        Watch("v3", {"a@alpha": marks[4]}, inside=True, late=late, clock=timedelta(minutes=11)),
    ]
    files = write(folder / "runs", *watches)
    wanted = weighed(files)
    assert wanted == weighed(reversed(files))
    order = random.Random(seed)  # noqa: S311 - a test's own
    again = disordered(files, folder / "again", order)
    assert weighed(again) == wanted
    assert weighed([*files, *again]) == wanted, "merged with what it was made of"
    for known in (files[: len(files) // 2], again):
        cache = Cache(folder / f"data-{len(known)}")
        weighed(known, cache)
        assert weighed(files, cache) == wanted
        assert weighed([*again, *files], cache) == wanted


def test_files_and_columns_tell_the_same(tmp_path: Path) -> None:
    """What holds of timelines in the other tests holds of files."""
    watches = [
        Watch("v1", {"a@alpha": "..xxxs.d~.ut", "b#cdn": "........... "}, late=STEP / 2),
        Watch("v2", {"a@alpha": "x.x.x.x.x..."}, inside=True, line=".xbmrv?u...."),
        Watch("v3", {"a@alpha": "............"}, clock=None),
        Watch("v4", {"a@alpha": "xx.........."}, clock=timedelta(minutes=-9)),
    ]
    got = reader.read([str(path) for path in write(tmp_path, *watches)])
    assert plain(got.rounds) == plain(rounds(*watches))
    assert (got.unsealed, got.bad_lines) == (0, {})


def by_subject(windows: Iterable[Window]) -> dict[tuple[str, str], list[Window]]:
    grouped: dict[tuple[str, str], list[Window]] = defaultdict(list)
    for one in windows:
        grouped[one.scope, one.subject].append(one)
    return grouped


SEVERAL = st.lists(RUNS, min_size=4, max_size=4)


def both(marks: list[str], **more: object) -> list[Watch]:
    """Two vantages, two targets each."""
    return [
        Watch("v1", {"a@alpha": marks[0], "b@beta": marks[1]}, **more),  # type: ignore[arg-type]
        Watch("v2", {"a@alpha": marks[2], "b@beta": marks[3]}, late=STEP / 3),
    ]


@MANY
@given(marks=SEVERAL, line=st.text(MARKS_OF_LINES, max_size=60))
def test_windows_of_one_subject_are_ordered_and_disjoint_and_their_edges_too(
    marks: list[str], line: str
) -> None:
    findings = found(*both(marks, line=line))
    assert list(findings.windows) == sorted(findings.windows, key=lambda one: one.start)
    for windows in (findings.windows, findings.vantage_outages):
        assert len({one.id for one in windows}) == len(windows)
        for mine in by_subject(windows).values():
            for one, after in pairwise(mine):
                assert one.end_earliest < after.start
                assert one.end is None or one.end < after.start
        for one in windows:
            begin = one.start_earliest or one.start
            assert begin <= one.start <= one.start_latest
            end = one.end or one.end_earliest
            assert one.end_earliest <= end <= (one.end_latest or end)
            assert one.start <= end
            assert 0 < one.rounds_bad <= one.rounds
            assert 0 < one.coverage <= 1
            assert 0.5 <= one.confidence <= 0.99
            assert 0 < one.share <= 1
            for first, last in one.gaps:
                assert begin <= first < last <= (one.end_latest or end)
            assert set(one.vantages_for).isdisjoint(one.vantages_against)
            assert one.vantages_for, "somebody saw it"


@pytest.mark.slow
@MANY
@given(marks=SEVERAL, dropped=st.sets(st.integers(0, 80)))
def test_silence_makes_no_window(marks: list[str], dropped: set[int]) -> None:
    """Whatever runs are missing: a window's targets failed in what is left."""
    left = ["".join(" " if n in dropped else one for n, one in enumerate(each)) for each in marks]
    failed = {
        name
        for watch in both(left)
        for name, each in watch.marks.items()
        if set(each) & set("xsdt")
    }
    for window in found(*both(left)).windows:
        assert window.targets
        assert set(window.targets) <= {name.partition("@")[0] for name in failed}
    silent = [each.translate(str.maketrans("xsdt", "    ")) for each in left]
    assert found(*both(silent)).windows == ()


def least(windows: Iterable[Window], subject: str) -> timedelta:
    """How long a subject was out at least."""
    mine = [one.end_earliest - one.start_latest for one in windows if one.subject == subject]
    return sum((max(one, timedelta(0)) for one in mine), timedelta(0))


def outer(window: Window) -> tuple[datetime, datetime]:
    """When it may have begun at the earliest, and ended at the latest."""
    return window.start_earliest or window.start_latest, window.end_latest or window.end_earliest


def most(windows: Iterable[Window], subject: str) -> timedelta:
    """How long it may have been."""
    mine = (outer(one) for one in windows if one.subject == subject)
    return sum((end - start for start, end in mine), timedelta(0))


def beside(country: Window, watches: Iterable[Watch], subject: str) -> timedelta:
    """How much of a target's outage beside a country's window may be told nowhere.

    What is near the window; and farther out, on both sides together, two failures of one vantage.
    """
    low, high = outer(country)
    left = [0]
    for watch in watches:
        first = START + watch.late + LOOK / 2
        (marks,) = (each for name, each in watch.marks.items() if name.startswith(subject))
        before = marks[: max(0, ceil((low - NEAR - first) / STEP))].rpartition(".")[2].lstrip()
        after = marks[max(0, floor((high + NEAR - first) / STEP) + 1) :].partition(".")[0].rstrip()
        if (before + after).count("x") < Policy().alone_bad:
            left.append(len(before + after))
    return 2 * NEAR + max(left) * STEP


def bridged(window: Window, before: Iterable[Window]) -> timedelta:
    """How much time between a target's windows a partial loss takes in that covers them."""
    if window.severity != "partial":
        return timedelta(0)
    mine = (outer(one) for one in before if one.subject == window.subject)
    inside = [
        (low, high) for low, high in mine if low < window.end_earliest and high > window.start
    ]
    between = (later - end for (_, end), (later, _) in pairwise(inside))
    return sum((max(one, timedelta(0)) for one in between), timedelta(0))


OUTAGES = st.lists(
    st.lists(st.integers(1, 9).map(lambda n: "x" * n) | st.integers(1, 8).map(lambda n: " " * n)),
    max_size=4,
).map(lambda parts: CALM + "........".join("".join(part) for part in parts) + CALM)
"""Outages and silences, apart by more than an hour."""
NEAR = 1.5 * STEP
"""So far beyond its edges a country's window explains what its targets do."""
LINE = "." * 40
SILENT = "." * 36 + "  " + CALM


@pytest.mark.slow
@MANY
@example(  # where v1 has stopped looking the country is out; a was, for v2, a little longer
    marks=[LINE, LINE, CALM + " " * 8 + "." * 8 + "x" * 6 + CALM, CALM + "x" * 23 + CALM],
    where=set(),
)
@example(  # where v1 is silent the country is out; a was, for v2, on both sides of it
    marks=[SILENT, SILENT, "." * 33 + "x" * 8 + CALM, CALM + "x" * 30 + CALM], where=set()
)
@example(  # likewise, but there is so much of it on both sides that it is told
    marks=[SILENT, SILENT, "." * 32 + "x" * 10 + CALM, CALM + "x" * 36 + CALM], where=set()
)
@example(  # v1 answers amid failures: one partial loss instead of two outages
    marks=[
        CALM + "x" * 4 + " " * 15 + "." * 16 + CALM,
        "." * 48,
        CALM + "x" * 11 + "." * 8 + "x" * 8 + CALM,
        "." * 67,
    ],
    where={27, 28, 29},
)
@given(
    marks=st.lists(OUTAGES, min_size=4, max_size=4),
    where=st.sets(st.integers(0, 90), max_size=40),
)
def test_answers_never_lengthen_a_window(marks: list[str], where: set[int]) -> None:
    """Where nobody looked, or of one vantage more: nothing is out longer than it may have been.

    Of outages; of a partial loss more data may tell what less did not, and vantages that disagree
    are one: it may bridge the answers between two outages. And a country's window explains what
    its targets do from one and a half intervals before its earliest start to as long after its
    latest end; of what is left beyond, two failures of one vantage alone are no window. When more
    answers end the country's window, a target's own is told with all that.
    """
    watches = both(marks)
    before = found(*watches).windows
    third = Watch("v3", {"a@alpha": "." * max(map(len, marks))}, late=STEP / 2)
    better = [
        "".join("." if n in where and one == " " else one for n, one in enumerate(each))
        for each in marks
    ]
    countries = [one for one in before if one.scope == "country"]
    for more in ([*watches, third], both(better), [*both(better), third]):
        after = found(*more).windows
        for subject in ("a", "b"):
            longest = most(before, subject) + most(before, "BY")
            untold = sum((beside(one, watches, subject) for one in countries), timedelta(0))
            joined = (bridged(one, before) for one in after if one.subject == subject)
            assert least(after, subject) <= longest + untold + sum(joined, timedelta(0))
