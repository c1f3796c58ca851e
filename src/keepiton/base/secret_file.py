"""Files that hold secrets: only their owner may have access, and no error repeats their content."""

import os
import stat
from pathlib import Path

from keepiton.base.errors import UserError

MOST_BYTES = 65_536
OTHERS = 0o077
"""Permissions of everybody but the owner."""


def read_secrets(path: Path) -> str:
    """Return the text of a file of secrets. Raises UserError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise UserError(f"{path}: not a plain file; write the secret into one")
            if os.name == "posix" and mode & OTHERS:
                raise UserError(f"{path}: holds secrets and is open to others; chmod 600 {path}")
            content = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise UserError(f"{path}: cannot be read ({exc.strerror})") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{path}: longer than {MOST_BYTES} bytes; is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not text in UTF-8") from None
