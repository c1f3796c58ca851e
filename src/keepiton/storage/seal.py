"""Tells what the bytes of a run's file are: whole, cut, or changed since. Pure.

Files come from strangers: a seal that fits says that nothing was changed since, not who made it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from keepiton.storage.lines import MAX_LINE
from keepiton.storage.rows import End, Run
from keepiton.storage.writer import NAME, file_name

FileIntegrity = Literal["whole", "cut", "broken"]
_RUN_ID = re.compile(rb'"run"\s*:\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Head:
    """What a copy of a run says of itself."""

    path: str
    """Its path below a data folder, made from what it holds; fits ``write.NAME``."""
    vantage: str
    started_at: datetime
    integrity: FileIntegrity
    """Whole: the seal fits. Cut: there is no end line. Broken: the seal does not fit, or lines of
    another run are among its own."""
    ended_at: datetime | None = None
    """None without an end line."""
    previous: str | None = None
    """SHA-256 of the vantage's file before this one, where it names one."""

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.rpartition("/")[2]


def inspect(content: bytes) -> Head | None:
    """Read a copy of one run; None where it does not begin with a run line that we know."""
    first, _, _ = content[:MAX_LINE].partition(b"\n")
    try:
        run = Run.model_validate_json(first)
    except ValidationError:
        return None
    place = file_name(run)
    if not NAME.fullmatch(place):  # a year of less than four digits
        return None
    before, end = _end(content)
    if end is None:
        state: FileIntegrity = "broken" if _strays(content, run.run) else "cut"
        return Head(place, run.vantage, run.started_at, state)
    fits = (
        end.run == run.run
        and end.sha256 == hashlib.sha256(before).hexdigest()
        and not _strays(content, run.run)
    )
    return Head(
        place,
        run.vantage,
        run.started_at,
        "whole" if fits else "broken",
        end.ended_at,
        end.previous,
    )


def intact(content: bytes, name: str | None = None) -> bool:
    """Whether a sealed file is as it was sealed and, where its name is given, is that run's."""
    head = inspect(content)
    return head is not None and head.integrity == "whole" and name in (None, head.name)


def _end(content: bytes) -> tuple[bytes, End | None]:
    """Split the end line off; a file that was cut has none."""
    if not content.endswith(b"\n"):
        return content, None
    at = content.rfind(b"\n", 0, -1) + 1
    try:
        return content[:at], End.model_validate_json(content[at:])
    except ValidationError:
        return content, None


def _strays(content: bytes, run: str) -> bool:
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
