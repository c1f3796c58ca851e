"""Compares the windows that were announced with those detected now; returns the changes. Pure.

The rules: docs/guides/alarms.md.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from keepiton.detect import Policy
from keepiton.detect.types import Detection, Scope, Window
from keepiton.detect.windows import LIKELY, SURE
from keepiton.report.json import plain

Kind = Literal["opening", "closing", "correction"]
ChangeReason = Literal["", "withdrawn", "goes-on", "part-of-larger"]

FLOORS = {"possible": 0.0, "likely": LIKELY, "confirmed": SURE}
"""Confidence from which on a window is announced."""
RANKS: dict[Scope, int] = {"target": 0, "operator": 1, "country": 2}
"""Scopes that are announced, the larger the higher; vantage connectivity is none of them."""
KEEP = timedelta(days=3)
"""How long an announced window is remembered after it closed, and compared after its end."""
FRESH_STEPS = 3
"""Usual intervals within which an ongoing window must have failed, where that is more than
``Policy.fresh_s``."""
LONGEST_JSON = 30_000
"""Characters of a window as JSON: Windows allows 32,767 for one variable, Linux 131,072 bytes."""
MOST_NAMES = 400
"""Names and gaps of a window that are kept at most, before halving for length."""
USUAL = Policy()
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AnnouncedWindow:
    """A window that was announced."""

    window: Window
    """As it was detected last, with the id that it was announced with."""
    going: bool
    """Whether it was announced last as going on."""
    at: datetime
    """When it was announced last."""


@dataclass(frozen=True, slots=True)
class SupersededWindow:
    """An announced window that a larger one includes now."""

    id: str
    scope: Scope
    subject: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one window that is sent to every channel."""

    kind: Kind
    window: Window
    at: datetime
    reason: ChangeReason = ""
    """Reason of a correction."""
    supersedes: tuple[SupersededWindow, ...] = ()


def compare(
    announced: Sequence[AnnouncedWindow],
    detection: Detection,
    now: datetime,
    floor: float,
    policy: Policy = USUAL,
) -> tuple[list[AnnouncedWindow], list[Change]]:
    """Return the windows that are announced from now on, and the changes to send.

    ``floor`` is the least confidence, 0 to 1, of a window that is announced. A closing waits as
    long as detection would still join later failures to the window, so that a flapping target is
    announced no more often than detection divides it.
    """
    windows = [window for window in detection.windows if window.scope in RANKS]
    newest = min(detection.last_at or now, now)
    joined = timedelta(seconds=max(policy.merge_least_s, policy.merge_steps * detection.step_s))
    fresh = timedelta(seconds=max(policy.fresh_s, FRESH_STEPS * detection.step_s))
    same: dict[int, list[AnnouncedWindow]] = defaultdict(list)
    smaller: dict[int, list[AnnouncedWindow]] = defaultdict(list)
    never_answered = set(detection.never_answered)
    kept: list[AnnouncedWindow] = []
    changes = []
    for before in announced:
        if (number := _same(before, windows)) is not None:
            same[number].append(before)
        elif before.going and never_answered & set(before.window.targets):
            # It lasts longer than what is read: without an answer before it there is no window.
            kept.append(replace(before, window=replace(before.window, end_earliest=newest)))
        elif now - before.window.end_earliest > KEEP or _before_data(before.window, detection):
            continue  # forgotten, which is not withdrawn
        elif (number := _larger(before.window, windows)) is not None:
            smaller[number].append(before)
        else:
            changes.append(Change("correction", before.window, now, "withdrawn"))
    undetectable = [before.window for before in kept]
    for number, detected in enumerate(windows):
        known = same[number]
        going = detected.ongoing and now - detected.end_earliest <= fresh
        over = not detected.ongoing and (
            detected.end_latest is None or newest - detected.end_latest > joined
        )
        opens = going and _opening(detected, floor) and _larger(detected, undetectable) is None
        if not (known or smaller[number] or opens):
            continue
        window = small(_as_announced(detected, known))
        goes_on = any(before.going for before in known)
        at = max((before.at for before in known), default=now)
        change = _change_of_known(known, smaller[number], going=going, over=over, opens=opens)
        if change:
            kind, reason = change
            superseded = tuple(
                SupersededWindow(before.window.id, before.window.scope, before.window.subject)
                for before in smaller[number]
            )
            changes.append(Change(kind, window, now, reason, superseded))
            goes_on, at = not over, now
        if goes_on or now - at <= KEEP:
            kept.append(AnnouncedWindow(window, goes_on, at))
    order = ("opening", "correction", "closing")
    changes.sort(
        key=lambda change: (
            order.index(change.kind),
            -RANKS[change.window.scope],
            change.window.start_latest,
            change.window.subject,
        )
    )
    return kept, changes


def _before_data(window: Window, detection: Detection) -> bool:
    """Whether the data begin after a window did: older data were pruned or moved."""
    return detection.first_at is None or detection.first_at > window.start_latest


def _change_of_known(
    known: Sequence[AnnouncedWindow],
    smaller: Sequence[AnnouncedWindow],
    *,
    going: bool,
    over: bool,
    opens: bool,
) -> tuple[Kind, ChangeReason] | None:
    """Return the change of one detected window with its reason, None without a change."""
    if not known:
        return ("opening", "") if opens else ("correction", "part-of-larger")
    if any(before.going for before in known):
        return ("closing", "") if over else None
    if going:
        return "correction", "goes-on"
    return ("correction", "part-of-larger") if any(before.going for before in smaller) else None


def _opening(window: Window, floor: float) -> bool:
    """Whether a window is sure enough, and answers came before it: else nothing changed."""
    return window.confidence >= floor and window.start_earliest is not None


def _as_announced(window: Window, known: Sequence[AnnouncedWindow]) -> Window:
    """Return a window with the id it was announced with, and its start where that is lost."""
    if not known:
        return window
    first = min((before.window for before in known), key=lambda before: before.start_latest)
    window = replace(window, id=first.id)
    if window.start_earliest or not first.start_earliest:
        return window
    return replace(
        window,
        start_earliest=first.start_earliest,
        start=first.start,
        start_latest=first.start_latest,
    )


def _overlap(announced: Window, detected: Window) -> timedelta:
    """Return for how long two windows were at once; negative where they were apart.

    An announced window counts up to the end that was known then; a detected one may go on.
    """
    begin = max(window.start_earliest or window.start_latest for window in (announced, detected))
    finish = LAST if detected.ongoing else detected.end_latest or detected.end_earliest
    return min(announced.end_latest or announced.end_earliest, finish) - begin


def _same(announced: AnnouncedWindow, windows: Sequence[Window]) -> int | None:
    """Return the index of the detected window that an announced one is, None without one.

    It has the same subject, and overlaps it or has its id; the perspective may change. Several may
    overlap where the window was divided: of one that went on, the part that goes on is meant.
    """
    before = announced.window
    candidates = [
        (
            overlap >= timedelta(0),
            announced.going and window.ongoing,
            window.id == before.id,
            overlap,
            number,
        )
        for number, window in enumerate(windows)
        if (window.scope, window.subject) == (before.scope, before.subject)
        for overlap in [_overlap(before, window)]
        if overlap >= timedelta(0) or window.id == before.id
    ]
    return max(candidates)[-1] if candidates else None


def _larger(announced: Window, windows: Sequence[Window]) -> int | None:
    """Return the index of the widest window of a larger scope that holds an announced one."""
    names = {announced.subject, *announced.targets}
    candidates = [
        (window.ongoing, RANKS[window.scope], number)
        for number, window in enumerate(windows)
        if RANKS[window.scope] > RANKS[announced.scope]
        and _overlap(announced, window) >= timedelta(0)
        and (announced.subject in window.operators or names & set(window.targets))
    ]
    return max(candidates)[-1] if candidates else None


def as_json(window: Window) -> str:
    """Return a window as ``report --format json`` writes it, in ASCII."""
    return json.dumps(asdict(window), default=plain)


def small(window: Window) -> Window:
    """Shorten the lists of a window until its JSON fits; evidence keeps file names alone."""
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
                replace(row, file=row.file.replace("\\", "/").rpartition("/")[2])
                for row in window.evidence
            ),
            failures=dict(list(window.failures.items())[:most]),
            **{name: getattr(window, name)[:most] for name in names},
        )
        if len(as_json(cut)) <= LONGEST_JSON or not most:
            return cut
        most //= 2
