"""Keeps what sealed files were folded to. It may be deleted at any time, and the files decide.

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
from keepiton.storage.reader import Aggregated, FileSource
from keepiton.storage.rounds import Rounds, make_rounds

VERSION = 4
"""Raised with every change of the columns; a change of the SQL text counts by itself."""
NAMES = [one.name for one in fields(Rounds)]
LENGTH = 8
"""Bytes that hold the length of the head."""
DIGEST = 64
"""Bytes before the columns: their BLAKE2b, so that what a disk garbled is read anew."""


@dataclass(frozen=True, slots=True)
class CachedDay:
    """What one day's files were folded to, as far as they were sealed."""

    files: frozenset[str]
    folded: Aggregated


def _stamp(path: str) -> list[int]:
    told = os.stat(path)  # noqa: PTH116 - thousands of files, and no Path for each
    return [told.st_size, told.st_mtime_ns, told.st_ino]


def _key(*paths: str) -> str:
    """Name files without their paths, which may hold a person's name (SAFETY S5)."""
    return sha256("\0".join(sorted(paths)).encode(errors="surrogatepass")).hexdigest()[:24]


class Cache:
    """One folder of parts."""

    def __init__(self, data: Path) -> None:
        """Use the folder ``cache`` in a data folder; it is made when something is kept."""
        self._data = data
        self._folder = data / "cache"
        text = Path(__file__).with_name("rounds.sql").read_bytes()
        self._version = f"{VERSION}-{sha256(text).hexdigest()[:16]}"

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
            told = json.loads(bytes(kept_bytes[DIGEST + LENGTH : at]))
            if told["version"] != self._version or [one[0] for one in told["columns"]] != NAMES:
                return None
            columns: dict[str, Any] = {}
            for name, kind, count in told["columns"]:
                columns[name] = np.frombuffer(kept_bytes, kind, count, at)
                at += columns[name].nbytes
            here = {_key(path): path for path in paths}
            if any(_stamp(here[key]) != old for key, old in told["files"].items()):
                return None
            sources = tuple(
                FileSource(**{**one, "path": here[one["path"]]}) for one in told["sources"]
            )
            files = frozenset(here[key] for key in told["files"])
            return CachedDay(files, Aggregated(make_rounds(columns), sources))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, day: str, paths: Sequence[str], folded: Aggregated) -> None:
        """Keep what sealed files were folded to. A folder that cannot be written is no harm."""
        torn = {
            one.run
            for one in folded.sources
            if one.run and (not one.sealed or one.path.endswith(PART))
        }
        sealed = {one.path for one in folded.sources} - {
            one.path for one in folded.sources if one.run in torn
        }
        kept = [one for one in folded.sources if one.path in sealed]
        runs = np.isin(folded.rounds.run_id, [one.run for one in kept])
        told: dict[str, Any] = {
            "version": self._version,
            "files": {_key(path): _stamp(path) for path in sorted(sealed)},
            "sources": [asdict(one) | {"path": _key(one.path)} for one in kept],
        }
        columns = folded.rounds.of_runs(runs).columns()
        told["columns"] = [[name, one.dtype.str, len(one)] for name, one in columns.items()]
        head = json.dumps(told).encode()
        # The bytes of every column one after another: read in place, without a copy.
        content = b"".join(
            (
                len(head).to_bytes(LENGTH, "little"),
                head,
                *(one.tobytes() for one in columns.values()),
            )
        )
        path = self._path(day, paths)
        with suppress(OSError):
            make_private_folder(self._folder, self._data)
            with replacement(path, sync="nothing") as file:  # a torn one is read anew
                file.write(blake2b(content).digest())
                file.write(content)
