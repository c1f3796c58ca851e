"""One file a run: ``.part`` until sealed, every line on disk as soon as it is known."""

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from keepiton.base.connectivity import Connectivity
from keepiton.base.files import PART, make_private_folder, sync_folder
from keepiton.base.types import RowState
from keepiton.storage.rows import End, EndReason, Measurement, Run
from keepiton.storage.run_name import RunName
from keepiton.storage.seal import end_of, parse_line

SYNC_S = 0.5
"""How often the rows of a run are forced to disk."""


class Writer:
    """A result file while it grows. Every line is handed to the system at once."""

    def __init__(self, data: Path, run: Run) -> None:
        """Create the file and write its run line. Raises OSError."""
        self.run = run
        self.part = data / RunName.of(run).part
        make_private_folder(self.part.parent, data)
        self.states: Counter[RowState] = Counter()
        self._hash = hashlib.sha256()
        self._broken: OSError | None = None
        self._file = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self._write(run.to_json_line())
            sync_folder(self.part.parent)
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
    sync_folder(final.parent)
    return final


def recover(data: Path, name: RunName, previous: str | None) -> tuple[Path, str] | None:
    """Seal the file that a crashed run left behind; return it with its SHA-256.

    Nothing is changed but that an end line follows: a torn last line stays, is closed by a line
    feed and counted by the readers. As after :meth:`Writer.seal`, the name is made final by
    :func:`publish`. Returns None when there is no such file. Raises OSError.
    """
    part = data / name.part
    if not part.is_file():
        return None
    content = part.read_bytes()
    if parse_line(End, end_of(content)):
        return part, hashlib.sha256(content).hexdigest()
    lines = content.splitlines()
    run = parse_line(Run, lines[0]) if lines else None
    if not run:  # killed before its first line: nothing was measured
        part.unlink()
        return None
    rows = [row for line in lines[1:] if (row := parse_line(Measurement, line))]
    states: Counter[RowState] = Counter(row.state for row in rows)
    line_feed = b"" if content.endswith(b"\n") else b"\n"
    end = End(
        run=run.run,
        ended_at=rows[-1].at if rows else run.started_at,
        reason="recovered",
        measurements=len(rows),
        states=dict(states),
        line=Connectivity.UNKNOWN,
        sha256=hashlib.sha256(content + line_feed).hexdigest(),
        previous=previous,
    )
    added = line_feed + end.to_json_line()
    with part.open("ab") as file:
        file.write(added)
        file.flush()
        os.fsync(file.fileno())
    return part, hashlib.sha256(content + added).hexdigest()
