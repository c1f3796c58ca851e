"""Checks of the data folder: what lies there, who may read it, and whether runs come in time.

Nothing is altered. One small file is written and removed, and the lock is not taken.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from keepiton.base.language import noted
from keepiton.base.types import Perspective
from keepiton.operate.doctor.runs import DAY, WEEK, begun_at, since
from keepiton.operate.doctor.types import Look, NotLooked, Place, note, told, trouble, well
from keepiton.storage import lock as locks
from keepiton.storage import state
from keepiton.storage.writer import NAME, PART

SIDES: dict[Perspective, str] = {
    "inside": noted("Runs look from inside."),
    "outside": noted("Runs look from outside."),
}
SOON_DAYS, MOST_DAYS = 30, 3650
"""A disk that is full in a month is told of; room for ten years is room enough."""
MB = 1_000_000
SAMPLE = b"keepiton doctor\n" * 256
"""A block of most disks."""
MOST_ENTRIES = 50_000
"""Files and folders whose rights are looked at: half a year of runs every five minutes."""
LONGEST_RUN = timedelta(days=1)
"""The longest deadline that a run can be given."""
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
OTHERS = 0o077
"""Rights of everybody but the owner."""


def write_access(place: Place) -> Look:
    """Write a file in the data folder, read it again and remove it."""
    folder = _nearest(place.data)
    path = place.shown(place.data)
    try:
        _write_and_remove(folder)
    except OSError as exc:
        said = told(
            noted("Nothing can be written in {path}: {why}."),
            path=place.shown(folder),
            why=os.strerror(exc.errno or errno.EIO),
        )
        if exc.errno in DISK_FULL:
            return trouble(said, advice=told(noted("Make room on this disk.")))
        if exc.errno == errno.EROFS:
            return trouble(
                said,
                advice=told(
                    noted("The disk is read-only: name another folder with --data, or repair it.")
                ),
            )
        return trouble(
            said,
            advice=told(noted("Check who owns the folder, or name another with --data.")),
        )
    if folder != place.data:
        return well(told(noted("{path} is not there yet, and can be made."), path=path))
    return well(told(noted("A file was written in {path} and removed."), path=path))


def _nearest(path: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next((one for one in (path, *path.absolute().parents) if one.is_dir()), Path("/"))


def _write_and_remove(folder: Path) -> None:
    path = folder / f".doctor-{secrets.token_hex(4)}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if file.write(SAMPLE) != len(SAMPLE):  # a nearly full disk takes a part
                raise OSError(errno.ENOSPC, "")
            os.fsync(file.fileno())
            file.seek(0)
            if file.read(len(SAMPLE)) != SAMPLE:
                raise OSError(errno.EIO, "")
    finally:
        path.unlink()


def _there(place: Place) -> Path:
    """Return the data folder. Raises NotLooked where there is none yet."""
    if not place.data.is_dir():
        raise NotLooked(told(noted("There is no data folder yet.")))
    return place.data


def who_may_read(place: Place) -> Look:
    """Look whether anybody but the user may read what lies in the data folder."""
    data = _there(place)
    if os.name != "posix":
        raise NotLooked(told(noted("This system has other rights than those looked at.")))
    top = data.stat()
    seen = [top, *islice(_below(data), MOST_ENTRIES)]
    foreign = sum(one.st_uid != os.geteuid() for one in seen)
    if foreign:
        text = noted("Files and folders that belong to another user: {n}.")
        return trouble(
            told(text, n=foreign),
            advice=told(
                noted("Run keepiton always as the same user, and never with sudo in between.")
            ),
        )
    open_to_others = sum(bool(one.st_mode & OTHERS) for one in seen)
    if not open_to_others:
        return well(told(noted("Nobody but you may read the results.")))
    advice = told(
        noted("Take the rights away: chmod -R go= {path}"), path=place.shown(data.absolute())
    )
    text = noted("Files and folders with rights for others: {n}.")
    said = told(text, n=open_to_others)
    if top.st_mode & OTHERS:
        return trouble(
            said, told(noted("Results show which sites were asked, and when.")), advice=advice
        )
    return note(said, told(noted("The data folder itself keeps others out.")), advice=advice)


def _below(folder: Path) -> Iterator[os.stat_result]:
    """Yield what is known of all below a folder, newest names first; links are not followed."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda one: one.name, reverse=True)
    for one in entries:
        with suppress(FileNotFoundError):  # a run's file gets its final name
            if one.is_symlink():
                continue
            yield one.stat(follow_symlinks=False)
            if one.is_dir(follow_symlinks=False):
                yield from _below(Path(one.path))


def disk(place: Place) -> Look:
    """Look for room for results, for a month at least."""
    folder = _nearest(place.data)
    free = shutil.disk_usage(folder).free
    said = told(noted("{free} MB free."), free=free // MB)
    room = told(
        noted("Make room: delete what is not needed, or pack old days: keepiton results compact")
    )
    if free < place.floor:
        return trouble(
            said,
            told(
                noted("Runs leave {floor} MB to others, and do not begin."), floor=place.floor // MB
            ),
            advice=room,
        )
    if hasattr(os, "statvfs"):
        files = os.statvfs(folder)
        if files.f_files and not files.f_favail:
            return trouble(said, told(noted("No more files can be made.")), advice=room)
    if free < 2 * place.floor:
        return note(said, told(noted("Little: runs keep to what matters most.")), advice=room)
    grown = _grown(place)
    if not grown:
        return well(said)
    days = min(MOST_DAYS, int((free - place.floor) / grown))
    growth = told(
        noted("Results grow by {mb} MB a day: room for {days} days or more."),
        mb=round(grown / MB, 1),
        days=days,
    )
    return note(said, growth, advice=room) if days < SOON_DAYS else well(said, growth)


def _grown(place: Place) -> float | None:
    """Return bytes of results a day over the last week; None without a whole day."""
    runs = since(place, place.now - WEEK)
    if not runs or place.now - runs[0][0] < DAY:
        return None
    size = 0
    for _at, path in runs:
        with suppress(OSError):
            size += path.stat().st_size
    return size / ((place.now - runs[0][0]) / DAY)


def lock(place: Place) -> Look:
    """Look whether a run is under way, without taking the lock."""
    holder = _holder(_there(place) / locks.FILE)
    if holder is None:
        return well(told(noted("No run is under way.")))
    said = told(noted("A run is under way, as process {pid}."), pid=str(holder))
    begun = _begun(place)
    if begun and place.now - begun > LONGEST_RUN:
        return trouble(
            told(
                noted("Process {pid} holds the folder since {at} UTC."), pid=str(holder), at=begun
            ),
            advice=told(noted("It hangs: end it with kill {pid}"), pid=str(holder)),
        )
    return note(said)


def _begun(place: Place) -> datetime | None:
    """Return when the run that is noted as open began."""
    name = NAME.fullmatch((place.memory.open if place.memory else None) or "")
    return begun_at(name[0]) if name else None


def _holder(path: Path) -> int | None:
    """Find the process that has the lock's file open: nobody else opens it.

    Reads the process table, so that no run is disturbed; one of another user's is not seen. Raises
    NotLooked where the system has no such table.
    """
    table = Path("/proc")
    if not path.exists():
        return None
    if not (table / "self" / "fd").is_dir():
        raise NotLooked(told(noted("This system does not tell who holds a file.")))
    wanted = str(path.resolve())
    for process in table.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # another user's, or it has ended
                for one in (process / "fd").iterdir():
                    with suppress(OSError):
                        if str(one.readlink()) == wanted:
                            return int(process.name)
    return None


def memory(place: Place) -> Look:
    """Look whether what the folder remembers between runs can be read."""
    if place.memory is None:
        return trouble(
            told(noted("{file} cannot be read, or is damaged."), file=state.FILE),
            advice=told(
                noted("Delete {file} in the data folder: no result is touched by that."),
                file=state.FILE,
            ),
        )
    if place.memory.perspective is None:
        return well(told(noted("Nothing is remembered yet.")))
    return well(told(SIDES[place.memory.perspective]))


def left_behind(place: Place) -> Look:
    """Look for files that a run which died left without a seal."""
    parts = [one for one in _there(place).glob(f"results/*/*/*/*.jsonl{PART}") if one.is_file()]
    with suppress(NotLooked):
        if len(parts) == 1 and _holder(place.data / locks.FILE):
            return well(told(noted("One file without a seal, of the run that is under way.")))
    if not parts:
        return well(told(noted("Every file has its seal.")))
    return note(
        told(noted("Files without a seal: {n}. A run ended before its time."), n=len(parts)),
        told(noted("The next run seals the newest, and reports read them all.")),
    )
