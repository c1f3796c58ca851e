"""Tells what the bytes of a run's file are: whole, cut, or changed since they were sealed.

Files come from strangers: a seal that fits says that nothing was changed since, not who made it.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal, TypeVar

from pydantic import ValidationError

from keepiton.storage.lines import MAX_LINE
from keepiton.storage.rows import End, Measurement, Run
from keepiton.storage.run_name import RunName

Line = TypeVar("Line", Run, Measurement, End)
FileIntegrity = Literal["whole", "cut", "broken"]
TAIL = 16_384
"""Bytes at the end of a file in which its end line is looked for: some 500 would do."""
_RUN_ID = re.compile(rb'"run"\s*:\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Head:
    """What a copy of a run says of itself."""

    name: RunName
    """Made from what it holds, whatever the file is called."""
    started_at: datetime
    integrity: FileIntegrity
    """Whole: the seal fits. Cut: there is no end line. Broken: the seal does not fit, or lines of
    another run are among its own."""
    ended_at: datetime | None = None
    """None without an end line."""
    previous: str | None = None
    """SHA-256 of the vantage's file before this one, where it names one."""


def parse_line(kind: type[Line], line: bytes) -> Line | None:
    """Read a line that is to be of one kind; None for another or a damaged one."""
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        return None


def end_of(source: bytes | BinaryIO) -> bytes:
    """Return the end line of a run's content or of its open file, empty where there is none.

    The last line counts where it is a whole JSON object of type ``end``; its fields may be those
    of a newer format. Of a file no more than the last :data:`TAIL` bytes are read. Raises OSError.
    """
    if not isinstance(source, bytes):
        source.seek(max(0, source.seek(0, os.SEEK_END) - TAIL))
        source = source.read(TAIL)
    line = source[source.rfind(b"\n", 0, -1) + 1 :]
    try:
        is_end = line.endswith(b"\n") and json.loads(line)["type"] == "end"
    except (ValueError, TypeError, KeyError, RecursionError):
        return b""
    return line if is_end else b""


def hash_before(content: bytes, end_line: bytes) -> str:
    """Return the SHA-256 that a sound end line of this content states."""
    return hashlib.sha256(memoryview(content)[: len(content) - len(end_line)]).hexdigest()


def inspect(content: bytes) -> Head | None:
    """Read a copy of one run; None where it does not begin with a run line that we know."""
    first, _, _ = content[:MAX_LINE].partition(b"\n")
    run = parse_line(Run, first)
    try:
        name = RunName.parse(RunName.of(run).file_name) if run else None
    except OverflowError:  # no instant of UTC
        name = None
    if not run or not name:  # a year of less than four digits has no name
        return None
    end_line = end_of(content)
    end = parse_line(End, end_line)
    if end is None:
        integrity: FileIntegrity = "broken" if _has_foreign_lines(content, run.run) else "cut"
        return Head(name, run.started_at, integrity)
    fits = (
        end.run == run.run
        and end.sha256 == hash_before(content, end_line)
        and not _has_foreign_lines(content, run.run)
    )
    return Head(name, run.started_at, "whole" if fits else "broken", end.ended_at, end.previous)


def intact(content: bytes, name: str | None = None) -> bool:
    """Whether a sealed file is as it was sealed and, where its name is given, is that run's."""
    head = inspect(content)
    return head is not None and head.integrity == "whole" and name in (None, head.name.file_name)


def _has_foreign_lines(content: bytes, run: str) -> bool:
    """Whether lines of another run are there: readers would give them to that run."""
    own = [run.encode()]
    for line in content.split(b"\n"):
        if _RUN_ID.findall(line) == own:
            continue
        try:
            if isinstance(json.loads(line), dict):
                return True
        except (ValueError, RecursionError):  # torn: readers leave it out
            continue
    return False
