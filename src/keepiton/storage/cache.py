"""Keeps what sealed files were aggregated to. It may be deleted at any time: the files decide.

A kept part counts only while every file it was made of has the size and the time of change that it
had then; anything odd about it means that the files are read again.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np

from keepiton.base.files import PART, make_private_folder, replacement
from keepiton.storage.database import statement
from keepiton.storage.rounds import Aggregated, FileSource, Rounds, make_rounds

VERSION = 5
"""Raised with every change of the columns; a change of an SQL text counts by itself."""
NAMES = [column.name for column in fields(Rounds)]
LENGTH = 8
"""Bytes that hold the length of the head."""
DIGEST = 64
"""Bytes before the columns: their BLAKE2b, so that what a disk garbled is read anew."""


@dataclass(frozen=True, slots=True)
class CachedDay:
    """What one day's files were aggregated to, as far as they were sealed."""

    files: frozenset[str]
    aggregated: Aggregated


def _stamp(path: str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116 - thousands of files, and no Path for each
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _key(*paths: str) -> str:
    """Name files without their paths, which may hold a person's name (SAFETY S5)."""
    return sha256("\0".join(sorted(paths)).encode(errors="surrogatepass")).hexdigest()[:24]


class Cache:
    """One folder of parts."""

    def __init__(self, data: Path) -> None:
        """Use the folder ``cache`` in a data folder; it is made when something is kept."""
        self._data = data
        self._folder = data / "cache"
        texts = "".join(map(statement, ("checked_lines", "rounds", "sources")))
        self._version = f"{VERSION}-{sha256(texts.encode()).hexdigest()[:16]}"

    def _path(self, day: str, paths: Sequence[str]) -> Path:
        return self._folder / f"{_key(day, *{str(Path(path).parent) for path in paths})}.part"

    def load(self, day: str, paths: Sequence[str]) -> CachedDay | None:
        """Return the part of a day's files, None where there is none that holds."""
        try:
            kept_bytes = memoryview(self._path(day, paths).read_bytes())
            if blake2b(kept_bytes[DIGEST:]).digest() != kept_bytes[:DIGEST]:
                return None
            length = int.from_bytes(kept_bytes[DIGEST : DIGEST + LENGTH], "little")
            at = DIGEST + LENGTH + length
            head = json.loads(bytes(kept_bytes[DIGEST + LENGTH : at]))
            names = [name for name, _, _ in head["columns"]]
            if head["version"] != self._version or names != NAMES:
                return None
            columns: dict[str, Any] = {}
            for name, kind, count in head["columns"]:
                columns[name] = np.frombuffer(kept_bytes, kind, count, at)
                at += columns[name].nbytes
            here = {_key(path): path for path in paths}
            if any(_stamp(here[key]) != old for key, old in head["files"].items()):
                return None
            sources = tuple(
                FileSource(**{**source, "path": here[source["path"]]}) for source in head["sources"]
            )
            files = frozenset(here[key] for key in head["files"])
            return CachedDay(files, Aggregated(make_rounds(columns), sources))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, day: str, paths: Sequence[str], part: Aggregated) -> None:
        """Keep what sealed files were aggregated to. A folder that cannot be written is no harm."""
        torn = {
            source.run
            for source in part.sources
            if source.run and (not source.sealed or source.path.endswith(PART))
        }
        unfinished = {source.path for source in part.sources if source.run in torn}
        kept = [source for source in part.sources if source.path not in unfinished]
        runs = np.isin(part.rounds.run_id, [source.run for source in kept])
        columns = part.rounds.of_runs(runs).columns()
        head = json.dumps(
            {
                "version": self._version,
                "files": {_key(source.path): _stamp(source.path) for source in kept},
                "sources": [asdict(source) | {"path": _key(source.path)} for source in kept],
                "columns": [[name, array.dtype.str, len(array)] for name, array in columns.items()],
            }
        ).encode()
        # The bytes of every column one after another: read in place, without a copy.
        content = b"".join(
            (
                len(head).to_bytes(LENGTH, "little"),
                head,
                *(array.tobytes() for array in columns.values()),
            )
        )
        path = self._path(day, paths)
        with suppress(OSError):
            make_private_folder(self._folder, self._data)
            with replacement(path, sync="nothing") as file:  # a torn one is read anew
                file.write(blake2b(content).digest())
                file.write(content)
