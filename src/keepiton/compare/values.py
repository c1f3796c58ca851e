"""What the formats share: how a time, a number and a whole series are held to bounds."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from operator import itemgetter
from statistics import mode

from keepiton.base.errors import UserError
from keepiton.base.types import clean, utc
from keepiton.report.types import ExternalSeries

MAX_POINTS = 100_000
MAX_VALUE = 1e15
"""Larger than any count of networks, requests or bytes, and exact as a float."""
FIRST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
LAST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file with a line of names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, str]], ...]
    """Each with its line, as a place to name in a message."""


def number(place: str, value: object) -> float | None:
    """Read a number or its text; None where there is nothing. Raises UserError."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    # "not <=" also refuses NaN.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_VALUE:
        raise UserError(f"{place}: not a number up to {MAX_VALUE:.0e}; download the file again")
    return float(value)


def required_number(place: str, value: object, least: float, most: float) -> float:
    """Read a number that must be there and within bounds. Raises UserError."""
    read = number(place, value)
    if read is None or not least <= read <= most:
        wanted = f"a number from {least:.0f} to {most:.0f}"
        raise UserError(f"{place}: {wanted} is needed; download the file again")
    return read


def instant(place: str, text: object) -> datetime:
    """Read a date, or a date and time; in UTC where no zone is given. Raises UserError."""
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text if isinstance(text, str) else "")
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if FIRST <= at.timestamp() <= LAST and not at.microsecond:
            return at
    raise UserError(
        f'{place}: not a time such as "2026-01-31T12:00:00Z", from 2000 to 2100;'
        " download the file again"
    )


def usual_step_s(place: str, instants: Iterable[datetime]) -> float:
    """Find the most frequent interval. Raises UserError where there is none."""
    steps = [(after - before).total_seconds() for before, after in pairwise(sorted(set(instants)))]
    if not steps:
        raise UserError(f"{place}: a single point in time; ask the source for a longer time")
    return mode(steps)


def series(
    source: str,
    name: str,
    points: Iterable[tuple[datetime, float | None]],
    step_s: float | None = None,
) -> ExternalSeries:
    """Put points in order; without a step, find it. Raises UserError."""
    name = clean(name)
    ordered = sorted(islice(points, MAX_POINTS + 1), key=itemgetter(0))
    if len(ordered) > MAX_POINTS:
        raise UserError(f"{name}: more than {MAX_POINTS} points; ask the source for a shorter time")
    for (before, _), (after, _) in pairwise(ordered):
        if before == after:
            raise UserError(f"{name}: {utc(after)} stands twice; download the file again")
    if step_s is None:
        step_s = usual_step_s(name, (at for at, _ in ordered))
    return ExternalSeries(source, name, tuple(ordered), step_s)
