"""Says which days are to go, by age or by size, and removes them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from keepiton.archive.pack import days
from keepiton.storage.runs import DAY, FILE

_OURS = re.compile(rf"(?:{FILE.pattern}(?:\.gz|\.zst)?|{DAY.pattern.replace('?P<vantage>', '?:')})")
"""What may go; a ``.part`` and what is named otherwise may not."""


@dataclass(frozen=True, slots=True)
class StoredDay:
    """One day's files that may go."""

    day: date
    files: tuple[Path, ...]
    size: int


def all_days(data: Path) -> list[StoredDay]:
    """List the days of a data folder, oldest first, each with its files of our making."""
    found = []
    for day, folder in days(data):
        files = tuple(
            one
            for one in sorted(folder.iterdir())
            if _OURS.fullmatch(one.name)
            and one.name.startswith(f"{day:%Y%m%d}")
            and one.is_file()
            and not one.is_symlink()
        )
        found.append(StoredDay(day, files, sum(one.stat().st_size for one in files)))
    return found


def bytes_used(data: Path) -> int:
    """Return the bytes of all files below ``results``, whoever made them."""
    return sum(one.stat().st_size for one in (data / "results").rglob("*") if one.is_file())


def days_to_prune(
    data: Path, today: date, keep: timedelta | None = None, max_size: int | None = None
) -> list[StoredDay]:
    """Choose the days to remove, oldest first: those over since ``keep``, and until it fits.

    Today and what lies ahead of it stay, whatever it takes. A day without files of ours is none.
    """
    found = [one for one in all_days(data) if one.files and one.day < today]
    size = bytes_used(data) if max_size is not None else 0
    chosen = []
    for one in found:
        # A day is as old as its last instant.
        old = keep is not None and today - (one.day + timedelta(days=1)) >= keep
        if not old and (max_size is None or size <= max_size):
            break
        chosen.append(one)
        size -= one.size
    return chosen


def remove(chosen: Sequence[StoredDay]) -> int:
    """Remove days and the folders that are empty then; return the bytes. Raises OSError.

    The caller holds the folder's lock.
    """
    for one in chosen:
        for path in one.files:
            path.unlink()
        folder = one.files[0].parent
        for empty in (folder, folder.parent, folder.parent.parent):
            if any(empty.iterdir()):
                break
            empty.rmdir()
    return sum(one.size for one in chosen)
