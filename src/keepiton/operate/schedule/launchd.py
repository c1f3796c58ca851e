"""A launch agent of macOS (launchd.plist(5)); a run missed in sleep is made on waking."""

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
"""Lines before the property list itself, after which the mark is written."""


def _place() -> Path:
    return Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist"


def times(every_s: int, phase_s: int) -> list[dict[str, int]]:
    """Return the minutes, or hours and minutes, of a day at which runs begin."""
    if every_s <= HOUR:
        return [{"Minute": at // MINUTE} for at in range(phase_s, HOUR, every_s)]
    return [
        {"Hour": at // HOUR, "Minute": at % HOUR // MINUTE} for at in range(phase_s, DAY, every_s)
    ]


def files(job: Job) -> dict[str, str]:
    """Return the property list. Raises UserError."""
    jobs.check_printable(job)
    properties: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": job.words(jitter=True),
        "StartCalendarInterval": times(job.every_s, job.phase_s),
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,
        "StandardErrorPath": str(job.data / "keepiton.log"),
    }
    lines = plistlib.dumps(properties, sort_keys=False).decode().splitlines()
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
    text = jobs.own_text(_place())
    return None if text is None else jobs.installed_schedule(str(_place()), text, _command)


def _command(text: str) -> list[object]:
    command: list[object] = plistlib.loads(text.encode())["ProgramArguments"]
    return command


KIND = Kind(files, _install, _remove, _find, f"launchctl print gui/$(id -u)/{LABEL}")
