"""Schedules: one job, written as every system wants it, installed and taken away again.

Runs are started by what the system has for that, never by keepiton itself. A new kind is one file
and one line in ``KINDS``.
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
"""Every kind, by the name that a person gives it."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A schedule that is there."""

    kind: str
    place: str
    every: str
    until: date
    """The last day, in UTC."""
    data: Path
    options: tuple[str, ...]
    """Those of the run that the schedule does not give itself."""


def fitting() -> str:
    """Name the kind that suits this machine and user. Raises UserError where there is none."""
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
    """List the schedules of this user and, where they can be read, the machine's."""
    there = []
    for name, kind in KINDS.items():
        try:
            found = kind.find()
        except UserError:  # a table of another system, or one that this user may not have
            continue
        mark = MARK.search(found.text) if found else None
        if not (found and mark):
            continue
        data, options = parse_words(found.words)
        until = date.fromisoformat(mark["until"])
        where = data or systemd.STATE
        there.append(Installed(name, found.place, mark["every"], until, where, options))
    return there
