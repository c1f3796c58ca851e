"""Checks result files: every seal, link, name, count and copy, in whatever form they lie.

One run is held at a time; of the others no more than a hash or two.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from keepiton.base.errors import UserError
from keepiton.base.language import gettext_noop
from keepiton.base.types import clean
from keepiton.storage.database import COLUMNS, connect
from keepiton.storage.rows import Measurement
from keepiton.storage.run_name import STAMP, RunName
from keepiton.storage.runs import (
    RAW,
    ROWS,
    StoredRun,
    iter_contents,
    list_runs,
    read_content,
    zstandard,
)
from keepiton.storage.seal import end_of, hash_before

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

    @property
    def texts(self) -> tuple[str, str]:
        """What it is, and the remedy, each with a place for the detail."""
        return (FAULTS | NOTES)[self.kind]


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """What is kept of a run that was checked."""

    stored: StoredRun
    sha256: str
    size: int
    previous: str | None
    ended: bool

    @property
    def name(self) -> str:
        """The name of its sealed file."""
        return self.stored.name

    @property
    def sealed(self) -> bool:
        """Whether it is named as a sealed one, and has an end line."""
        return self.stored.sealed and self.ended

    @property
    def place(self) -> str:
        """Name its place for people."""
        return problem_path(self.name, self.stored.path)


@dataclass(slots=True)
class VerifyResult:
    """What was checked, and the problems in it."""

    runs: int = 0
    """Different ones."""
    sealed: int = 0
    copies: int = 0
    """Beside the different runs."""
    vantages: int = 0
    measurements: int = 0
    bytes: int = 0
    begins_after: dict[str, str] = field(default_factory=dict)
    """By vantage: SHA-256 of a run before the first one here, which is elsewhere or was pruned."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many faults there are."""
        return sum(problem.fault for problem in self.problems)


def problem_path(name: str, path: str) -> str:
    """Name the place of a run: its file, or the file that holds it with its name."""
    return clean(f"{path}: {name}" if path.endswith(".parquet") else path, 4096)


def check_files(
    files: Sequence[str],
    tips: dict[str, str] | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> VerifyResult:
    """Check files as ``read.find`` lists them, and the chain of every vantage in them.

    ``tips`` are the newest seals that a data folder remembers, by vantage. ``step`` is told how
    many runs were looked at.
    """
    result = VerifyResult()
    by_name: dict[str, list[CheckedRun]] = defaultdict(list)
    for number, checked in enumerate(_check_runs(files, result), 1):
        by_name[checked.name].append(checked)
        step(number)
    chains: dict[str, list[CheckedRun]] = defaultdict(list)
    for _, copies in sorted(by_name.items()):
        best = _compare_copies(copies, result)
        chains[best.stored.run_name.vantage].append(best)
        result.sealed += best.sealed
    result.runs = len(by_name)
    result.copies = sum(map(len, by_name.values())) - result.runs
    result.vantages = len(chains)
    for vantage, chain in chains.items():
        hashes = {copy.sha256 for best in chain for copy in by_name[best.name]}
        _check_chain(vantage, chain, hashes, result)
        if tips and vantage in tips and tips[vantage] not in hashes:
            result.problems.append(Problem(chain[-1].place, "newest_missing"))
    result.problems.sort(key=lambda problem: (not problem.fault, problem.file, problem.kind))
    return result


def _check_runs(files: Sequence[str], result: VerifyResult) -> Iterator[CheckedRun]:
    """Check one run after another by itself."""
    for path in files:
        try:
            inside = list(list_runs([path]))
            if not inside:
                result.problems.append(Problem(clean(path, 4096), "not_looked_at", _why_not(path)))
            elif inside[0].in_parquet:
                names = {run.name: run for run in inside}
                for name, content in iter_contents(path):
                    yield _check_run(names.pop(name), content, result)
                _check_columns(path, result)
            else:
                yield _check_run(inside[0], read_content(inside[0]), result)
        except UserError as exc:
            detail = str(exc).removeprefix(clean(path) + ": ").removeprefix("cannot be read: ")
            result.problems.append(Problem(clean(path, 4096), "unreadable", detail))


def _why_not(path: str) -> str:
    name = Path(path).name
    if name.endswith(".parquet"):
        return "it holds no lines, only columns"
    if name.endswith(".zst") and not zstandard():
        return "nothing here unpacks .zst; pip install backports.zstd"
    return "not the name of a result file"


def _check_run(stored: StoredRun, content: bytes, result: VerifyResult) -> CheckedRun:
    """Check one run by itself."""

    def add(kind: Kind, detail: str = "") -> None:
        place = problem_path(stored.name, stored.path)
        result.problems.append(Problem(place, kind, clean(detail)))

    lines = content.split(b"\n")
    torn = bool(lines.pop())
    rows = [_row(line) for line in lines]
    run = rows[0] if rows else {}
    end_line = end_of(content)
    end = _row(end_line)
    states = Counter(str(row.get("state")) for row in rows if row.get("type") == "measurement")
    unreadable = torn + sum(
        row.get("type") not in ("run", "measurement", "end") and bool(line.strip())
        for row, line in zip(rows, lines, strict=True)
    )
    newer = isinstance(run.get("format"), int) and run["format"] > 1
    if newer:
        add("newer_format")
    elif unreadable:
        add("lines", str(unreadable))
    if not stored.sealed:
        add("left_open")
    elif not end_line:
        add("unsealed_name")
    if end_line:
        if end.get("sha256") != hash_before(content, end_line):
            add("seal")
        if not newer and (wrong := _miscounted(end, states, lines)):
            add("counts", wrong)
    if rows and not newer:  # a run that ended within its first line left none
        if run.get("type") != "run":
            add("name", "no run line")
        elif wrong := _misnamed(stored.run_name, run, rows):
            add("name", wrong)
    result.measurements += states.total()
    result.bytes += len(content)
    previous = end.get("previous")
    return CheckedRun(
        stored,
        sha256(content).hexdigest(),
        len(content),
        previous if isinstance(previous, str) else None,
        bool(end_line),
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


def _misnamed(name: RunName, run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Say how the name and the content differ; an empty text where they do not."""
    try:
        started_at = datetime.fromisoformat(run["started_at"])
        started = (
            f"{started_at.astimezone(UTC):{STAMP}}" if started_at.utcoffset() is not None else ""
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        started = ""
    for field_name, in_line, in_name in (
        ("run", run.get("run"), name.run),
        ("vantage", run.get("vantage"), name.vantage),
        ("started_at", started, f"{name.started_at:{STAMP}}"),
    ):
        if in_line != in_name:
            return f"{field_name} {in_line}"
    other = next((row["run"] for row in rows if row.get("run", name.run) != name.run), None)
    return f"lines of run {other}" if other is not None else ""


def _compare_copies(copies: Sequence[CheckedRun], result: VerifyResult) -> CheckedRun:
    """Compare the copies of a run; return the best of them."""
    best = max(copies, key=lambda copy: (copy.sealed, copy.size, copy.stored.path))
    for copy in copies:
        if copy.sha256 == best.sha256:
            continue
        kind: Kind = "copies_differ"
        if (
            not copy.ended
            and copy.size < best.size
            and read_content(best.stored).startswith(read_content(copy.stored))
        ):
            kind = "truncated_copy"
            result.problems[:] = [
                problem
                for problem in result.problems
                if problem.file != copy.place or problem.kind not in ("unsealed_name", "lines")
            ]
        result.problems.append(Problem(copy.place, kind, best.place))
    return best


def _check_chain(
    vantage: str, chain: Sequence[CheckedRun], hashes: set[str], result: VerifyResult
) -> None:
    """Follow one vantage's links from the oldest run here to the newest."""
    for number, checked in enumerate(chain):
        if not checked.ended or checked.previous in hashes:
            continue
        if checked.previous is None:
            if number:
                result.problems.append(Problem(checked.place, "new_chain"))
        elif not number:
            result.begins_after[vantage] = checked.previous
        else:
            before = clean(chain[number - 1].name)
            result.problems.append(Problem(checked.place, "missing", before))


def _check_columns(path: str, result: VerifyResult) -> None:
    """Compare a Parquet file's columns with its lines; report the first difference of each run."""
    import duckdb  # noqa: PLC0415 - plain files need none of it

    listed = ", ".join(f'"{name}"' for name in (*RAW, *COLUMNS))
    reported: set[str] = set()
    with closing(connect()) as database, closing(connect()) as line_reader:
        try:
            table = database.execute(
                f"select {listed} from read_parquet($path)",  # noqa: S608 - literal names
                {"path": [path]},
            )
            while rows := table.fetchmany(ROWS):
                for name, number, raw, *columns in rows:
                    if name in reported or _plainly(_row(raw), columns):
                        continue
                    if (wrong := _first_difference(line_reader, raw, columns)) is not None:
                        reported.add(name)
                        place = problem_path(name, path)
                        result.problems.append(Problem(place, "columns", f"{number} {wrong}"))
        except duckdb.Error as exc:
            raise UserError(f"{clean(path)}: cannot be read: {clean(str(exc), 300)}") from None


def _plainly(row: dict[str, Any], columns: list[Any]) -> bool:
    """Whether columns hold what a line says, where it says that as we do."""
    at = columns[_AT]
    written_at = at and at.isoformat(timespec="milliseconds") + "Z"
    values = [*columns[:_AT], written_at, *columns[_AT + 1 :]]
    return [row.get(name) for name in COLUMNS] == values


def _first_difference(
    database: "duckdb.DuckDBPyConnection", raw: bytes, columns: Sequence[object]
) -> str | None:
    """Name the first column that is not what DuckDB reads in a line."""
    import duckdb  # noqa: PLC0415 - plain files need none of it

    expected: Sequence[object] = [None] * len(columns)
    try:
        row = database.execute(
            "select from_json($line, $structure)",
            {"line": raw.decode(), "structure": json.dumps(COLUMNS)},
        ).fetchone()
        if row and row[0]:
            expected = list(row[0].values())
    except (duckdb.Error, ValueError):
        pass  # no JSON: a row of nothing
    return next(
        (
            name
            for name, from_line, column in zip(COLUMNS, expected, columns, strict=True)
            if from_line != column
        ),
        None,
    )
