"""Rounds in columns: what result files are aggregated to and detection weighs. Pure.

A round is one target in one run (of a control: in one connectivity check). Millions of them
fit in memory, since every name is kept once and the columns hold numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepiton.base.types import STAGES, Stage

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
    "stage",
)
NAME_COLUMNS = (("failure", "failures"), ("file", "files"), ("run_vantage", "vantages"))
"""Columns that hold an index, -1 of none, and the names that it leads to."""
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
    """Number of the connectivity check that a control was asked in; -1 of no control."""
    at: Array
    """When it began: milliseconds since 1970 UTC, by the vantage's own clock."""
    first_check: Array
    last_check: Array
    """Numbers of the connectivity checks before the first and the last row; -1 where not known."""
    flags: Array
    latency_ms: Array
    """The longest stage that answered, by the monotonic clock; NaN where nothing did."""
    stage: Array
    """Index into STAGES of the stage that failed; -1 where none did, or one that is not ours."""
    failure: Array
    """Index of the failure; -1 where nothing failed."""
    file: Array
    """Index of the file that shows the failure; -1 where nothing failed."""
    run_id: Array
    run_vantage: Array
    run_inside: Array
    run_mixed: Array
    """The machine's default route changed in mid-run."""
    run_clock_ms: Array
    """What must be added to its clock, as far as the run knew; NO_CLOCK where it did not."""
    run_country: Array
    target: Array
    operator: Array
    role: Array
    control: Array
    failures: Array
    files: Array
    vantages: Array

    def __len__(self) -> int:
        """Count the rounds."""
        return len(self.run)

    @property
    def country(self) -> str | None:
        """The country that the runs are about, where all that name one name the same."""
        countries = {str(country) for country in np.unique(self.run_country)} - {""}
        return countries.pop() if len(countries) == 1 else None

    def columns(self) -> dict[str, Array]:
        """Return every column by its name."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    def of(self, chosen: Array) -> "Rounds":
        """Keep some rounds, by mask or by index, and every run and name."""
        return replace(
            self,
            **{name: getattr(self, name)[chosen] for name in (*ROUND_COLUMNS, "failure", "file")},
        )

    def overlaps(self) -> Iterator[tuple[str, str, str]]:
        """Yield vantage and two of its runs that overlap in time, as one machine's never do."""
        first = np.full(len(self.run_id), np.iinfo(np.int64).max)
        last = np.full(len(self.run_id), np.iinfo(np.int64).min)
        np.minimum.at(first, self.run, self.at)
        np.maximum.at(last, self.run, self.at)
        order = np.lexsort((first, self.run_vantage))
        before, after = order[:-1], order[1:]
        same = self.run_vantage[before] == self.run_vantage[after]
        overlap = same & (first[after] < last[before])
        for a, b in zip(before[overlap], after[overlap], strict=True):
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


COLUMN_TYPES: Mapping[str, type] = {
    "run": np.int32,
    "subject": np.int32,
    "check_number": np.int16,
    "at": np.int64,
    "first_check": np.int16,
    "last_check": np.int16,
    "flags": np.uint16,
    "latency_ms": np.float32,
    "stage": np.int8,
    "failure": np.int32,
    "file": np.int32,
    "run_vantage": np.int32,
    "run_inside": np.bool_,
    "run_mixed": np.bool_,
    "run_clock_ms": np.int64,
}
"""Of columns of numbers; the others hold text."""


def _names(values: Sequence[str]) -> Array:
    return np.array(values, dtype=np.str_) if len(values) else np.zeros(0, "U1")


def make_rounds(columns: Mapping[str, Any]) -> Rounds:
    """Make rounds of columns; those left out are empty. Raises ValueError where they disagree."""
    arrays = {}
    for column in fields(Rounds):
        values = columns.get(column.name, ())
        kind = COLUMN_TYPES.get(column.name)
        arrays[column.name] = _names(values) if kind is None else np.asarray(values, dtype=kind)
    if any(array.ndim != 1 for array in arrays.values()):
        raise ValueError("columns are lists")
    rounds = Rounds(**arrays)
    for names, length in (
        ((*ROUND_COLUMNS, "failure", "file"), len(rounds.run)),
        (RUN_COLUMNS, len(rounds.run_id)),
        (SUBJECT_COLUMNS, len(rounds.target)),
    ):
        if any(len(arrays[name]) != length for name in names):
            raise ValueError("columns do not fit together")
    for index, names_of in (("run", "run_id"), ("subject", "target"), *NAME_COLUMNS):
        values = arrays[index]
        if len(values) and not -1 <= values.min() <= values.max() < len(arrays[names_of]):
            raise ValueError("columns do not fit together")
    if len(rounds) and not -1 <= rounds.stage.min() <= rounds.stage.max() < len(STAGES):
        raise ValueError("columns do not fit together")
    return rounds


def join(parts: Sequence[Rounds]) -> Rounds:
    """Put rounds of different runs together; equal names become one."""
    if not parts:
        return make_rounds({})
    offsets = np.cumsum([0, *(len(part.run_id) for part in parts)])
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ROUND_COLUMNS[2:] + RUN_COLUMNS
    }
    columns["run"] = np.concatenate(
        [part.run + offset for part, offset in zip(parts, offsets, strict=False)]
    )
    for index, name in NAME_COLUMNS:
        columns[name], columns[index] = _unite(
            [getattr(part, name) for part in parts], [getattr(part, index) for part in parts]
        )
    subjects = [
        ["\n".join(key) for key in zip(*(getattr(part, n) for n in SUBJECT_COLUMNS), strict=True)]
        for part in parts
    ]
    keys, columns["subject"] = _unite(subjects, [part.subject for part in parts])
    split = [str(key).split("\n") for key in keys]
    for number, name in enumerate(SUBJECT_COLUMNS):
        columns[name] = _names([key[number] for key in split])
    return make_rounds(columns)


def ranked(values: Array) -> tuple[Array, Array]:
    """Return the different numbers in order, and the place of each value among them."""
    most = int(values.max(initial=0)) + 1
    if most > 4 * len(values) + DENSE:
        different = np.unique(values)
        return different, np.searchsorted(different, values)
    there = np.zeros(most, bool)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def _unite(names: Sequence[Sequence[str]], indices: Sequence[Array]) -> tuple[Array, Array]:
    """Return all names once, in order, and the indices of all parts into them; -1 stays."""
    names_once, places = np.unique(
        np.concatenate([_names(part) for part in names]), return_inverse=True
    )
    ends = np.cumsum([len(part) for part in names])[:-1]
    return names_once, np.concatenate(
        [
            np.append(place, -1)[index]
            for place, index in zip(np.split(places, ends), indices, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class FileSource:
    """What one file says of one run, and how many of its lines cannot be read."""

    path: str
    run: str
    sealed: bool
    unreadable: int
    newer: bool
    """Written by a later version, whose format is not known here."""


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Rounds with the files they come from."""

    rounds: Rounds
    sources: tuple[FileSource, ...]


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
        """Yield a sentence about each kind of fault in the files."""
        for file, count in sorted(self.bad_lines.items()):
            yield f"{file}: {count} unreadable line(s) left out"
        shared: dict[str, list[tuple[str, str]]] = {}
        for vantage, earlier, later in self.rounds.overlaps():
            shared.setdefault(vantage, []).append((earlier, later))
        for vantage, ((earlier, later), *more) in sorted(shared.items()):
            others = f" (and {len(more)} more such pairs)" if more else ""
            yield (
                f"vantage {vantage}: runs {earlier} and {later} overlap in time{others}: two"
                " machines seem to use this name; give one of them another with --vantage"
            )
