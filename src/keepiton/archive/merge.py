"""Takes in copies of runs that came by any means, and finds where two machines use one name.

Two copies of a run are one, a cut one gives way to a whole one, and nothing whole is ever replaced.
What a file is called does not matter: a run says itself where it belongs.
"""

import hashlib
import os
import secrets
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.storage import runs
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.seal import Head, inspect
from keepiton.storage.writer import PART, make_private_folder

BEGINS = b'{"type":"run"'
"""What every run begins with; a file that does not hold it, packed or plain, holds no run."""
GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
OURS = (".jsonl", ".parquet")
"""A file with this in its name is spoken of when it holds no run."""
TAIL = 16_384
"""Bytes at the end of a file in which its end line is looked for."""
AT_ONCE = 8
"""Files that are written at the same time."""
STALE_S = 3600
"""After this time a file that was being written is left over from somebody who was killed."""
SHOWN = 3
"""Pairs of runs that are named for each vantage that two machines use."""


@dataclass(frozen=True, slots=True)
class RunCopy:
    """One copy of a run, somewhere."""

    head: Head
    size: int
    sha256: str
    path: str
    """Where it lies, for people to read."""
    load: Callable[[], bytes]
    """Gives its bytes again. Raises UserError where they are not as they were."""
    here: bool = False
    """It lies in the data folder, under its own name."""

    def __str__(self) -> str:
        """Name where it lies."""
        return clean(self.path)


Kind = Literal["new", "completed", "cut", "there"]


@dataclass(frozen=True, slots=True)
class MergeStep:
    """What is to be done for one run."""

    kind: Kind
    """New: whole, and not there before. Completed: there, but cut. Cut: what there is of it is
    more than before, and not all. There: nothing is to be done."""
    best: RunCopy
    target: str
    """Path below the data folder."""
    drop: tuple[Path, ...] = ()
    """Shorter copies that are no longer needed, in the data folder."""


@dataclass(slots=True)
class MergePlan:
    """What a merge will do, or did."""

    steps: list[MergeStep] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Runs that could not be taken, each in a sentence that names the files."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, and loses nothing by."""

    def count(self, kind: Kind) -> int:
        """Count the steps of a kind."""
        return sum(step.kind == kind for step in self.steps)


def files(places: Sequence[Path]) -> list[Path]:
    """List every file in folders and among files, whatever its name. Raises UserError."""
    found: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            for folder, below, names in os.walk(place, onerror=_refused):  # links are not entered
                below.sort()
                inside = (Path(folder) / name for name in sorted(names))
                found |= dict.fromkeys(one for one in inside if one.is_file())
        elif place.is_file():
            found[place] = None
        else:
            raise UserError(f"{clean(str(place))}: no such file or folder")
    return list(found)


def _refused(exc: OSError) -> None:
    raise UserError(f"{clean(str(exc.filename))}: cannot be read: {exc.strerror}")


def scan(paths: Iterable[Path], plan: MergePlan) -> Iterator[RunCopy]:
    """Find the copies of runs in files; what cannot be used is noted in the plan."""
    for path in paths:
        any_run = False
        try:
            for content in _inside(path):
                head = inspect(content)
                if head is not None:
                    any_run = True
                    yield read_copy(head, content, str(path), _loader(path, head, content))
        except UserError as exc:
            plan.problems.append(str(exc))
            continue
        except OSError as exc:
            plan.problems.append(f"{clean(str(path))}: cannot be read: {exc.strerror}")
            continue
        if not any_run and any(one in path.name for one in OURS):
            plan.notes.append(f"{clean(str(path))}: holds no run, or not its first line; left")


def read_copy(head: Head, content: bytes, path: str, load: Callable[[], bytes]) -> RunCopy:
    """Describe a copy without keeping its bytes."""
    return RunCopy(head, len(content), hashlib.sha256(content).hexdigest(), path, load)


def _loader(path: Path, head: Head, content: bytes) -> Callable[[], bytes]:
    wanted = hashlib.sha256(content).digest()

    def load() -> bytes:
        for one in _inside(path, head.name):
            if hashlib.sha256(one).digest() == wanted:
                return one
        raise UserError(f"{clean(str(path))}: changed meanwhile; merge again")

    return load


def _inside(path: Path, name: str = "") -> Iterator[bytes]:
    """Yield the runs in a file by its content, not its name. Raises UserError, OSError."""
    with path.open("rb") as file:
        first = file.read(len(BEGINS))
        if first.startswith(PARQUET):
            if next(runs.list_runs([str(path)]), None):
                packed = runs.iter_contents(str(path), [name] if name else ())
                yield from (content for _, content in packed)
            return
        if first.startswith(ZSTD):
            if path.suffix != ".zst" or not runs.zstandard():
                raise UserError(f"{clean(str(path))}: left; unpack it first: zstd -d FILE")
            yield from _split(runs.read_content(runs.StoredRun(path.name, str(path), sealed=True)))
            return
        if not first.startswith((GZIP, BEGINS)):
            return
        rest = file.read(runs.MAX_RUN)
    content = first + rest
    if content.startswith(GZIP):
        content = unpacked(content)
    if len(content) > runs.MAX_RUN:
        raise UserError(f"{clean(str(path))}: more than {runs.MAX_RUN >> 20} MiB; left")
    if content.startswith(BEGINS):  # several may have been put into one file
        yield from _split(content)


def _split(content: bytes) -> list[bytes]:
    begins = [0]
    while (at := content.find(b"\n" + BEGINS, begins[-1])) >= 0:
        begins.append(at + 1)
    return [content[a:b] for a, b in pairwise([*begins, len(content)])]


def unpacked(content: bytes) -> bytes:
    """Unpack gzip, of a file that was cut or damaged as far as it goes.

    What is too long for a run is given to one byte over.

    Several packed one after another give all that they hold.
    """
    most = runs.MAX_RUN
    found = bytearray()
    with suppress(zlib.error):
        while content and len(found) <= most:
            member = zlib.decompressobj(wbits=31)
            found += member.decompress(content, most + 1 - len(found))
            content = member.unused_data
    return bytes(found)


class LocalRuns:
    """The runs of one data folder, by the places they belong to."""

    def __init__(self, data: Path, under_way: str | None) -> None:
        """Look into a data folder, there or not; the run under way in it is its writer's alone."""
        self.data = data
        self.open = under_way
        self._packed: dict[str, dict[Path, set[str]]] = {}
        self._listed: dict[Path, dict[str, list[str]]] = {}
        self._told: dict[str, dict[str, RunCopy]] = {}

    def _files(self, place: str) -> Iterator[runs.StoredRun]:
        name = place.rpartition("/")[2]
        for ending in ("", ".gz", ".zst", PART):
            path = self.data / (place + ending)
            if path.is_file() and (ending != ".zst" or runs.zstandard()):
                yield runs.StoredRun(name, str(path), sealed=ending != PART)
        for path, names in self._days(place).items():
            if name in names:
                yield runs.StoredRun(name, str(path), sealed=True)

    def _days(self, place: str) -> dict[Path, set[str]]:
        """Find the Parquet files of a run's day, with the runs in them."""
        day = place.rpartition("/")[2][:8]
        if day not in self._packed:
            levels = list((self.data / place).parents)[:4]
            self._packed[day] = {
                path: {one.name for one in runs.list_runs([str(path)])}
                for level in levels
                for path in sorted(level.glob(f"{day}*.parquet"))
            }
        return self._packed[day]

    def copies(self, place: str) -> list[RunCopy]:
        """Read the copies of one run that are here. Raises UserError."""
        return [
            self._of_day(one) if one.path.endswith(".parquet") else _copy(one, _bytes(one))
            for one in self._files(place)
        ]

    def _of_day(self, one: runs.StoredRun) -> RunCopy:
        """Describe a run in a Parquet file, which is read once for all its runs."""
        if one.path not in self._told:
            self._told[one.path] = {
                name: _copy(runs.StoredRun(name, one.path, sealed=True), content)
                for name, content in runs.iter_contents(one.path)
            }
        return self._told[one.path][one.name]

    def head(self, one: runs.StoredRun) -> Head | None:
        """Read what a run that is here says of itself; whether its seal fits may not be looked at.

        Raises UserError.
        """
        return self._of_day(one).head if one.path.endswith(".parquet") else _ends(one)

    def done(self, place: str) -> bool:
        """Whether a sealed file with an end line is here; its seal is not looked at."""
        return any(
            one.path.endswith(".parquet")  # only whole ones are packed
            or (one.sealed and (head := _ends(one)) is not None and head.ended_at is not None)
            for one in self._files(place)
        )

    def near(self, head: Head) -> Iterator[runs.StoredRun]:
        """List the vantage's runs of that day and the days beside it. Raises UserError."""
        for days in (-1, 0, 1):
            day = head.started_at + timedelta(days=days)
            folder = self.data / f"results/{day:%Y/%m/%d}"
            if folder not in self._listed:
                theirs: dict[str, list[str]] = defaultdict(list)
                for path in sorted(folder.glob("*.jsonl*")):
                    if named := runs.FILE.match(path.name):
                        theirs[named["vantage"]].append(str(path))
                self._listed[folder] = theirs
            yield from runs.list_runs(self._listed[folder].get(head.vantage, []))
            for path, names in self._days(f"results/{day:%Y/%m/%d/%Y%m%d}").items():
                for name in sorted(names):
                    if (
                        one := runs.StoredRun(name, str(path), sealed=True)
                    ).vantage == head.vantage:
                        yield one


def _copy(one: runs.StoredRun, content: bytes) -> RunCopy:
    head = inspect(content)
    if head is None or head.name != one.name:  # empty, or another's under this name
        began = datetime.min.replace(tzinfo=UTC)
        head = Head(runs.home_folder(one.name), one.vantage, began, "broken")
    return replace(read_copy(head, content, one.path, partial(_bytes, one)), here=True)


def _bytes(one: runs.StoredRun) -> bytes:
    """Read a run that is here, of a packed file as far as it goes. Raises UserError."""
    if not one.path.endswith(".gz"):
        return runs.read_content(one)
    try:
        return unpacked(Path(one.path).read_bytes())
    except OSError as exc:
        raise UserError(f"{clean(one.path)}: cannot be read: {exc.strerror}") from None


def plan(copies: Iterable[RunCopy], here: LocalRuns, into: MergePlan) -> MergePlan:
    """Decide for each run which copy is the best, and what is to be done with it."""
    groups: dict[str, list[RunCopy]] = defaultdict(list)
    for one in copies:
        groups[one.head.path].append(one)
    for place in sorted(groups):
        if place == here.open:
            into.notes.append(f"{place}: under way here; left")
            continue
        try:
            _settle(place, groups[place], here, into)
        except UserError as exc:
            into.problems.append(str(exc))
    return into


def _settle(place: str, copies: list[RunCopy], here: LocalRuns, into: MergePlan) -> None:
    there = here.copies(place)
    every = {(one.sha256, one.head.integrity): one for one in reversed([*there, *copies])}.values()
    whole = [one for one in every if one.head.integrity == "whole"]
    cut = sorted((one for one in every if one.head.integrity == "cut"), key=lambda one: one.size)
    broken = [one for one in every if one.head.integrity == "broken"]
    if len(whole) > 1:
        into.problems.append(
            f"{_named(whole)}: one run, two contents, both sealed; one is forged."
            " Neither was changed; ask its vantage for the SHA-256 of the file"
        )
        return
    best = whole[0] if whole else cut[-1] if cut else None
    if best is None:
        into.problems.append(
            f"{_named(broken)}: changed since it was sealed; left. Copy it again from its vantage"
        )
        return
    shorter = [one for one in cut if one is not best]
    if shorter:
        content = best.load()
        odd = [one for one in shorter if not content.startswith(one.load().rstrip(b"\0"))]
        if odd:
            into.problems.append(
                f"{_named([best, *odd])}: one run, and the shorter is not the beginning of the"
                " longer; neither was changed. Copy it again from its vantage"
            )
            return
    if any(one.here for one in broken):
        into.problems.append(
            f"{_named(broken)}: changed since it was sealed; {best} is not. Remove the changed"
            " one, and merge again"
        )
        return
    if broken:
        into.notes.append(f"{_named(broken)}: changed since it was sealed; {best} is not")
    old = [one for one in there if one.head.integrity == "cut"]
    target = place if whole else place + PART
    drop = tuple(Path(one.path) for one in old if one.path != str(here.data / target))
    kind: Kind = "completed" if whole and old else "new" if whole else "cut"
    if best.here:
        kind, drop = "there", drop if whole else ()
    into.steps.append(MergeStep(kind, best, target, drop))


def _named(copies: Iterable[RunCopy]) -> str:
    return " and ".join(sorted({str(one) for one in copies}))


def carry_out(made: MergePlan, data: Path) -> None:
    """Do what was planned. Raises OSError; what was done before stays."""
    remove_stale(data)

    def do(step: MergeStep) -> Path | None:
        folder = None
        if step.kind != "there":
            try:
                content = step.best.load()
            except UserError as exc:
                made.problems.append(str(exc))
                return None
            folder = place_file(data, step.target, content, over=step.kind != "new")
        for path in step.drop:
            path.unlink(missing_ok=True)
        return folder

    with ThreadPoolExecutor(AT_ONCE) as pool:  # a disk forces several to it in the time of one
        folders = {folder for folder in pool.map(do, made.steps) if folder}
    for folder in folders:
        sync(folder)


def place_file(data: Path, target: str, content: bytes, *, over: bool = False) -> Path:
    """Write a file whole or not at all, for its owner only; return its folder. Raises OSError.

    Unless told to go over it, a file that is there is left as it is.
    """
    path = data / target
    make_private_folder(path.parent, data)
    new = data / "results" / f".{secrets.token_hex(8)}.tmp"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if over or not path.exists():
            new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path.parent


def sync(folder: Path) -> None:
    """Force the names in a folder to disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_stale(data: Path) -> None:
    """Remove what somebody who was killed left half written."""
    for path in (data / "results").glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                path.unlink()


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of a vantage, as far as it matters who made it."""

    head: Head
    path: str
    load: Callable[[], bytes]


def shared_names(copies: Iterable[RunCopy], here: LocalRuns) -> list[str]:
    """Find vantage names that two machines use; say so, with files and what to do.

    Their chains fork (two runs name the same one before them), or their runs overlap and the later
    one does not follow the earlier. Only days of the copies and those beside them are looked at.
    """
    found: dict[str, dict[str, _Run]] = defaultdict(dict)
    days: dict[tuple[str, str], Head] = {}
    for one in copies:
        if one.head.integrity != "broken":
            found[one.head.vantage].setdefault(one.head.path, _Run(one.head, one.path, one.load))
            days[one.head.vantage, one.head.name[:8]] = one.head
    for head in days.values():
        with suppress(UserError):  # a file that cannot be read is told of elsewhere
            for held in here.near(head):
                if runs.home_folder(held.name) not in found[head.vantage] and (
                    told := here.head(held)
                ):
                    run = _Run(told, held.path, partial(_bytes, held))
                    found[head.vantage][told.path] = run
    return [
        f"vantage {vantage}: {'; '.join(pairs[:SHOWN])}"
        f"{f'; and {len(pairs) - SHOWN} more such pairs' if len(pairs) > SHOWN else ''}."
        " Two machines seem to use this name. All is kept; give one of them another name"
        " with --vantage"
        for vantage, theirs in sorted(found.items())
        if (pairs := _pairs(list(theirs.values())))
    ]


def _pairs(theirs: list[_Run]) -> list[str]:
    """Say which runs of one vantage cannot be of one machine."""
    theirs.sort(key=lambda one: (one.head.started_at, one.head.path))
    told: dict[tuple[str, str], str] = {}
    before: dict[str, _Run] = {}
    for one in theirs:
        first = before.setdefault(one.head.previous, one) if one.head.previous else one
        if first is not one:
            told[first.path, one.path] = "follow the same run"
    for first, one in pairwise(theirs):
        ended = first.head.ended_at
        overlap = ended is not None and one.head.started_at < ended
        if overlap and (first.path, one.path) not in told and not _follows(one, first):
            told[first.path, one.path] = "overlap in time"
    return [f"{clean(a)} and {clean(b)} {why}" for (a, b), why in told.items()]


def _follows(one: _Run, first: _Run) -> bool:
    """Whether a run names another as the one before it: then a clock was set back."""
    with suppress(UserError, OSError):
        return one.head.previous == hashlib.sha256(first.load()).hexdigest()
    return False


def _ends(one: runs.StoredRun) -> Head | None:
    """Read the first and the last line of a run; whether its seal fits is not looked at."""
    try:
        if not one.path.endswith((".jsonl", PART)):
            return inspect(_bytes(one))
        with Path(one.path).open("rb") as file:
            first = file.readline(MAX_LINE)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(len(first), size - TAIL))
            last = file.read(TAIL)
    except (UserError, OSError):
        return None
    return inspect(first + last[last.rfind(b"\n", 0, -1) + 1 :])
