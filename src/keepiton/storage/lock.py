"""The lock of a data folder: one process holds it at a time, and never a file.

While a process is inside :func:`hold`, no other is, in whatever way either was started. The lock
is the system's own (``flock``; on Windows ``msvcrt``): it ends with the process that holds it,
killed or not, so that nothing stale is ever left, and a stopped process keeps it. What the process
starts does not inherit it. The empty file that stands for it stays; only ``wipe`` removes that.
A disk that cannot lock, as some network disks, is refused: a mark in its place would outlive a
dead process, or be taken from a living one.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "lock"

_ELSEWHERE = "or name another folder with --data"
_NO_LOCKS = "this disk cannot lock files; name a folder on a local disk with --data"
_REMEDIES = {
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.EACCES: f"check who owns it, {_ELSEWHERE}",
    errno.EPERM: f"check who owns it, {_ELSEWHERE}",
    errno.EROFS: "name another folder with --data",
    errno.EEXIST: f"it must be a folder; remove it, {_ELSEWHERE}",
    errno.ENOTDIR: "what leads to it must be folders; name another with --data",
    errno.EISDIR: "the lock is a plain file; remove what stands in its place",
    errno.ELOOP: "the lock is a plain file; remove the link that stands in its place",
}


class Locked(Exception):  # noqa: N818 - another run is no error
    """Another process holds the folder's lock; the message names the folder."""


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Hold the folder's lock, and make the folder if there is none; never wait.

    Raises Locked, or OSError with what may be done about it where the folder or its lock cannot
    be had. What is raised inside goes through unchanged.
    """
    import filelock  # noqa: PLC0415 - only where something is written

    lock = filelock.FileLock(data / FILE, timeout=0, mode=0o600, fallback_to_soft=False)
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise Locked(f"another run is under way in {data}") from None
    except OSError as exc:
        number = exc.errno or errno.EIO
        remedy = _REMEDIES.get(number)
        text = os.strerror(number) + (f"; {remedy}" if remedy else "")
        raise OSError(number, text, exc.filename or str(data)) from None
    try:
        yield
    finally:
        lock.release()
