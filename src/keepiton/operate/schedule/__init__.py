"""Schedules: one job, written for each system's own scheduler, installed and removed.

Runs are started by the system's scheduler, never by keepiton itself. A new kind is one file and one
line in ``KINDS``; the command, its help and ``wipe`` take it from there.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.operate.schedule import cron, launchd, systemd, termux, windows
from keepiton.operate.schedule.job import MARK, Job, Kind, parse_words

__all__ = ["KINDS", "Installed", "Job", "Kind", "fitting", "installed"]

KINDS: Mapping[str, Kind] = {
    "systemd": systemd.USER,
    "systemd-system": systemd.SYSTEM,
    "cron": cron.KIND,
    "launchd": launchd.KIND,
    "windows": windows.KIND,
    "termux": termux.KIND,
}
"""Every kind, by its name on the command line."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A schedule that is installed."""

    kind: str
    place: str
    every: str
    until: date
    """The last day, in UTC."""
    data: Path
    options: tuple[str, ...]
    """Options of the run, without those that the schedule sets."""

    @property
    def may_change(self) -> bool:
        """Whether this user may change it: only an administrator may change the machine's."""
        return not KINDS[self.kind].of_machine or os.geteuid() == 0


def fitting() -> str:
    """Return the name of the kind for this machine and user. Raises UserError without one."""
    if sys.platform in {"win32", "darwin"}:
        return "windows" if sys.platform == "win32" else "launchd"
    if termux.here():
        return "termux"
    if Path("/run/systemd/system").is_dir():
        if os.geteuid() == 0:
            return "systemd-system"
        if systemd.reachable():
            return "systemd"
    if shutil.which("crontab"):
        return "cron"
    raise UserError(
        "--kind auto: neither systemd nor crontab is here; install cron, or name a kind"
    )


def installed() -> list[Installed]:
    """List the schedules of this user and, where they can be read, of the machine."""
    schedules = []
    for name, kind in KINDS.items():
        try:
            schedule = kind.find()
        except UserError:  # a scheduler of another system, or one that this user may not use
            continue
        mark = MARK.search(schedule.text) if schedule else None
        if not (schedule and mark):
            continue
        data, options = parse_words(schedule.words)
        until = date.fromisoformat(mark["until"])
        folder = data or systemd.STATE
        schedules.append(Installed(name, schedule.place, mark["every"], until, folder, options))
    return schedules
