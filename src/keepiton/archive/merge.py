"""Takes in copies of runs that came by any means, and finds where two machines use one name.

Two copies of a run are one, a cut one gives way to a whole one, and nothing whole is ever replaced.
What a file is called does not matter: a run says itself where it belongs.
"""

import os
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Literal

from keepiton.base.errors import UserError
from keepiton.base.files import PART, make_private_folder, replacement, sync_folder
from keepiton.base.types import clean
from keepiton.storage import runs
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.run_name import DayName, RunName, day_folder
from keepiton.storage.runs import StoredRun
from keepiton.storage.seal import Head, end_of, inspect

BEGINS = b'{"type":"run"'
"""What every run begins with; a file that does not hold it, packed or plain, holds no run."""
GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
OURS = (".jsonl", ".parquet")
"""A file with this in its name is spoken of when it holds no run."""
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
    path: str
    """Where it lies, for people to read."""
    load: Callable[[], bytes]
    """Gives its bytes again. Raises UserError where they are not as they were."""
    size: int = 0
    """In bytes; 0 where only its first and last line were read."""
    sha256: str = ""
    """Empty where only its first and last line were read."""
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


@dataclass(frozen=True, slots=True)
class Scan:
    """The copies of runs in files, and what cannot be used; as of :class:`MergePlan`."""

    copies: tuple[RunCopy, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def files(places: Sequence[Path]) -> list[Path]:
    """List every file in folders and among files, whatever its name. Raises UserError."""
    paths: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            for folder, below, names in os.walk(place, onerror=_refuse):  # links are not entered
                below.sort()
                inside = (Path(folder) / name for name in sorted(names))
                paths |= dict.fromkeys(path for path in inside if path.is_file())
        elif place.is_file():
            paths[place] = None
        else:
            raise UserError(f"{clean(str(place))}: no such file or folder")
    return list(paths)


def _refuse(exc: OSError) -> None:
    raise UserError(f"{clean(str(exc.filename))}: cannot be read: {exc.strerror}")


def scan(paths: Iterable[Path]) -> Scan:
    """Find the copies of runs in files."""
    copies, problems, notes = list[RunCopy](), list[str](), list[str]()
    for path in paths:
        before = len(copies)
        try:
            for content in _inside(path):
                if head := inspect(content):
                    copies.append(read_copy(head, content, str(path), _loader(path, head, content)))
        except UserError as exc:
            problems.append(str(exc))
            continue
        except OSError as exc:
            problems.append(f"{clean(str(path))}: cannot be read: {exc.strerror}")
            continue
        if len(copies) == before and any(part in path.name for part in OURS):
            notes.append(f"{clean(str(path))}: holds no run, or not its first line; left")
    return Scan(tuple(copies), tuple(problems), tuple(notes))


def read_copy(
    head: Head, content: bytes, path: str, load: Callable[[], bytes], *, here: bool = False
) -> RunCopy:
    """Describe a copy without keeping its bytes."""
    return RunCopy(head, path, load, len(content), sha256(content).hexdigest(), here)


def _loader(path: Path, head: Head, content: bytes) -> Callable[[], bytes]:
    wanted = sha256(content).digest()

    def load() -> bytes:
        for copy in _inside(path, head.name.file_name):
            if sha256(copy).digest() == wanted:
                return copy
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
            yield from _split(runs.read_file(str(path)))
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

    Several packed one after another give all that they hold. Of what is too long for a run, one
    byte more than a run may have is returned.
    """
    most = runs.MAX_RUN
    plain = bytearray()
    with suppress(zlib.error):
        while content and len(plain) <= most:
            member = zlib.decompressobj(wbits=31)
            plain += member.decompress(content, most + 1 - len(plain))
            content = member.unused_data
    return bytes(plain)


class LocalRuns:
    """The runs of one data folder, by their names."""

    def __init__(self, data: Path, under_way: str | None) -> None:
        """Look into a data folder, there or not; the run under way in it is its writer's alone."""
        self.data = data
        self.under_way = under_way
        self._packed: dict[date, dict[Path, set[RunName]]] = {}
        self._plain: dict[date, dict[str, list[str]]] = {}
        self._parquet: dict[str, dict[RunName, RunCopy]] = {}

    def _stored(self, name: RunName) -> Iterator[StoredRun]:
        for ending in ("", ".gz", ".zst", PART):
            path = self.data / (name.path + ending)
            if path.is_file() and (ending != ".zst" or runs.zstandard()):
                yield StoredRun(name, str(path), sealed=ending != PART)
        for path, names in self._packed_on(name.started_at.date()).items():
            if name in names:
                yield StoredRun(name, str(path))

    def _packed_on(self, day: date) -> dict[Path, set[RunName]]:
        """Find the Parquet files of a day, with the names of the runs in them."""
        if day not in self._packed:
            folder = self.data / day_folder(day)
            self._packed[day] = {
                path: {run.run_name for run in runs.list_runs([str(path)])}
                for level in (folder, *folder.parents[:3])
                for path in sorted(level.glob(f"{day:%Y%m%d}*.parquet"))
            }
        return self._packed[day]

    def _plain_on(self, day: date, vantage: str) -> list[str]:
        """List the files of a vantage's runs in a day's folder."""
        if day not in self._plain:
            by_vantage: dict[str, list[str]] = defaultdict(list)
            for path in sorted((self.data / day_folder(day)).glob("*.jsonl*")):
                if name := RunName.parse(path.name):
                    by_vantage[name.vantage].append(str(path))
            self._plain[day] = by_vantage
        return self._plain[day].get(vantage, [])

    def copies(self, name: RunName) -> list[RunCopy]:
        """Read the copies of one run that are here. Raises UserError."""
        return [
            self._in_parquet(run) if run.in_parquet else _local_copy(run, _read(run))
            for run in self._stored(name)
        ]

    def _in_parquet(self, run: StoredRun) -> RunCopy:
        """Describe a run in a Parquet file, which is read once for all its runs."""
        if run.path not in self._parquet:
            self._parquet[run.path] = {
                name: _local_copy(StoredRun(name, run.path), content)
                for file_name, content in runs.iter_contents(run.path)
                if (name := RunName.parse(file_name))
            }
        return self._parquet[run.path][run.run_name]

    def done(self, name: RunName) -> bool:
        """Whether a sealed file with an end line is here; its seal is not looked at."""
        return any(
            run.in_parquet  # only whole ones are packed
            or (run.sealed and (head := _read_ends(run)) is not None and head.ended_at is not None)
            for run in self._stored(name)
        )

    def near(self, head: Head, known: Container[RunName]) -> Iterator[RunCopy]:
        """Describe the vantage's other runs of that day and the days beside it.

        Of those in files of their own only the first and the last line are read. Raises UserError.
        """
        for days in (-1, 0, 1):
            try:
                day = head.name.started_at.date() + timedelta(days=days)
            except OverflowError:  # the calendar ends
                continue
            for run in runs.list_runs(self._plain_on(day, head.name.vantage)):
                if run.run_name not in known and (own := _read_ends(run)):
                    yield RunCopy(own, run.path, partial(_read, run), here=True)
            for path, names in self._packed_on(day).items():
                for name in sorted(names, key=lambda name: name.file_name):
                    if name.vantage == head.name.vantage and name not in known:
                        yield self._in_parquet(StoredRun(name, str(path)))


def _local_copy(run: StoredRun, content: bytes) -> RunCopy:
    head = inspect(content)
    if head is None or head.name != run.run_name:  # empty, or another's under this name
        head = Head(run.run_name, datetime.min.replace(tzinfo=UTC), "broken")
    return read_copy(head, content, run.path, partial(_read, run), here=True)


def _read(run: StoredRun) -> bytes:
    """Read a run that is here, of a packed file as far as it goes. Raises UserError."""
    if not run.path.endswith(".gz"):
        return runs.read_content(run)
    try:
        return unpacked(Path(run.path).read_bytes())
    except OSError as exc:
        raise UserError(f"{clean(run.path)}: cannot be read: {exc.strerror}") from None


def plan(copies: Iterable[RunCopy], here: LocalRuns) -> MergePlan:
    """Decide for each run which copy is the best, and what is to be done with it."""
    result = MergePlan()
    by_path: dict[str, list[RunCopy]] = defaultdict(list)
    for copy in copies:
        by_path[copy.head.name.path].append(copy)
    for path in sorted(by_path):
        if path == here.under_way:
            result.notes.append(f"{path}: under way here; left")
            continue
        try:
            _plan_run(by_path[path], here, result)
        except UserError as exc:
            result.problems.append(str(exc))
    return result


def _plan_run(copies: list[RunCopy], here: LocalRuns, result: MergePlan) -> None:
    name = copies[0].head.name
    local = here.copies(name)
    distinct = {
        (copy.sha256, copy.head.integrity): copy for copy in reversed([*local, *copies])
    }.values()
    whole = [copy for copy in distinct if copy.head.integrity == "whole"]
    cut = sorted(
        (copy for copy in distinct if copy.head.integrity == "cut"), key=lambda copy: copy.size
    )
    broken = [copy for copy in distinct if copy.head.integrity == "broken"]
    if len(whole) > 1:
        result.problems.append(
            f"{_named(whole)}: one run, two contents, both sealed; one is forged."
            " Neither was changed; ask its vantage for the SHA-256 of the file"
        )
        return
    best = whole[0] if whole else cut[-1] if cut else None
    if best is None:
        result.problems.append(
            f"{_named(broken)}: changed since it was sealed; left. Copy it again from its vantage"
        )
        return
    shorter = [copy for copy in cut if copy is not best]
    if shorter:
        content = best.load()
        odd = [copy for copy in shorter if not content.startswith(copy.load().rstrip(b"\0"))]
        if odd:
            result.problems.append(
                f"{_named([best, *odd])}: one run, and the shorter is not the beginning of the"
                " longer; neither was changed. Copy it again from its vantage"
            )
            return
    if any(copy.here for copy in broken):
        result.problems.append(
            f"{_named(broken)}: changed since it was sealed; {best} is not. Remove the changed"
            " one, and merge again"
        )
        return
    if broken:
        result.notes.append(f"{_named(broken)}: changed since it was sealed; {best} is not")
    incomplete = [copy for copy in local if copy.head.integrity == "cut"]
    target = name.path if whole else name.part
    drop = tuple(Path(copy.path) for copy in incomplete if copy.path != str(here.data / target))
    kind: Kind = "completed" if whole and incomplete else "new" if whole else "cut"
    if best.here:
        kind, drop = "there", drop if whole else ()
    result.steps.append(MergeStep(kind, best, target, drop))


def _named(copies: Iterable[RunCopy]) -> str:
    return " and ".join(sorted({str(copy) for copy in copies}))


def carry_out(merge_plan: MergePlan, data: Path) -> None:
    """Do what was planned. Raises OSError; what was done before stays."""
    remove_stale(data)

    def do(step: MergeStep) -> Path | None:
        folder = None
        if step.kind != "there":
            try:
                content = step.best.load()
            except UserError as exc:
                merge_plan.problems.append(str(exc))
                return None
            folder = _place_file(data, step.target, content, overwrite=step.kind != "new")
        for path in step.drop:
            path.unlink(missing_ok=True)
        return folder

    with ThreadPoolExecutor(AT_ONCE) as pool:  # a disk forces several to it in the time of one
        folders = {folder for folder in pool.map(do, merge_plan.steps) if folder}
    for folder in folders:
        sync_folder(folder)


def _place_file(data: Path, target: str, content: bytes, *, overwrite: bool) -> Path:
    """Write a file whole or not at all; return its folder, for :func:`sync_folder`."""
    path = data / target
    make_private_folder(path.parent, data)
    temporary = data / "results" / f".{os.urandom(8).hex()}.tmp"
    with replacement(path, temporary=temporary, overwrite=overwrite, sync="file") as file:
        file.write(content)
    return path.parent


def remove_stale(data: Path) -> None:
    """Remove what somebody who was killed left half written."""
    for path in (data / "results").glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                path.unlink()


def shared_names(copies: Iterable[RunCopy], here: LocalRuns) -> list[str]:
    """Find vantage names that two machines use; say so, with files and what to do.

    Their chains fork (two runs name the same one before them), or their runs overlap and the later
    one does not follow the earlier. Only days of the copies and those beside them are looked at.
    """
    by_vantage: dict[str, dict[RunName, RunCopy]] = defaultdict(dict)
    days: dict[DayName, Head] = {}
    for copy in copies:
        name = copy.head.name
        if copy.head.integrity != "broken":
            by_vantage[name.vantage].setdefault(name, copy)
            days[name.day_file] = copy.head
    for head in days.values():
        of_vantage = by_vantage[head.name.vantage]
        with suppress(UserError):  # a file that cannot be read is reported elsewhere
            for local in here.near(head, of_vantage):
                of_vantage[local.head.name] = local
    return [
        f"vantage {vantage}: {'; '.join(pairs[:SHOWN])}"
        f"{f'; and {len(pairs) - SHOWN} more such pairs' if len(pairs) > SHOWN else ''}."
        " Two machines seem to use this name. All is kept; give one of them another name"
        " with --vantage"
        for vantage, of_vantage in sorted(by_vantage.items())
        if (pairs := _pairs(list(of_vantage.values())))
    ]


def _pairs(copies: list[RunCopy]) -> list[str]:
    """Say which runs of one vantage cannot be of one machine."""
    copies.sort(key=lambda copy: (copy.head.started_at, copy.head.name.path))
    reasons: dict[tuple[str, str], str] = {}
    by_previous: dict[str, RunCopy] = {}
    for copy in copies:
        previous = copy.head.previous
        first = by_previous.setdefault(previous, copy) if previous else copy
        if first is not copy:
            reasons[first.path, copy.path] = "follow the same run"
    for first, copy in pairwise(copies):
        ended = first.head.ended_at
        overlap = ended is not None and copy.head.started_at < ended
        if overlap and (first.path, copy.path) not in reasons and not _follows(copy, first):
            reasons[first.path, copy.path] = "overlap in time"
    return [f"{clean(a)} and {clean(b)} {why}" for (a, b), why in reasons.items()]


def _follows(later: RunCopy, earlier: RunCopy) -> bool:
    """Whether a run names another as the one before it: then a clock was set back."""
    with suppress(UserError, OSError):
        return later.head.previous == (earlier.sha256 or sha256(earlier.load()).hexdigest())
    return False


def _read_ends(run: StoredRun) -> Head | None:
    """Read the first and the last line of a run; whether its seal fits is not looked at."""
    try:
        if not run.path.endswith((".jsonl", PART)):
            return inspect(_read(run))
        with Path(run.path).open("rb") as file:
            return inspect(file.readline(MAX_LINE) + end_of(file))
    except (UserError, OSError):
        return None
