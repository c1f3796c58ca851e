"""Rounds in columns: what the fold gives and detection weighs. Pure.

A round is one target in one run (of a control: in one look). Millions of them fit in memory, since
every name is kept once and the columns hold numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepiton.base.types import Stage

Ints = NDArray[np.int64]
Array = NDArray[Any]

REACHED, FAILED, CONFIRMED, UNRESOLVED, LOOKED_UP, RESOLVED, ONE_STAGE = (
    1 << bit for bit in range(7)
)
"""Bits of ``Rounds.flags``: an end answered; a failure that tells of the target; it was confirmed
by a second attempt or at a second stage; the name did not resolve; a name was looked up; it gave an
address; only one stage was tried."""
TRIED: Mapping[Stage, int] = {"dns": 1 << 7, "tcp": 1 << 8, "tls": 1 << 9, "http": 1 << 10}
"""And which stages were tried."""

DENSE = 1 << 20
"""Numbers up to here are counted in a table, which is faster than sorting them."""
NO_CLOCK = np.iinfo(np.int64).min
ROUND_COLUMNS = (
    "run",
    "subject",
    "check_number",
    "at",
    "first_check",
    "last_check",
    "flags",
    "latency_ms",
)
FAILURE_COLUMNS = ("why", "file")
RUN_COLUMNS = ("run_id", "run_vantage", "run_inside", "run_mixed", "run_clock_ms", "run_country")
SUBJECT_COLUMNS = ("target", "operator", "role", "control")


@dataclass(frozen=True, slots=True)
class Rounds:
    """Columns of equal length: first of the rounds, then of their runs, subjects and names."""

    run: Array
    """Index of the run."""
    subject: Array
    """Index of the target with its operator, role and control group."""
    check_number: Array
    """Number of the look at the own line that a control was asked in; -1 of no control."""
    at: Array
    """When it began: milliseconds since 1970 UTC, by the vantage's own clock."""
    first_check: Array
    last_check: Array
    """Numbers of the looks before the first and the last row; -1 where not known."""
    flags: Array
    latency_ms: Array
    """The longest stage that answered, by the monotonic clock; NaN where nothing did."""
    why: Array
    """Index of ``stage failure``; -1 where nothing failed."""
    file: Array
    """Index of the file that shows the failure; -1 where nothing failed."""
    run_id: Array
    run_vantage: Array
    run_inside: Array
    run_mixed: Array
    """The way out of the machine changed in mid-run."""
    run_clock_ms: Array
    """What must be added to its clock, as far as the run knew; NO_CLOCK where it did not."""
    run_country: Array
    target: Array
    operator: Array
    role: Array
    control: Array
    whys: Array
    files: Array
    vantages: Array

    def __len__(self) -> int:
        """Count the rounds."""
        return len(self.run)

    @property
    def country(self) -> str | None:
        """The country that the runs are about, where all that name one name the same."""
        named = {str(one) for one in np.unique(self.run_country)} - {""}
        return named.pop() if len(named) == 1 else None

    def columns(self) -> dict[str, Array]:
        """Return every column by its name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def of(self, chosen: Array) -> "Rounds":
        """Keep some rounds, by mask or by index, and every run and name."""
        return replace(
            self,
            **{name: getattr(self, name)[chosen] for name in (*ROUND_COLUMNS, *FAILURE_COLUMNS)},
        )

    def overlaps(self) -> Iterator[tuple[str, str, str]]:
        """Yield vantage and two of its runs that overlap in time, as one machine's never do."""
        first = np.full(len(self.run_id), np.iinfo(np.int64).max)
        last = np.full(len(self.run_id), np.iinfo(np.int64).min)
        np.minimum.at(first, self.run, self.at)
        np.maximum.at(last, self.run, self.at)
        order = np.lexsort((first, self.run_vantage))
        one, two = order[:-1], order[1:]
        found = (self.run_vantage[one] == self.run_vantage[two]) & (first[two] < last[one])
        for a, b in zip(one[found], two[found], strict=True):
            vantage = self.vantages[self.run_vantage[a]]
            yield str(vantage), str(self.run_id[a]), str(self.run_id[b])

    def in_order(self) -> "Rounds":
        """Put the rounds in order of vantage, subject and time."""
        return self.of(np.lexsort((self.at, self.subject, self.run_vantage[self.run])))

    def of_runs(self, mask: NDArray[np.bool_]) -> "Rounds":
        """Keep some runs with their rounds, and every name."""
        kept = self.of(mask[self.run])
        place = np.cumsum(mask) - 1
        runs = {name: getattr(self, name)[mask] for name in RUN_COLUMNS}
        return replace(kept, run=place[kept.run].astype(np.int32), **runs)


def _names(values: Sequence[str]) -> Array:
    return np.array(values, dtype=np.str_) if len(values) else np.zeros(0, "U1")


COLUMN_TYPES: Mapping[str, type] = {
    "run": np.int32,
    "subject": np.int32,
    "check_number": np.int16,
    "at": np.int64,
    "first_check": np.int16,
    "last_check": np.int16,
    "flags": np.uint16,
    "latency_ms": np.float32,
    "why": np.int32,
    "file": np.int32,
    "run_vantage": np.int32,
    "run_inside": np.bool_,
    "run_mixed": np.bool_,
    "run_clock_ms": np.int64,
}


def make_rounds(columns: Mapping[str, Any]) -> Rounds:
    """Make rounds of columns; what is not given is empty. Raises ValueError where they disagree."""
    made = {}
    for one in fields(Rounds):
        given = columns.get(one.name, ())
        kind = COLUMN_TYPES.get(one.name)
        made[one.name] = _names(given) if kind is None else np.asarray(given, dtype=kind)
    if any(one.ndim != 1 for one in made.values()):
        raise ValueError("columns are lists")
    new = Rounds(**made)
    for names, indices, length in (
        ((*ROUND_COLUMNS, *FAILURE_COLUMNS), (), len(new.run)),
        (RUN_COLUMNS, (new.run,), len(new.run_id)),
        (SUBJECT_COLUMNS, (new.subject,), len(new.target)),
        ((), (new.why,), len(new.whys)),
        ((), (new.file,), len(new.files)),
        ((), (new.run_vantage,), len(new.vantages)),
    ):
        if any(len(getattr(new, name)) != length for name in names) or any(
            len(index) and not -1 <= index.min() <= index.max() < length for index in indices
        ):
            raise ValueError("columns do not fit together")
    return new


def join(parts: Sequence[Rounds]) -> Rounds:
    """Put rounds of different runs together; equal names become one."""
    if not parts:
        return make_rounds({})
    made: dict[str, Array] = {}
    offset = np.cumsum([0, *(len(one.run_id) for one in parts)])
    made["run"] = np.concatenate(
        [one.run + start for one, start in zip(parts, offset, strict=False)]
    )
    for name in ROUND_COLUMNS[2:] + RUN_COLUMNS:
        made[name] = np.concatenate([getattr(one, name) for one in parts])
    for index, name in (("why", "whys"), ("file", "files"), ("run_vantage", "vantages")):
        names, places = _unite([getattr(one, name) for one in parts])
        made[name] = names
        made[index] = np.concatenate(
            [_through(place, getattr(one, index)) for one, place in zip(parts, places, strict=True)]
        )
    keys = [
        np.array(
            [
                "\n".join(key)
                for key in zip(*(getattr(one, n) for n in SUBJECT_COLUMNS), strict=True)
            ]
        )
        for one in parts
    ]
    names, places = _unite(keys)
    made["subject"] = np.concatenate(
        [_through(place, one.subject) for one, place in zip(parts, places, strict=True)]
    )
    split = [str(name).split("\n") for name in names]
    for number, name in enumerate(SUBJECT_COLUMNS):
        made[name] = _names([one[number] for one in split])
    return make_rounds(made)


def ranked(values: Array) -> tuple[Array, Array]:
    """Return the different numbers in order, and each one's place among them."""
    most = int(values.max(initial=0)) + 1
    if most > 4 * len(values) + DENSE:
        different = np.unique(values)
        return different, np.searchsorted(different, values)
    there = np.zeros(most, bool)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def _unite(names: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return all names once, in order, and where each part's names are among them."""
    whole, inverse = np.unique(
        np.concatenate([_names(list(one)) for one in names]), return_inverse=True
    )
    return whole, np.split(inverse, np.cumsum([len(one) for one in names])[:-1])


def _through(place: Array, index: Array) -> Array:
    """Translate indices, leaving -1 as it is."""
    return np.append(place, -1)[index]


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What reading result files gave, with what was wrong with them."""

    rounds: Rounds
    files: int
    unsealed: int
    bad_lines: dict[str, int]
    """File and how many of its lines could not be read."""
    complete: bool = True
    """Whether every file was looked at, not only the recent ones."""

    def warnings(self) -> Iterator[str]:
        """Say in words what could not be read."""
        for file, count in sorted(self.bad_lines.items()):
            yield f"{file}: {count} unreadable line(s) left out"
        shared: dict[str, list[tuple[str, str]]] = {}
        for vantage, *runs in self.rounds.overlaps():
            shared.setdefault(vantage, []).append((runs[0], runs[1]))
        for vantage, ((one, two), *more) in sorted(shared.items()):
            others = f" (and {len(more)} more such pairs)" if more else ""
            yield (
                f"vantage {vantage}: runs {one} and {two} overlap in time{others}: two machines"
                " seem to use this name; give one of them another with --vantage"
            )
