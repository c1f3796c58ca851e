"""From what was announced and what is found now to what must be said. Pure.

The rules: docs/guides/alarms.md.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from keepiton.detect import Policy
from keepiton.detect.types import Detection, Scope, Window
from keepiton.detect.windows import LIKELY, SURE
from keepiton.report.json import plain

Kind = Literal["opening", "closing", "correction"]
ChangeReason = Literal["", "withdrawn", "goes-on", "part-of-larger"]

FLOORS = {"possible": 0.0, "likely": LIKELY, "confirmed": SURE}
"""Confidence from which on a window is announced."""
RANKS: dict[Scope, int] = {"target": 0, "operator": 1, "country": 2}
"""Scopes that are announced; a vantage's own line is none of them."""
KEEP = timedelta(days=3)
"""How long an announced window is remembered after it closed, and looked for after its end."""
FRESH_STEPS = 3
"""Usual intervals in which a window that goes on must have been seen failing, where that is more
than ``Policy.fresh_s``."""
LONGEST_JSON = 30_000
"""Characters of a window as JSON: Windows allows 32,767 for one variable, Linux 131,072 bytes."""
MOST_NAMES = 400
USUAL = Policy()
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AnnouncedWindow:
    """A window that was announced."""

    window: Window
    """As it was found last, under the id that it was announced with."""
    going: bool
    """Whether the last that was said is that it goes on."""
    at: datetime
    """When that was."""


@dataclass(frozen=True, slots=True)
class SupersededWindow:
    """An announced window whose place a larger one took."""

    id: str
    scope: Scope
    subject: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to say."""

    kind: Kind
    window: Window
    at: datetime
    reason: ChangeReason = ""
    """Of a correction."""
    supersedes: tuple[SupersededWindow, ...] = ()


def compare(
    told: Sequence[AnnouncedWindow],
    found: Detection,
    now: datetime,
    floor: float,
    policy: Policy = USUAL,
) -> tuple[list[AnnouncedWindow], list[Change]]:
    """Return what is announced from now on, and the changes that say so.

    Closing waits as long as detection would still join what comes next to the window, so what
    flaps is said no more often than detection parts it.
    """
    windows = [one for one in found.windows if one.scope in RANKS]
    newest = min(found.last_at or now, now)
    joined = timedelta(seconds=max(policy.merge_least_s, policy.merge_steps * found.step_s))
    fresh = timedelta(seconds=max(policy.fresh_s, FRESH_STEPS * found.step_s))
    same: dict[int, list[AnnouncedWindow]] = defaultdict(list)
    smaller: dict[int, list[AnnouncedWindow]] = defaultdict(list)
    never = set(found.never_answered)
    kept: list[AnnouncedWindow] = []
    changes = []
    for one in told:
        if (number := _same(one, windows)) is not None:
            same[number].append(one)
        elif one.going and never & set(one.window.targets):
            # It lasts longer than what is read: without an answer before it there is no window.
            kept.append(replace(one, window=replace(one.window, end_earliest=newest)))
        elif now - one.window.end_earliest > KEEP or _out_of_sight(one.window, found):
            continue  # which is not withdrawn
        elif (number := _larger(one.window, windows)) is not None:
            smaller[number].append(one)
        else:
            changes.append(Change("correction", one.window, now, "withdrawn"))
    hidden = [one.window for one in kept]
    for number, window in enumerate(windows):
        known = same[number]
        going = window.ongoing and now - window.end_earliest <= fresh
        over = not window.ongoing and (
            window.end_latest is None or newest - window.end_latest > joined
        )
        opens = going and _opening(window, floor) and _larger(window, hidden) is None
        if not (known or smaller[number] or opens):
            continue
        window = small(_as_announced(window, known))  # noqa: PLW2901
        said = _changes_of_known(known, smaller[number], going=going, over=over, opens=opens)
        goes_on = any(one.going for one in known)
        at = max((one.at for one in known), default=now)
        if said:
            kind, why = said
            places = tuple(
                SupersededWindow(one.window.id, one.window.scope, one.window.subject)
                for one in smaller[number]
            )
            changes.append(Change(kind, window, now, why, places))
            goes_on, at = not over, now
        if goes_on or now - at <= KEEP:
            kept.append(AnnouncedWindow(window, goes_on, at))
    order = ("opening", "correction", "closing")
    changes.sort(
        key=lambda one: (
            order.index(one.kind),
            -RANKS[one.window.scope],
            one.window.start_latest,
            one.window.subject,
        )
    )
    return kept, changes


def _out_of_sight(window: Window, found: Detection) -> bool:
    """Whether the data does not reach back to a window any more: it was pruned, or moved."""
    return found.first_at is None or found.first_at > window.start_latest


def _changes_of_known(
    known: Sequence[AnnouncedWindow],
    smaller: Sequence[AnnouncedWindow],
    *,
    going: bool,
    over: bool,
    opens: bool,
) -> tuple[Kind, ChangeReason] | None:
    """Return what is to be said of one window, None where nothing is."""
    if not known:
        return ("opening", "") if opens else ("correction", "part-of-larger")
    if any(one.going for one in known):
        return ("closing", "") if over else None
    if going:
        return "correction", "goes-on"
    return ("correction", "part-of-larger") if any(one.going for one in smaller) else None


def _opening(window: Window, floor: float) -> bool:
    """Whether a window is sure enough, and something answered before it: else nothing changed."""
    return window.confidence >= floor and window.start_earliest is not None


def _as_announced(window: Window, known: Sequence[AnnouncedWindow]) -> Window:
    """Return a window with the id it was announced with, and its start where that is lost."""
    if not known:
        return window
    first = min((one.window for one in known), key=lambda one: one.start_latest)
    window = replace(window, id=first.id)
    if window.start_earliest or not first.start_earliest:
        return window
    names = ("start_earliest", "start", "start_latest")
    earlier: dict[str, Any] = {name: getattr(first, name) for name in names}
    return replace(window, **earlier)


def _overlap(told: Window, found: Window) -> timedelta:
    """Return for how long two windows were at once; below nothing where they were apart.

    Of what was told only what had been seen then counts; what is found now may go on.
    """
    begin = max(one.start_earliest or one.start_latest for one in (told, found))
    finish = LAST if found.ongoing else found.end_latest or found.end_earliest
    return min(told.end_latest or told.end_earliest, finish) - begin


def _same(told: AnnouncedWindow, windows: Sequence[Window]) -> int | None:
    """Find an announced window among those found: of its subject, and overlapping it or of its id.

    The side it is seen from may change. Several may overlap, when one fell into pieces: of one that
    went on, the piece that goes on is meant.
    """
    one = told.window
    fitting = [
        (
            overlap >= timedelta(0),
            told.going and window.ongoing,
            window.id == one.id,
            overlap,
            number,
        )
        for number, window in enumerate(windows)
        if (window.scope, window.subject) == (one.scope, one.subject)
        for overlap in [_overlap(one, window)]
        if overlap >= timedelta(0) or window.id == one.id
    ]
    return max(fitting)[-1] if fitting else None


def _larger(one: Window, windows: Sequence[Window]) -> int | None:
    """Find the window of a larger scope that holds what was announced: the widest that goes on."""
    fitting = [
        (window.ongoing, RANKS[window.scope], number)
        for number, window in enumerate(windows)
        if RANKS[window.scope] > RANKS[one.scope]
        and _overlap(one, window) >= timedelta(0)
        and (one.subject in window.operators or {one.subject, *one.targets} & set(window.targets))
    ]
    return max(fitting)[-1] if fitting else None


def as_json(window: Window) -> str:
    """Write a window as ``report --format json`` does, in ASCII."""
    return json.dumps(asdict(window), default=plain)


def small(window: Window) -> Window:
    """Cut the lists of a window until its JSON is short enough; files lose their folders."""
    names = (
        "targets",
        "operators",
        "vantages_for",
        "vantages_against",
        "vantages_without_data",
        "gaps",
    )
    most = MOST_NAMES
    while True:
        cut = replace(
            window,
            evidence=tuple(
                replace(one, file=one.file.replace("\\", "/").rpartition("/")[2])
                for one in window.evidence
            ),
            failures=dict(list(window.failures.items())[:most]),
            **{name: getattr(window, name)[:most] for name in names},
        )
        if len(as_json(cut)) <= LONGEST_JSON or not most:
            return cut
        most //= 2
