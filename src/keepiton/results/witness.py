"""Finds the lines of result files that windows rest on, so that anybody can open them."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from keepiton.model import Sealed, Window, Witness, clean
from keepiton.results.lines import MAX_LINE
from keepiton.results.read import PLAIN
from keepiton.results.write import NAME

MOST_LINES = 1_000_000
"""Lines of one file that are looked through."""


def locate(windows: Sequence[Window], files: Sequence[str]) -> tuple[Window, ...]:
    """Give each witness the number of its line, where its file is here and holds lines."""
    wanted: dict[str, set[Witness]] = defaultdict(set)
    for window in windows:
        for one in window.witnesses:
            wanted[one.file].add(one)
    found: dict[Witness, int] = {}
    for path in files:
        name = clean(Path(path).name)
        left = wanted.get(name, set()) - found.keys()
        if left and path.endswith((*PLAIN, ".jsonl.gz")):
            found |= _lines(path, left)
    return tuple(
        replace(
            window,
            witnesses=tuple(replace(one, line=found.get(one)) for one in window.witnesses),
        )
        for window in windows
    )


def seal(windows: Sequence[Window], files: Sequence[str]) -> tuple[Sealed, ...]:
    """Hash every witness and the newest file of each vantage, so that others can compare theirs.

    A run's end line holds the hash of the vantage's run before: the newest seals them all.
    """
    newest: dict[str, str] = {}
    wanted = {one.file for window in windows for one in window.witnesses}
    chosen = []
    for path in sorted(files, key=lambda path: Path(path).name):
        name = NAME.search(path)
        if name:
            newest[name["vantage"]] = path
        if clean(Path(path).name) in wanted:
            chosen.append(path)
    vantages = {path: vantage for vantage, path in newest.items()}
    sealed = []
    for path in dict.fromkeys([*newest.values(), *chosen]):
        try:
            with Path(path).open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
        except OSError:
            continue  # gone meanwhile: nothing is said of it
        sealed.append(Sealed(vantages.get(path, ""), clean(Path(path).name), digest))
    return tuple(sealed)


def _lines(path: str, wanted: set[Witness]) -> dict[Witness, int]:
    """Return the first failure of each run and target that is asked for."""
    keys = {(one.run, one.target): one for one in wanted}
    found: dict[Witness, int] = {}
    try:
        with gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as file:
            for number, raw in islice(enumerate(_bounded(cast("BinaryIO", file)), 1), MOST_LINES):
                if b'"fail"' not in raw:
                    continue
                try:
                    row = json.loads(raw)
                    one = keys.get((row["run"], clean(row["target"])))
                    if (
                        one
                        and row["state"] == "fail"
                        and not row.get("hop")
                        and not row.get("aside")
                    ):
                        found.setdefault(one, number)
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    continue
                if len(found) == len(keys):
                    break
    except (OSError, EOFError):
        pass  # the window stands without the number
    return found


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, of one that is too long only the end."""
    while raw := file.readline(MAX_LINE):
        while not raw.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
            raw = rest
        yield raw
