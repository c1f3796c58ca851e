"""Signals that ask the program to end: SIGINT and SIGTERM."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM)


def is_interrupted(error: BaseException) -> bool:
    """Whether a KeyboardInterrupt is the cause of an error, as of a library that it struck."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


class StopSignals:
    """Handler of signals to end: notes the latest, and hands it to ``notify`` if there is one."""

    def __init__(self, notify: Callable[[int], object] | None = None) -> None:
        """Take the signals from now on."""
        self.notify = notify
        self.received: int | None = None
        """The latest; its owner sets it to None once it was acted on."""
        self._before = {number: signal.signal(number, self._take) for number in STOPS}

    def _take(self, number: int, frame: object) -> None:
        del frame
        self.received = number
        if self.notify:
            self.notify(number)

    def restore(self) -> None:
        """Give the signals back to the handlers before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def handle_stop_signals() -> Iterator[StopSignals]:
    """Take the signals while the block runs.

    One that was not acted on does afterwards what it would have done before.
    """
    signals = StopSignals()
    try:
        yield signals
    finally:
        signals.restore()
    if signals.received:
        signal.raise_signal(signals.received)
