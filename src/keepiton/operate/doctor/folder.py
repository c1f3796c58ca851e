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

from keepiton.base.language import gettext_noop
from keepiton.base.types import Perspective
from keepiton.operate.doctor.runs import DAY, WEEK, begun_at, since
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    check_text,
    info,
    ok,
    problem,
)
from keepiton.storage import lock as locks
from keepiton.storage import state
from keepiton.storage.writer import NAME, PART

SIDES: dict[Perspective, str] = {
    "inside": gettext_noop("Runs look from inside."),
    "outside": gettext_noop("Runs look from outside."),
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


def write_access(place: CheckContext) -> CheckResult:
    """Write a file in the data folder, read it again and remove it."""
    folder = _nearest(place.data)
    path = place.shown(place.data)
    try:
        _write_and_remove(folder)
    except OSError as exc:
        said = check_text(
            gettext_noop("Nothing can be written in {path}: {why}."),
            path=place.shown(folder),
            why=os.strerror(exc.errno or errno.EIO),
        )
        if exc.errno in DISK_FULL:
            return problem(said, advice=check_text(gettext_noop("Make room on this disk.")))
        if exc.errno == errno.EROFS:
            return problem(
                said,
                advice=check_text(
                    gettext_noop(
                        "The disk is read-only: name another folder with --data, or repair it."
                    )
                ),
            )
        return problem(
            said,
            advice=check_text(
                gettext_noop("Check who owns the folder, or name another with --data.")
            ),
        )
    if folder != place.data:
        return ok(check_text(gettext_noop("{path} is not there yet, and can be made."), path=path))
    return ok(check_text(gettext_noop("A file was written in {path} and removed."), path=path))


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


def _there(place: CheckContext) -> Path:
    """Return the data folder. Raises NotLooked where there is none yet."""
    if not place.data.is_dir():
        raise CheckSkipped(check_text(gettext_noop("There is no data folder yet.")))
    return place.data


def who_may_read(place: CheckContext) -> CheckResult:
    """Look whether anybody but the user may read what lies in the data folder."""
    data = _there(place)
    if os.name != "posix":
        raise CheckSkipped(
            check_text(gettext_noop("This system has other rights than those looked at."))
        )
    top = data.stat()
    seen = [top, *islice(_below(data), MOST_ENTRIES)]
    foreign = sum(one.st_uid != os.geteuid() for one in seen)
    if foreign:
        text = gettext_noop("Files and folders that belong to another user: {n}.")
        return problem(
            check_text(text, n=foreign),
            advice=check_text(
                gettext_noop(
                    "Run keepiton always as the same user, and never with sudo in between."
                )
            ),
        )
    open_to_others = sum(bool(one.st_mode & OTHERS) for one in seen)
    if not open_to_others:
        return ok(check_text(gettext_noop("Nobody but you may read the results.")))
    advice = check_text(
        gettext_noop("Take the rights away: chmod -R go= {path}"), path=place.shown(data.absolute())
    )
    text = gettext_noop("Files and folders with rights for others: {n}.")
    said = check_text(text, n=open_to_others)
    if top.st_mode & OTHERS:
        return problem(
            said,
            check_text(gettext_noop("Results show which sites were asked, and when.")),
            advice=advice,
        )
    return info(
        said, check_text(gettext_noop("The data folder itself keeps others out.")), advice=advice
    )


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


def disk(place: CheckContext) -> CheckResult:
    """Look for room for results, for a month at least."""
    folder = _nearest(place.data)
    free = shutil.disk_usage(folder).free
    said = check_text(gettext_noop("{free} MB free."), free=free // MB)
    room = check_text(
        gettext_noop(
            "Make room: delete what is not needed, or pack old days: keepiton results compact"
        )
    )
    if free < place.floor:
        return problem(
            said,
            check_text(
                gettext_noop("Runs leave {floor} MB to others, and do not begin."),
                floor=place.floor // MB,
            ),
            advice=room,
        )
    if hasattr(os, "statvfs"):
        files = os.statvfs(folder)
        if files.f_files and not files.f_favail:
            return problem(
                said, check_text(gettext_noop("No more files can be made.")), advice=room
            )
    if free < 2 * place.floor:
        return info(
            said, check_text(gettext_noop("Little: runs keep to what matters most.")), advice=room
        )
    grown = _grown(place)
    if not grown:
        return ok(said)
    days = min(MOST_DAYS, int((free - place.floor) / grown))
    growth = check_text(
        gettext_noop("Results grow by {mb} MB a day: room for {days} days or more."),
        mb=round(grown / MB, 1),
        days=days,
    )
    return info(said, growth, advice=room) if days < SOON_DAYS else ok(said, growth)


def _grown(place: CheckContext) -> float | None:
    """Return bytes of results a day over the last week; None without a whole day."""
    runs = since(place, place.now - WEEK)
    if not runs or place.now - runs[0][0] < DAY:
        return None
    size = 0
    for _at, path in runs:
        with suppress(OSError):
            size += path.stat().st_size
    return size / ((place.now - runs[0][0]) / DAY)


def lock(place: CheckContext) -> CheckResult:
    """Look whether a run is under way, without taking the lock."""
    holder = _holder(_there(place) / locks.FILE)
    if holder is None:
        return ok(check_text(gettext_noop("No run is under way.")))
    said = check_text(gettext_noop("A run is under way, as process {pid}."), pid=str(holder))
    begun = _begun(place)
    if begun and place.now - begun > LONGEST_RUN:
        return problem(
            check_text(
                gettext_noop("Process {pid} holds the folder since {at} UTC."),
                pid=str(holder),
                at=begun,
            ),
            advice=check_text(gettext_noop("It hangs: end it with kill {pid}"), pid=str(holder)),
        )
    return info(said)


def _begun(place: CheckContext) -> datetime | None:
    """Return when the run that is noted as open began."""
    name = NAME.fullmatch((place.memory.open_file if place.memory else None) or "")
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
        raise CheckSkipped(check_text(gettext_noop("This system does not tell who holds a file.")))
    wanted = str(path.resolve())
    for process in table.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # another user's, or it has ended
                for one in (process / "fd").iterdir():
                    with suppress(OSError):
                        if str(one.readlink()) == wanted:
                            return int(process.name)
    return None


def memory(place: CheckContext) -> CheckResult:
    """Look whether what the folder remembers between runs can be read."""
    if place.memory is None:
        return problem(
            check_text(gettext_noop("{file} cannot be read, or is damaged."), file=state.FILE),
            advice=check_text(
                gettext_noop("Delete {file} in the data folder: no result is touched by that."),
                file=state.FILE,
            ),
        )
    if place.memory.perspective is None:
        return ok(check_text(gettext_noop("Nothing is remembered yet.")))
    return ok(check_text(SIDES[place.memory.perspective]))


def left_behind(place: CheckContext) -> CheckResult:
    """Look for files that a run which died left without a seal."""
    parts = [one for one in _there(place).glob(f"results/*/*/*/*.jsonl{PART}") if one.is_file()]
    with suppress(CheckSkipped):
        if len(parts) == 1 and _holder(place.data / locks.FILE):
            return ok(
                check_text(gettext_noop("One file without a seal, of the run that is under way."))
            )
    if not parts:
        return ok(check_text(gettext_noop("Every file has its seal.")))
    return info(
        check_text(
            gettext_noop("Files without a seal: {n}. A run ended before its time."), n=len(parts)
        ),
        check_text(gettext_noop("The next run seals the newest, and reports read them all.")),
    )
