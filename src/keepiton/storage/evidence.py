"""Finds the lines of result files that windows rest on, so that anybody can open them."""

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import file_digest, sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.detect.types import EvidenceRow, Window
from keepiton.report.types import FileSeal
from keepiton.storage.lines import MAX_LINE
from keepiton.storage.reader import PLAIN_EXTENSIONS
from keepiton.storage.run_name import DayName, RunName
from keepiton.storage.runs import StoredRun, iter_contents, list_runs, read_content

MOST_LINES = 1_000_000
"""Lines of one file that are looked through."""


def find_lines(windows: Sequence[Window], files: Sequence[str]) -> tuple[Window, ...]:
    """Give each witness the number of its line, where its file is here and holds lines."""
    wanted: dict[str, set[EvidenceRow]] = defaultdict(set)
    for window in windows:
        for one in window.evidence:
            wanted[one.file].add(one)
    found: dict[EvidenceRow, int] = {}
    for path in files:
        name = clean(Path(path).name)
        left = wanted.get(name, set()) - found.keys()
        if left and path.endswith((*PLAIN_EXTENSIONS, ".jsonl.gz")):
            found |= _lines(path, left)
    missing = [name for name, ones in wanted.items() if ones - found.keys()]
    for path, names in _packed(files, missing).items():
        with suppress(UserError):  # the window stands without the number
            for name, told in iter_contents(path, names):
                _scan(wanted[name], io.BytesIO(told), found)
    return tuple(
        replace(
            window,
            evidence=tuple(replace(one, line=found.get(one)) for one in window.evidence),
        )
        for window in windows
    )


def find_seals(windows: Sequence[Window], files: Sequence[str]) -> tuple[FileSeal, ...]:
    """Hash every witness and the newest file of each vantage, so that others can compare theirs.

    A run's end line holds the hash of the vantage's run before: the newest seals them all.
    """
    by_name = sorted(files, key=lambda path: Path(path).name)
    newest: dict[str, tuple[str, str]] = {}
    wanted = {one.file for window in windows for one in window.evidence}
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
        for one in list_runs(list(days.values())):
            vantage = one.run_name.vantage
            newest[vantage] = max(newest.get(vantage, ("", "")), (one.name, one.path))
    plain = {name for name, _ in chosen}
    for path, names in _packed(files, sorted(wanted - plain)).items():
        chosen += [(name, path) for name in names]
    vantages = {name: vantage for vantage, (name, _) in newest.items()}
    sealed = []
    for name, path in dict.fromkeys([*newest.values(), *chosen]):
        try:
            digest = _digest(name, path)
        except (OSError, UserError):
            continue  # gone meanwhile: nothing is said of it
        sealed.append(FileSeal(vantages.get(name, ""), clean(name), digest))
    return tuple(sealed)


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
    found: dict[str, list[str]] = defaultdict(list)
    days = {Path(path).name: path for path in files if _day(path)}
    for name in names if days else ():
        if (run := RunName.parse(name)) and (path := days.get(run.day_file.file_name)):
            found[path].append(name)
    return found


def _lines(path: str, wanted: set[EvidenceRow]) -> dict[EvidenceRow, int]:
    """Return the first failure of each run and target that is asked for."""
    found: dict[EvidenceRow, int] = {}
    with (
        suppress(OSError, EOFError),  # the window stands without the number
        gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as file,
    ):
        _scan(wanted, cast("BinaryIO", file), found)
    return found


def _scan(wanted: set[EvidenceRow], file: BinaryIO, found: dict[EvidenceRow, int]) -> None:
    keys = {(one.run, one.target): one for one in wanted}
    left = set(keys.values())
    for number, raw in islice(enumerate(_bounded(file), 1), MOST_LINES):
        if b'"fail"' not in raw:
            continue
        try:
            row = json.loads(raw)
            one = keys.get((row["run"], clean(row["target"])))
            if one and row["state"] == "fail" and not row.get("hop") and not row.get("aside"):
                found.setdefault(one, number)
                left.discard(one)
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
