"""Files and folders for their owner only; a replaced file is the old one or the new, never a part.

A crash at any moment leaves the file as it was or as it is to be, and at most a temporary file.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

PART = ".part"
"""Ending of a file that is being written."""
_NOT_SUPPORTED = (errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What opening or synchronizing a folder fails with where a file system has no such thing, or the
folder may be written and not read."""


def create(path: Path, mode: int = 0o600) -> BinaryIO:
    """Create a file that was not there, and open it for writing. Raises OSError."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))


def temporary_path(path: Path) -> Path:
    """Return a path beside ``path`` for a file that is to take its place."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}{PART}")


@contextmanager
def replacement(
    path: Path,
    *,
    mode: int = 0o600,
    temporary: Path | None = None,
    overwrite: bool = True,
    sync: Literal["file and folder", "file", "nothing"] = "file and folder",
) -> Iterator[BinaryIO]:
    """Give a file to write, at its ``name``; it takes the place of ``path`` when the block ends.

    When the block raises, it is removed and ``path`` stays as it was, as it does without
    ``overwrite`` where a file is there by then. ``temporary`` names it where one that a crash left
    is to be used again: its caller holds a lock. ``sync`` says what is forced to disk: the new
    name is lost in a power cut unless the folder is, the content unless the file is. Raises
    OSError.
    """
    if temporary:
        temporary.unlink(missing_ok=True)
    else:
        temporary = temporary_path(path)
    file = create(temporary, mode)
    try:
        with file:
            temporary.chmod(mode)  # whatever the umask
            yield file
            file.flush()
            if sync != "nothing":
                os.fsync(file.fileno())
        if overwrite or not path.exists():
            temporary.replace(path)
        else:
            temporary.unlink()
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync == "file and folder":
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk, where the system can. Raises OSError."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        if exc.errno not in _NOT_SUPPORTED:
            raise


def make_private_folder(folder: Path, base: Path) -> None:
    """Make a folder below ``base``, each level for its owner only. Raises OSError."""
    levels = [
        level for level in (folder, *folder.parents) if level == base or base in level.parents
    ]
    base.parent.mkdir(parents=True, exist_ok=True)
    for level in reversed(levels):
        level.mkdir(mode=0o700, exist_ok=True)
