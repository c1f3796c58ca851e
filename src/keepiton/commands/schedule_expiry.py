"""How a schedule ends: by itself after its last day, and not without having said so (SAFETY S16).

The words are said even with ``-q``: they are few, they name no target, and what a run prints is
what cron mails and what the journal keeps, the one way to somebody who has forgotten it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepiton.base.language import gettext_noop
from keepiton.cli import i18n
from keepiton.cli.extensions import RunContext, RunHooks
from keepiton.cli.option_fields import Command

if TYPE_CHECKING:
    from keepiton.base.language import Language
    from keepiton.storage.state import DataFolderState

BEFORE = (14, 7, 1)
"""Days before the last one on which it is said that the schedule ends."""
ENDED = gettext_noop(
    "This schedule ended with {until}, and nothing is measured any more; to go on:"
    " keepiton schedule --install"
)
TODAY = gettext_noop("This schedule ends today, {until}; to go on: keepiton schedule --install")


class ExpiryHooks(RunHooks):
    """Ends the runs of a schedule whose last day is over."""

    def allow(self, run: RunContext) -> bool:
        """Print that the schedule ends or has ended; return whether it goes on."""
        return not (run.until and check_expiry(run.until, run.memory, run.now, quiet=run.quiet))


def options(function: Command, /) -> Command:
    """Add no option: ``--until`` is one of ``probe`` alone."""
    return function


def prepare_run(data: Path, values: Mapping[str, Any]) -> RunHooks:
    """Return what ends a schedule."""
    del data, values
    return ExpiryHooks()


def check_expiry(until: date, memory: "DataFolderState", now: datetime, *, quiet: bool) -> bool:
    """Tell whether a schedule's last day, in UTC, is over; say on stderr that it is or will be.

    Each is said once, and remembered with its date in ``memory``, which the caller saves. The end
    is said each time without ``quiet``, when somebody looks on. A clock that is wrong for one run
    ends nothing: the next asks anew, and what was said on a day that is yet to come is said again.
    """
    today = now.date()
    left = (until - today).days
    step = -1 if left < 0 else min((days for days in BEFORE if left <= days), default=None)
    if step is None:
        return False
    key = f"{until} {step}"
    said_at = memory.expiry_announced.get(key)
    if said_at is None or said_at > today or (left < 0 and not quiet):
        click.echo(f"keepiton: {_text(left, until, i18n.language(None))}", err=True)
        kept = {
            key: at for key, at in memory.expiry_announced.items() if key.startswith(f"{until} ")
        }
        memory.expiry_announced = kept | {key: today}
    return left < 0


def _text(left: int, until: date, words: "Language") -> str:
    if left > 0:
        return words.ngettext(
            "In {n} day this schedule ends, with {until}; to go on: keepiton schedule --install",
            "In {n} days this schedule ends, with {until}; to go on: keepiton schedule --install",
            left,
            until=until,
        )
    return words.gettext(ENDED if left < 0 else TODAY, until=until)
