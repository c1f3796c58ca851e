"""What keeps a data folder small: options for it, the floor of free disk, and the daily round."""

import errno
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from keepiton.base import signals
from keepiton.cli import exits, folders, times
from keepiton.cli.extensions import RunContext, RunHooks

if TYPE_CHECKING:
    from keepiton.base.connectivity import Connectivity

STAMP_FILE = "tended"
"""File of the data folder that holds the last day on which all was looked after."""
COMPACT_AFTER = "7d"
MIN_FREE = "200M"
BUDGET_S = 20.0
"""What an unattended run may spend on packing; the rest is for the next one."""
MOST_DAYS = 7
"""Days of results that an unattended run removes at once for their age: a clock that jumps ahead
must not take all that was ever measured."""
OFF = "off"
TEN_MB = 10**7


def compact_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--compact-after``."""
    return click.option(
        "--compact-after",
        default=COMPACT_AFTER,
        show_default=True,
        metavar="AGE",
        help="Pack days that are over for so long into Parquet, losing nothing; or: off.",
    )(function)


def keep_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--keep`` and ``--max-size``."""
    for option in (
        click.option(
            "--keep",
            metavar="AGE",
            help="Remove days older than this, such as 400d.  [default: all stay]",
        ),
        click.option(
            "--max-size",
            metavar="SIZE",
            help="Remove the oldest days while results take more than this, such as 2G."
            "  [default: no limit]",
        ),
    ):
        function = option(function)
    return function


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a run needs to look after its folder.

    ``--keep``, ``--max-size``, ``--compact-after``, ``--min-free``.
    """
    floor = click.option(
        "--min-free",
        default=MIN_FREE,
        show_default=True,
        metavar="SIZE",
        help="Leave so much of the disk free: below it no run begins, below twice that one keeps"
        " to what matters most.",
    )
    return floor(compact_option(keep_options(function)))


@dataclass(frozen=True, slots=True)
class Retention(RunHooks):
    """How long and how much of a data folder is kept, as the options of a run say."""

    keep: timedelta | None
    max_size: int | None
    compact_after: timedelta | None
    min_free: int

    def begin(self, run: RunContext) -> bool:
        """Return whether the disk is scarce. Raises OSError below the floor."""
        try:
            free = room(run.data, self.min_free)
        except OSError:
            self._maintain(run)
            free = room(run.data, self.min_free)  # with what old days have left
        return free == "scarce"

    def end(self, run: RunContext, verdict: "Connectivity | None", code: int) -> None:
        """Look after old days; not where somebody ended the run, who does not want to wait."""
        if verdict is not None and code not in exits.ENDED_EARLY:
            self._maintain(run)

    def _maintain(self, run: RunContext) -> None:
        maintain(run.data, datetime.now(UTC), self.keep, self.max_size, self.compact_after)


def prepare_run(data: Path, values: Mapping[str, Any]) -> Retention:
    """Read what the options say. Raises UserError."""
    del data
    keep, max_size, compact_after = values["keep"], values["max_size"], values["compact_after"]
    return Retention(
        times.parse_age(keep, "--keep") if keep else None,
        times.parse_size(max_size, "--max-size") if max_size else None,
        None if compact_after == OFF else times.parse_age(compact_after, "--compact-after"),
        times.parse_size(values["min_free"], "--min-free"),
    )


def room(data: Path, min_free: int) -> Literal["plenty", "scarce"]:
    """Say whether a run has room: ``scarce`` below twice the floor.

    Raises OSError (ENOSPC) below the floor, as a disk does that is full: exit 5.
    """
    free = shutil.disk_usage(data).free
    if free < min_free:
        raise OSError(
            errno.ENOSPC,
            f"only {megabytes(free)} MB of the disk are free, and {megabytes(min_free)} MB are to"
            " stay so (--min-free); make room, for example with: keepiton results prune --keep 90d",
            str(data),
        )
    return "scarce" if free < 2 * min_free else "plenty"


def megabytes(count: float) -> float:
    """Return bytes as megabytes, without more digits than they need."""
    return round(count / 10**6, None if count >= TEN_MB else 1)


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold a data folder's lock; exits 75 when a run does, 5 where the folder fails."""
    from keepiton.storage import lock  # noqa: PLC0415

    try:
        with lock.hold(data):
            yield
    except lock.Locked as exc:
        sys.exit(exits.print_error(str(exc), exits.LOCKED))
    except OSError as exc:
        where = exc.filename or data
        text = f"{where}: {exc.strerror}; nothing is lost by it"
        sys.exit(exits.print_error(text, exits.NOT_WRITTEN))


def with_results(data: Path | None) -> Path:
    """Return the data folder; exits 6 where it holds no results."""
    data = data or folders.data_folder()
    if not (data / "results").is_dir():
        exits.exit_without_results(data / "results")
    return data


def maintain(
    data: Path,
    now: "datetime",
    keep: "timedelta | None",
    max_size: int | None,
    compact_after: "timedelta | None",
) -> None:
    """Pack and remove old days, once a day; the caller holds the folder's lock.

    What goes wrong is said on stderr and ends no run: nothing is lost by it. Packing is left out
    where duckdb is not installed, and goes on with the next run when it takes long.
    """
    today = now.date()
    stamp = data / STAMP_FILE
    with suppress(OSError, ValueError):
        if stamp.read_text(encoding="utf-8") == today.isoformat():
            return
    try:
        done = _compact(data, (now - compact_after).date()) if compact_after else True
        _prune(data, today, keep, max_size)
        if done:
            stamp.touch(mode=0o600)
            stamp.write_text(today.isoformat(), encoding="utf-8")
    except Exception as exc:
        if signals.is_interrupted(exc):
            raise KeyboardInterrupt from exc
        why = str(exc) or type(exc).__name__  # such as MemoryError
        exits.print_error(f"old days are not looked after: {why}", exits.NOT_WRITTEN)


def _compact(data: Path, until: "date") -> bool:
    """Pack what is due, as far as the budget goes; say whether all is done."""
    import time  # noqa: PLC0415

    if not (find_spec("duckdb") and find_spec("numpy")):
        return True
    from keepiton.archive.pack import pack_due  # noqa: PLC0415

    until_s = time.monotonic() + BUDGET_S
    for done in pack_due(data, until):
        for line in done.left:
            exits.print_error(f"not packed: {line}", exits.NOT_WRITTEN)
        if time.monotonic() > until_s:
            return False
    return True


def _prune(data: Path, today: "date", keep: "timedelta | None", max_size: int | None) -> None:
    from keepiton.archive.prune import days_to_prune, remove  # noqa: PLC0415

    if keep is not None:
        remove(days_to_prune(data, today, keep)[:MOST_DAYS])
    if max_size is not None:
        remove(days_to_prune(data, today, max_size=max_size))
