"""Chooses the days to remove, by age or by size, and removes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from keepiton.base.files import PART
from keepiton.storage.run_name import DayName, RunName
from keepiton.storage.runs import day_folders


@dataclass(frozen=True, slots=True)
class StoredDay:
    """One day's files that may be removed."""

    day: date
    files: tuple[Path, ...]
    size: int
    """In bytes."""


def all_days(data: Path) -> list[StoredDay]:
    """List the days of a data folder, oldest first, each with its files of our making.

    A ``.part``, a link and what is named otherwise or after another day are not among them.
    """
    days = []
    for day, folder in day_folders(data):
        files = tuple(
            path
            for path in sorted(folder.iterdir())
            if _day_of(path.name) == day and path.is_file() and not path.is_symlink()
        )
        days.append(StoredDay(day, files, sum(path.stat().st_size for path in files)))
    return days


def _day_of(file_name: str) -> date | None:
    """Return the day of a file that may be removed."""
    if packed := DayName.parse(file_name):
        return packed.day
    run = None if file_name.endswith(PART) else RunName.parse(file_name)
    return run.started_at.date() if run else None


def bytes_used(data: Path) -> int:
    """Return the bytes of all files below ``results``, whoever made them."""
    return sum(path.stat().st_size for path in (data / "results").rglob("*") if path.is_file())


def days_to_prune(
    data: Path, today: date, keep: timedelta | None = None, max_size: int | None = None
) -> list[StoredDay]:
    """Choose the days to remove, oldest first: those over since ``keep``, and until it fits.

    Today and what lies ahead of it stay, whatever it takes. A day without files of ours is none.
    """
    size = bytes_used(data) if max_size is not None else 0
    chosen = []
    for stored in all_days(data):
        if not stored.files or stored.day >= today:
            continue
        # A day is as old as its last instant.
        old = keep is not None and today - (stored.day + timedelta(days=1)) >= keep
        if not old and (max_size is None or size <= max_size):
            break
        chosen.append(stored)
        size -= stored.size
    return chosen


def remove(chosen: Sequence[StoredDay]) -> int:
    """Remove days and the folders that are empty then; return the bytes. Raises OSError.

    The caller holds the folder's lock.
    """
    for stored in chosen:
        for path in stored.files:
            path.unlink()
        folder = stored.files[0].parent
        for empty in (folder, folder.parent, folder.parent.parent):
            if any(empty.iterdir()):
                break
            empty.rmdir()
    return sum(stored.size for stored in chosen)
