"""Finds the lines of result files that evidence names, so that anybody can open them."""

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import file_digest, sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.result_files import PLAIN_EXTENSIONS
from keepiton.storage.rows import EvidenceRow, FileSeal
from keepiton.storage.run_name import DayName, RunName
from keepiton.storage.runs import StoredRun, iter_contents, list_runs, read_content

MOST_LINES = 1_000_000
"""Lines of one file that are looked through."""


def find_lines(rows: Iterable[EvidenceRow], files: Sequence[str]) -> dict[EvidenceRow, int]:
    """Return the line number of each evidence row whose file is here and holds lines.

    A row that is not found has none.
    """
    wanted: dict[str, set[EvidenceRow]] = defaultdict(set)
    for row in rows:
        wanted[row.file].add(row)
    numbers: dict[EvidenceRow, int] = {}
    for path in files:
        left = wanted.get(clean(Path(path).name), set()) - numbers.keys()
        if left and path.endswith((*PLAIN_EXTENSIONS, ".jsonl.gz")):
            numbers |= _lines(path, left)
    missing = [name for name, rows_of in wanted.items() if rows_of - numbers.keys()]
    for path, names in _packed(files, missing).items():
        with suppress(UserError):  # the row stands without the number
            for name, content in iter_contents(path, names):
                _scan(wanted[name], io.BytesIO(content), numbers)
    return numbers


def find_seals(rows: Iterable[EvidenceRow], files: Sequence[str]) -> tuple[FileSeal, ...]:
    """Hash the files of evidence and each vantage's newest, so that others can compare theirs.

    A run's end line holds the hash of the vantage's run before: the newest seals them all.
    """
    by_name = sorted(files, key=lambda path: Path(path).name)
    newest: dict[str, tuple[str, str]] = {}
    wanted = {row.file for row in rows}
    chosen = []
    for path in by_name:
        name = Path(path).name
        run = RunName.parse(name)
        if run and run.path in path:
            newest[run.vantage] = (name, path)
        if clean(name) in wanted:
            chosen.append((name, path))
    days = {day.vantage: path for path in by_name if (day := _day(path))}
    with suppress(UserError):
        for stored in list_runs(list(days.values())):
            vantage = stored.run_name.vantage
            newest[vantage] = max(newest.get(vantage, ("", "")), (stored.name, stored.path))
    plain = {name for name, _ in chosen}
    for path, names in _packed(files, sorted(wanted - plain)).items():
        chosen += [(name, path) for name in names]
    vantages = {name: vantage for vantage, (name, _) in newest.items()}
    seals = []
    for name, path in dict.fromkeys([*newest.values(), *chosen]):
        with suppress(OSError, UserError):  # gone meanwhile: nothing is said of it
            seals.append(FileSeal(vantages.get(name, ""), clean(name), _digest(name, path)))
    return tuple(seals)


def _digest(name: str, path: str) -> str:
    """Hash a file as it lies there, of a day's Parquet the run's own in it. Raises OSError."""
    if _day(path) and (run := RunName.parse(name)):
        return sha256(read_content(StoredRun(run, path))).hexdigest()
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _day(path: str) -> DayName | None:
    return DayName.parse(Path(path).name)


def _packed(files: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """Find the days' files in which runs of these names would be."""
    packed: dict[str, list[str]] = defaultdict(list)
    days = {Path(path).name: path for path in files if _day(path)}
    for name in names if days else ():
        if (run := RunName.parse(name)) and (path := days.get(run.day_file.file_name)):
            packed[path].append(name)
    return packed


def _lines(path: str, wanted: set[EvidenceRow]) -> dict[EvidenceRow, int]:
    """Return the line numbers of a file's rows, as far as it can be read."""
    numbers: dict[EvidenceRow, int] = {}
    with (
        suppress(OSError, EOFError),  # the row stands without the number
        gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as file,
    ):
        _scan(wanted, cast("BinaryIO", file), numbers)
    return numbers


def _scan(wanted: set[EvidenceRow], file: BinaryIO, numbers: dict[EvidenceRow, int]) -> None:
    """Add the line of the first failure of each run and target that is wanted."""
    by_key = {(row.run, row.target): row for row in wanted}
    left = set(by_key.values())
    for number, raw in islice(enumerate(_bounded(file), 1), MOST_LINES):
        if b'"fail"' not in raw:
            continue
        try:
            line = json.loads(raw)
            row = by_key.get((line["run"], clean(line["target"])))
            if row and line["state"] == "fail" and not line.get("hop") and not line.get("aside"):
                numbers.setdefault(row, number)
                left.discard(row)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        if not left:
            break


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, of one that is too long only the end."""
    while raw := file.readline(MAX_LINE):
        while not raw.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
            raw = rest
        yield raw
