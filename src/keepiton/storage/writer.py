"""One file a run: ``.part`` until sealed, every line on disk as soon as it is known."""

import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from keepiton.base.connectivity import Connectivity
from keepiton.base.types import RowState
from keepiton.storage.rows import End, EndReason, Measurement, Run

T = TypeVar("T", Run, Measurement, End)
PART = ".part"
SYNC_S = 0.5
"""How often the rows of a run are forced to disk."""
NAME = re.compile(
    r"results/\d{4}/\d{2}/\d{2}/\d{8}T\d{6}Z"
    r"-(?P<vantage>[a-z0-9][a-z0-9-]{0,31})-[0-9a-f]{12}\.jsonl"
)
"""Path of a sealed file below the data folder."""


def file_name(run: Run) -> str:
    """Return the path of a run's sealed file below the data folder."""
    at = run.started_at.astimezone(UTC)
    return f"results/{at:%Y/%m/%d}/{at:%Y%m%dT%H%M%SZ}-{run.vantage}-{run.run}.jsonl"


class Writer:
    """A result file while it grows. Every line is handed to the system at once."""

    def __init__(self, data: Path, run: Run) -> None:
        """Create the file and write its run line. Raises OSError."""
        self.run = run
        self.part = data / (file_name(run) + PART)
        make_private_folder(self.part.parent, data)
        self.states: Counter[RowState] = Counter()
        self._hash = hashlib.sha256()
        self._broken: OSError | None = None
        self._file = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self._write(run.to_json_line())
            _sync_folder(self.part.parent)
        except OSError:
            self.close()
            raise

    def add(self, row: Measurement) -> None:
        """Append one measurement. Raises OSError."""
        self._write(row.to_json_line())
        self.states[row.state] += 1

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Force rows to disk while they come: a power cut costs the last second at most.

        In a thread, since a slow disk must delay no measurement. What fails there is raised by the
        next write: the system tells of a lost write once.
        """
        done = threading.Event()
        thread = threading.Thread(target=self._sync_until, args=(done,), daemon=True)
        with suppress(RuntimeError):  # no room for a thread: do without
            thread.start()
        try:
            yield
        finally:
            done.set()
            if thread.ident:
                thread.join()

    def _sync_until(self, done: threading.Event) -> None:
        while not done.wait(SYNC_S):
            try:
                os.fsync(self._file)
            except OSError as exc:
                self._broken = exc

    def _write(self, data: bytes) -> None:
        if self._broken:
            raise self._broken
        left = memoryview(data)
        while left:  # a nearly full disk takes part of a line and refuses the rest
            taken = os.write(self._file, left)
            self._hash.update(left[:taken])
            left = left[taken:]

    def seal(
        self,
        ended_at: datetime,
        reason: EndReason,
        line: Connectivity,
        bytes_received: int,
        clock_offset_ms: int | None,
        loop_late_ms: float,
        previous: str | None,
    ) -> str:
        """Write the end line and force all to disk; return the whole file's SHA-256.

        The name is made final by :func:`publish`, after the caller has noted the hash, so that a
        crash in between loses neither. Raises OSError.
        """
        end = End(
            run=self.run.run,
            ended_at=ended_at,
            reason=reason,
            measurements=self.states.total(),
            states=dict(self.states),
            line=line,
            bytes_received=bytes_received,
            clock_offset_ms=clock_offset_ms,
            loop_late_ms=loop_late_ms,
            sha256=self._hash.hexdigest(),
            previous=previous,
        )
        self._write(end.to_json_line())
        os.fsync(self._file)
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def publish(part: Path) -> Path:
    """Give a finished file its final name. Raises OSError."""
    final = part.with_name(part.name.removesuffix(PART))
    part.rename(final)
    _sync_folder(final.parent)
    return final


def _sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk, where the system can. Raises OSError."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private_folder(folder: Path, base: Path) -> None:
    """Make a folder below ``base``, each level for its owner only. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if one == base or base in one.parents]
    base.parent.mkdir(parents=True, exist_ok=True)
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def recover(data: Path, name: str, previous: str | None) -> tuple[Path, str] | None:
    """Seal the file that a crashed run left behind; return it with its SHA-256.

    Nothing is changed but that an end line follows: a torn last line stays, is closed by a line
    feed and counted by the readers. As after :meth:`Writer.seal`, the name is made final by
    :func:`publish`. Returns None when there is no such file. Raises OSError.
    """
    if not NAME.fullmatch(name):
        return None
    part = data / (name + PART)
    if not part.is_file():
        return None
    content = part.read_bytes()
    lines = content.splitlines()
    if _read(End, lines[-1] if lines else b"") and content.endswith(b"\n"):
        return part, hashlib.sha256(content).hexdigest()
    run = _read(Run, lines[0]) if lines else None
    if not run:  # killed before its first line: nothing was measured
        part.unlink()
        return None
    rows = [row for line in lines[1:] if (row := _read(Measurement, line))]
    states: Counter[RowState] = Counter(row.state for row in rows)
    tail = b"" if content.endswith(b"\n") else b"\n"
    end = End(
        run=run.run,
        ended_at=rows[-1].at if rows else run.started_at,
        reason="recovered",
        measurements=len(rows),
        states=dict(states),
        line=Connectivity.UNKNOWN,
        sha256=hashlib.sha256(content + tail).hexdigest(),
        previous=previous,
    )
    with part.open("ab") as file:
        file.write(tail + end.to_json_line())
        file.flush()
        os.fsync(file.fileno())
    return part, hashlib.sha256(content + tail + end.to_json_line()).hexdigest()


def _read(kind: type[T], line: bytes) -> T | None:
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        return None
