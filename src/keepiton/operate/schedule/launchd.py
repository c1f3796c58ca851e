"""A launch agent of macOS (launchd.plist(5)); what was missed asleep is made up for on waking."""

import contextlib
import os
import plistlib
from pathlib import Path
from typing import Any

from keepiton.base.errors import UserError
from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import DAY, HOUR, MINUTE, InstalledSchedule, Job, Kind

LABEL = "keepiton.probe"
HEAD = 2
"""Lines before the list itself, where the mark goes."""


def _place() -> Path:
    return Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist"


def times(every_s: int, phase_s: int) -> list[dict[str, int]]:
    """List the minutes, or hours and minutes, of a day on which the runs lie."""
    if every_s <= HOUR:
        return [{"Minute": at // MINUTE} for at in range(phase_s, HOUR, every_s)]
    return [
        {"Hour": at // HOUR, "Minute": at % HOUR // MINUTE} for at in range(phase_s, DAY, every_s)
    ]


def files(job: Job) -> dict[str, str]:
    """Write the property list. Raises UserError."""
    jobs.plain(job)
    listed: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": job.words(jitter=True),
        "StartCalendarInterval": times(job.every_s, job.phase_s),
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,
        "StandardErrorPath": str(job.data / "keepiton.log"),
    }
    lines = plistlib.dumps(listed, sort_keys=False).decode().splitlines()
    return {str(_place()): "\n".join([*lines[:HEAD], f"<!-- {job.mark} -->", *lines[HEAD:], ""])}


def _install(job: Job) -> None:
    ((path, text),) = files(job).items()
    jobs.write(Path(path), text, 0o600)
    with contextlib.suppress(UserError):  # it was not loaded before
        jobs.run_program("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")
    jobs.run_program("launchctl", "bootstrap", f"gui/{os.getuid()}", path)


def _remove() -> None:
    with contextlib.suppress(UserError):  # it is not loaded
        jobs.run_program("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}")
    _place().unlink(missing_ok=True)


def _find() -> InstalledSchedule | None:
    text = jobs.ours(_place())
    if text is None:
        return None
    try:
        words = plistlib.loads(text.encode())["ProgramArguments"]
    except (ValueError, KeyError, TypeError):  # somebody has edited it
        words = []
    return InstalledSchedule(str(_place()), text, [str(one) for one in words])


KIND = Kind(files, _install, _remove, _find, f"launchctl print gui/$(id -u)/{LABEL}")
