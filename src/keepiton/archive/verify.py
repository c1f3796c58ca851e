"""Checks result files: every seal, link, name, count and copy, in whatever form they lie.

One run is held at a time; of the others no more than a hash or two.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from keepiton.base.errors import UserError
from keepiton.base.language import gettext_noop
from keepiton.base.types import clean
from keepiton.storage.reader import COLUMNS, connect
from keepiton.storage.rows import Measurement
from keepiton.storage.runs import (
    RAW,
    ROWS,
    StoredRun,
    iter_contents,
    list_runs,
    read_content,
    zstandard,
)

if TYPE_CHECKING:
    import duckdb

Kind = Literal[
    "unreadable",
    "seal",
    "unsealed_name",
    "counts",
    "name",
    "missing",
    "newest_missing",
    "copies_differ",
    "columns",
    "order",
    "left_open",
    "lines",
    "truncated_copy",
    "new_chain",
    "newer_format",
    "not_looked_at",
]
FAULTS: dict[Kind, tuple[str, str]] = {
    "unreadable": (
        gettext_noop("cannot be read: {detail}"),
        gettext_noop("take it from another copy, and remove this one"),
    ),
    "seal": (
        gettext_noop("its lines are not those that were sealed"),
        gettext_noop("it was changed since; take it from another copy, or do not rely on it"),
    ),
    "unsealed_name": (
        gettext_noop("has no end line, though its name says that it is whole"),
        gettext_noop("copying was cut off? take it from where it came"),
    ),
    "counts": (
        gettext_noop("its end line counts other measurements than it holds: {detail}"),
        gettext_noop("it was changed and sealed again; take it from another copy"),
    ),
    "name": (
        gettext_noop("is named otherwise than its first line says: {detail}"),
        gettext_noop("give it back its name"),
    ),
    "missing": (
        gettext_noop("the run before it is not here, though earlier ones of this vantage are"),
        gettext_noop("look for it after {detail}, where this folder came from or in another copy"),
    ),
    "newest_missing": (
        gettext_noop("the newest run that state.json knows of is not here"),
        gettext_noop("look for it in another copy; nothing here tells what it held"),
    ),
    "copies_differ": (
        gettext_noop("differs from its copy in {detail}"),
        gettext_noop("keep the one whose seal holds"),
    ),
    "columns": (
        gettext_noop("its columns, which reports read, are not what its lines say: line {detail}"),
        gettext_noop(
            "take the runs out with: keepiton results export --format files; then remove this file"
        ),
    ),
}
"""What is wrong: exit 5."""
NOTES: dict[Kind, tuple[str, str]] = {
    "left_open": (
        gettext_noop("unsealed: under way, or cut off"),
        gettext_noop("the next run in that folder seals it"),
    ),
    "lines": (
        gettext_noop("lines that cannot be read: {detail}"),
        gettext_noop("nothing to do: cut off while they were written, and readers leave them out"),
    ),
    "truncated_copy": (
        gettext_noop("is the beginning of its copy in {detail}"),
        gettext_noop("nothing to do: readers take the whole one"),
    ),
    "new_chain": (
        gettext_noop("begins a chain of its own, though earlier runs of this vantage are here"),
        gettext_noop(
            "state.json was lost before it, or two machines have one name: give each its own"
        ),
    ),
    "newer_format": (
        gettext_noop("written by a newer keepiton; only its seal is checked"),
        gettext_noop("update this keepiton"),
    ),
    "not_looked_at": (
        gettext_noop("is not looked at: {detail}"),
        gettext_noop("nothing to do, if it is meant to be there"),
    ),
}
"""What is worth knowing, and no fault."""
_AT = list(COLUMNS).index("at")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was found, with where."""

    file: str
    """Path of the file that holds it; inside Parquet, with the run's name behind a colon."""
    kind: Kind
    detail: str = ""

    @property
    def fault(self) -> bool:
        """Whether it is a fault, and not a note."""
        return self.kind in FAULTS


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """What is kept of a run that was looked at."""

    name: str
    path: str
    sealed: bool
    digest: str
    size: int
    previous: str | None
    ended: bool

    @property
    def place(self) -> str:
        """Name its place for people."""
        return problem_path(self.name, self.path)


@dataclass(slots=True)
class VerifyResult:
    """What came of it."""

    runs: int = 0
    """Different ones."""
    copies: int = 0
    """Beside those."""
    sealed: int = 0
    measurements: int = 0
    bytes: int = 0
    vantages: int = 0
    begins_after: dict[str, str] = field(default_factory=dict)
    """By vantage: SHA-256 of a run before the first one here, which is elsewhere or was pruned."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many faults there are."""
        return sum(one.fault for one in self.problems)


def problem_path(name: str, path: str) -> str:
    """Name the place of a run: its file, or the file that holds it with its name."""
    return clean(f"{path}: {name}" if path.endswith(".parquet") else path, 4096)


def verify(
    files: Sequence[str],
    tips: dict[str, str] | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> VerifyResult:
    """Check files as ``read.find`` lists them, and the chain of every vantage in them.

    ``tips`` are the newest seals that a data folder remembers, by vantage. ``step`` is told how
    many runs were looked at.
    """
    verdict = VerifyResult()
    seen: dict[str, list[CheckedRun]] = defaultdict(list)
    for number, one in enumerate(_each(files, verdict), 1):
        seen[one.name].append(one)
        step(number)
    first = {name: _copies(copies, verdict) for name, copies in seen.items()}
    verdict.runs = len(first)
    verdict.copies = sum(map(len, seen.values())) - len(first)
    verdict.sealed = sum(one.sealed and one.ended for one in first.values())
    chains: dict[str, list[CheckedRun]] = defaultdict(list)
    for name in sorted(first):
        chains[first[name].name[17:-19]].append(first[name])
    verdict.vantages = len(chains)
    for vantage, chain in chains.items():
        digests = {one.digest for copy in chain for one in seen[copy.name]}
        _chain(vantage, chain, digests, verdict)
        if tips and vantage in tips and tips[vantage] not in digests:
            verdict.problems.append(Problem(chain[-1].place, "newest_missing"))
    verdict.problems.sort(key=lambda one: (not one.fault, one.file, one.kind))
    return verdict


def _each(files: Sequence[str], verdict: VerifyResult) -> Iterator[CheckedRun]:
    """Look at one run after another, and say of each what is wrong with it alone."""
    for path in files:
        try:
            inside = list(list_runs([path]))
            if not inside:
                verdict.problems.append(Problem(clean(path, 4096), "not_looked_at", _why_not(path)))
            elif path.endswith(".parquet"):
                names = {one.name: one for one in inside}
                for name, told in iter_contents(path):
                    yield _check_run(names.pop(name), told, verdict)
                _columns(path, verdict)
            else:
                yield _check_run(inside[0], read_content(inside[0]), verdict)
        except UserError as exc:
            detail = str(exc).removeprefix(clean(path) + ": ").removeprefix("cannot be read: ")
            verdict.problems.append(Problem(clean(path, 4096), "unreadable", detail))


def _why_not(path: str) -> str:
    name = Path(path).name
    if name.endswith(".parquet"):
        return "it holds no lines, only columns"
    if name.endswith(".zst") and not zstandard():
        return "nothing here unpacks .zst; pip install backports.zstd"
    return "not the name of a result file"


def _check_run(one: StoredRun, told: bytes, verdict: VerifyResult) -> CheckedRun:
    """Check one run by itself."""

    def fault(kind: Kind, detail: str = "") -> None:
        verdict.problems.append(Problem(problem_path(one.name, one.path), kind, clean(detail)))

    lines = told.split(b"\n")
    torn = bool(lines.pop())
    rows = [_row(line) for line in lines]
    run, end = (rows[0], rows[-1]) if rows else ({}, {})
    ended = not torn and end.get("type") == "end"
    states = Counter(str(row.get("state")) for row in rows if row.get("type") == "measurement")
    unreadable = torn + sum(
        row.get("type") not in ("run", "measurement", "end") and bool(line.strip())
        for row, line in zip(rows, lines, strict=True)
    )
    newer = isinstance(run.get("format"), int) and run["format"] > 1
    if newer:
        fault("newer_format")
    elif unreadable:
        fault("lines", str(unreadable))
    if not one.sealed:
        fault("left_open")
    elif not ended:
        fault("unsealed_name")
    if ended:
        before = len(told) - len(lines[-1]) - 1
        if end.get("sha256") != sha256(memoryview(told)[:before]).hexdigest():
            fault("seal")
        if not newer and (wrong := _miscounted(end, states, lines)):
            fault("counts", wrong)
    if rows and not newer:  # a run that ended within its first line left none
        if run.get("type") != "run":
            fault("name", "no run line")
        elif wrong := _misnamed(one.name, run, rows):
            fault("name", wrong)
    verdict.measurements += states.total()
    verdict.bytes += len(told)
    previous = end.get("previous") if ended else None
    return CheckedRun(
        one.name,
        one.path,
        one.sealed,
        sha256(told).hexdigest(),
        len(told),
        previous if isinstance(previous, str) else None,
        ended,
    )


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _miscounted(end: dict[str, Any], states: Counter[str], lines: Sequence[bytes]) -> str:
    """Say what an end line counts otherwise; a recovered one counts what the model takes."""
    if end.get("measurements") == states.total() and end.get("states") == dict(states):
        return ""
    strict = Counter[str]()
    for line in lines:
        try:
            strict[Measurement.model_validate_json(line).state] += 1
        except ValueError:
            continue
    if end.get("measurements") == strict.total() and end.get("states") == dict(strict):
        return ""
    return f"{end.get('measurements')}, {states.total()} are here"


def _misnamed(name: str, run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Say how the name and what is inside differ."""
    at, vantage, number = name[:16], name[17:-19], name[-18:-6]
    try:
        told = datetime.fromisoformat(run["started_at"])
        started = f"{told:%Y%m%dT%H%M%SZ}" if told.utcoffset() is not None else ""
    except (KeyError, TypeError, ValueError):
        started = ""
    for what, inside, outside in (
        ("run", run.get("run"), number),
        ("vantage", run.get("vantage"), vantage),
        ("started_at", started, at),
    ):
        if inside != outside:
            return f"{what} {inside}"
    other = next((row["run"] for row in rows if row.get("run", number) != number), None)
    return f"lines of run {other}" if other is not None else ""


def _copies(copies: Sequence[CheckedRun], verdict: VerifyResult) -> CheckedRun:
    """Compare the copies of a run; return the best of them."""
    best = max(copies, key=lambda one: (one.sealed and one.ended, one.size, one.path))
    for one in copies:
        if one.digest == best.digest:
            continue
        kind: Kind = "copies_differ"
        if not one.ended and one.size < best.size:
            told = read_content(StoredRun(one.name, one.path, one.sealed))
            if read_content(StoredRun(best.name, best.path, best.sealed)).startswith(told):
                kind = "truncated_copy"
                verdict.problems[:] = [
                    old
                    for old in verdict.problems
                    if old.file != one.place or old.kind not in ("unsealed_name", "lines")
                ]
        verdict.problems.append(Problem(one.place, kind, best.place))
    return best


def _chain(
    vantage: str, chain: Sequence[CheckedRun], digests: set[str], verdict: VerifyResult
) -> None:
    """Follow one vantage's links from the oldest run here to the newest."""
    for number, one in enumerate(chain):
        if not one.ended or one.previous in digests:
            continue
        if one.previous is None:
            if number:
                verdict.problems.append(Problem(one.place, "new_chain"))
        elif not number:
            verdict.begins_after[vantage] = one.previous
        else:
            verdict.problems.append(Problem(one.place, "missing", clean(chain[number - 1].name)))


def _columns(path: str, verdict: VerifyResult) -> None:
    """Compare a Parquet file's columns with its lines; say the first of each run that differs."""
    import duckdb  # noqa: PLC0415 - plain files need none of it

    listed = ", ".join(f'"{name}"' for name in (*RAW, *COLUMNS))
    said: set[str] = set()
    with closing(connect()) as database, closing(connect()) as other:
        try:
            told = database.execute(
                f"select {listed} from read_parquet($path)",  # noqa: S608 - literal names
                {"path": [path]},
            )
            while rows := told.fetchmany(ROWS):
                for name, number, raw, *columns in rows:
                    if name in said or _plainly(_row(raw), columns):
                        continue
                    if (wrong := _differs(other, raw, columns)) is not None:
                        said.add(name)
                        found = Problem(problem_path(name, path), "columns", f"{number} {wrong}")
                        verdict.problems.append(found)
        except duckdb.Error as exc:
            raise UserError(f"{clean(path)}: cannot be read: {clean(str(exc), 300)}") from None


def _plainly(row: dict[str, Any], columns: list[Any]) -> bool:
    """Whether columns hold what a line says, where it says that as we do."""
    at = columns[_AT]
    told = [*columns[:_AT], at and at.isoformat(timespec="milliseconds") + "Z", *columns[_AT + 1 :]]
    return [row.get(name) for name in COLUMNS] == told


def _differs(
    database: "duckdb.DuckDBPyConnection", raw: bytes, columns: Sequence[object]
) -> str | None:
    """Name the first column that is not what DuckDB reads in a line."""
    import duckdb  # noqa: PLC0415

    expected: Sequence[object] = [None] * len(columns)
    try:
        told = database.execute(
            "select from_json($line, $structure)",
            {"line": raw.decode(), "structure": json.dumps(COLUMNS)},
        ).fetchone()
        if told and told[0]:
            expected = list(told[0].values())
    except (duckdb.Error, ValueError):
        pass  # no JSON: a row of nothing
    return next(
        (name for name, one, other in zip(COLUMNS, expected, columns, strict=True) if one != other),
        None,
    )
