"""Memory that runs out, reported as the system reports a full disk."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_errors_as_os_errors() -> Iterator[None]:
    """Raise OSError (ENOMEM) in place of what Python raises when memory or threads run out."""
    try:
        yield
    except (MemoryError, RuntimeError, BaseExceptionGroup) as exc:
        if not _is_out_of_memory(exc):
            raise
        logging.getLogger("asyncio").disabled = True  # it reports each task that could not end
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from None


def _is_out_of_memory(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return any(map(_is_out_of_memory, exc.exceptions))
    return isinstance(exc, MemoryError) or "can't start new thread" in str(exc)
