"""Finds the lines of result files that windows rest on, so that anybody can open them."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from keepiton.model import Window, Witness, clean
from keepiton.results.lines import MAX_LINE
from keepiton.results.read import PLAIN

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
