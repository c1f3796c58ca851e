"""Checks of the data folder: its content, its permissions and the free disk.

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

from keepiton.base.files import PART
from keepiton.base.types import Perspective
from keepiton.operate.doctor.runs import DAY, WEEK, since
from keepiton.operate.doctor.types import (
    CheckContext,
    CheckResult,
    CheckSkipped,
    CheckText,
    info,
    ok,
    problem,
)
from keepiton.operate.doctor.types import lazy_gettext as _
from keepiton.storage import lock as locks
from keepiton.storage import state
from keepiton.storage.run_name import RunName

PERSPECTIVE_TEXTS: dict[Perspective, CheckText] = {
    "inside": _("Runs look from inside."),
    "outside": _("Runs look from outside."),
}
SOON_DAYS, MOST_DAYS = 30, 3650
"""Days until the disk is full: below the first they are reported, above the second not counted."""
MB = 1_000_000
SAMPLE = b"keepiton doctor\n" * 256
"""One block (4096 bytes) of most file systems."""
MOST_ENTRIES = 50_000
"""Files and folders whose permissions are checked: half a year of runs every five minutes."""
LONGEST_RUN = timedelta(days=1)
"""The longest deadline that a run may have."""
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
OTHERS = 0o077
"""Permissions of everybody but the owner."""


def write_access(context: CheckContext) -> CheckResult:
    """Check that a file can be written in the data folder, read again and removed."""
    folder = _nearest(context.data)
    path = context.display_path(context.data)
    try:
        _write_and_remove(folder)
    except OSError as exc:
        message = _(
            "Nothing can be written in {path}: {why}.",
            path=context.display_path(folder),
            why=os.strerror(exc.errno or errno.EIO),
        )
        if exc.errno in DISK_FULL:
            return problem(message, advice=_("Make room on this disk."))
        if exc.errno == errno.EROFS:
            return problem(
                message,
                advice=_("The disk is read-only: name another folder with --data, or repair it."),
            )
        return problem(message, advice=_("Check who owns the folder, or name another with --data."))
    if folder != context.data:
        return ok(_("{path} is not there yet, and can be made.", path=path))
    return ok(_("A file was written in {path} and removed.", path=path))


def _nearest(path: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(
        (folder for folder in (path, *path.absolute().parents) if folder.is_dir()), Path("/")
    )


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


def _data_folder(context: CheckContext) -> Path:
    """Return the data folder. Raises CheckSkipped where there is none yet."""
    if not context.data.is_dir():
        raise CheckSkipped(_("There is no data folder yet."))
    return context.data


def who_may_read(context: CheckContext) -> CheckResult:
    """Check that nobody but the user may read the content of the data folder."""
    data = _data_folder(context)
    if os.name != "posix":
        raise CheckSkipped(_("This system has other rights than those looked at."))
    top = data.stat()
    entries = [top, *islice(_below(data), MOST_ENTRIES)]
    foreign = sum(entry.st_uid != os.geteuid() for entry in entries)
    if foreign:
        return problem(
            _("Files and folders that belong to another user: {n}.", n=foreign),
            advice=_("Run keepiton always as the same user, and never with sudo in between."),
        )
    open_to_others = sum(bool(entry.st_mode & OTHERS) for entry in entries)
    if not open_to_others:
        return ok(_("Nobody but you may read the results."))
    advice = _(
        "Take the rights away: chmod -R go= {path}", path=context.display_path(data.absolute())
    )
    message = _("Files and folders with rights for others: {n}.", n=open_to_others)
    if top.st_mode & OTHERS:
        return problem(message, _("Results show which sites were asked, and when."), advice=advice)
    return info(message, _("The data folder itself keeps others out."), advice=advice)


def _below(folder: Path) -> Iterator[os.stat_result]:
    """Yield the status of every entry below a folder, newest names first; links are skipped."""
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
    for entry in entries:
        with suppress(FileNotFoundError):  # a run's file gets its final name
            if entry.is_symlink():
                continue
            yield entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))


def disk(context: CheckContext) -> CheckResult:
    """Check that the disk has room for a month of results at least."""
    folder = _nearest(context.data)
    free = shutil.disk_usage(folder).free
    message = _("{free} MB free.", free=free // MB)
    room = _("Make room: delete what is not needed, or pack old days: keepiton results compact")
    if free < context.min_free:
        return problem(
            message,
            _("Runs leave {floor} MB to others, and do not begin.", floor=context.min_free // MB),
            advice=room,
        )
    if hasattr(os, "statvfs"):
        files = os.statvfs(folder)
        if files.f_files and not files.f_favail:
            return problem(message, _("No more files can be made."), advice=room)
    if free < 2 * context.min_free:
        return info(message, _("Little: runs keep to what matters most."), advice=room)
    daily_bytes = _daily_growth(context)
    if not daily_bytes:
        return ok(message)
    days = min(MOST_DAYS, int((free - context.min_free) / daily_bytes))
    growth = _(
        "Results grow by {mb} MB a day: room for {days} days or more.",
        mb=round(daily_bytes / MB, 1),
        days=days,
    )
    return info(message, growth, advice=room) if days < SOON_DAYS else ok(message, growth)


def _daily_growth(context: CheckContext) -> float | None:
    """Return bytes of results per day over the last week; None without a whole day of runs."""
    runs = since(context, context.now - WEEK)
    if not runs or context.now - runs[0][0] < DAY:
        return None
    size = 0
    for _at, path in runs:
        with suppress(OSError):
            size += path.stat().st_size
    return size / ((context.now - runs[0][0]) / DAY)


def lock(context: CheckContext) -> CheckResult:
    """Check whether a run is under way, without taking the lock."""
    holder = _holder(_data_folder(context) / locks.FILE)
    if holder is None:
        return ok(_("No run is under way."))
    message = _("A run is under way, as process {pid}.", pid=str(holder))
    began_at = _open_run_began_at(context)
    if began_at and context.now - began_at > LONGEST_RUN:
        return problem(
            _("Process {pid} holds the folder since {at} UTC.", pid=str(holder), at=began_at),
            advice=_("It hangs: end it with kill {pid}", pid=str(holder)),
        )
    return info(message)


def _open_run_began_at(context: CheckContext) -> datetime | None:
    """Return when the run that is noted as open began."""
    name = RunName.parse_path((context.memory.open_file if context.memory else None) or "")
    return name.started_at if name else None


def _holder(path: Path) -> int | None:
    """Return the id of the process that has the lock file open: no other process opens it.

    Reads the process table, so that no run is disturbed; processes of other users are not seen.
    Raises CheckSkipped where the system has no such table.
    """
    table = Path("/proc")
    if not path.exists():
        return None
    if not (table / "self" / "fd").is_dir():
        raise CheckSkipped(_("This system does not tell who holds a file."))
    wanted = str(path.resolve())
    for process in table.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # another user's, or it has ended
                for descriptor in (process / "fd").iterdir():
                    with suppress(OSError):
                        if str(descriptor.readlink()) == wanted:
                            return int(process.name)
    return None


def memory(context: CheckContext) -> CheckResult:
    """Check that what the folder remembers between runs can be read."""
    if context.memory is None:
        return problem(
            _("{file} cannot be read, or is damaged.", file=state.FILE),
            advice=_(
                "Delete {file} in the data folder: no result is touched by that.", file=state.FILE
            ),
        )
    if context.memory.perspective is None:
        return ok(_("Nothing is remembered yet."))
    return ok(PERSPECTIVE_TEXTS[context.memory.perspective])


def left_behind(context: CheckContext) -> CheckResult:
    """Check for files that a run which died left without a seal."""
    pattern = f"results/*/*/*/*.jsonl{PART}"
    parts = [path for path in _data_folder(context).glob(pattern) if path.is_file()]
    with suppress(CheckSkipped):
        if len(parts) == 1 and _holder(context.data / locks.FILE):
            return ok(_("One file without a seal, of the run that is under way."))
    if not parts:
        return ok(_("Every file has its seal."))
    return info(
        _("Files without a seal: {n}. A run ended before its time.", n=len(parts)),
        _("The next run seals the newest, and reports read them all."),
    )
