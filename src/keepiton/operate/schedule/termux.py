"""A job of Android's own scheduler, through Termux:API (termux-job-scheduler)."""

import os
import shlex
from pathlib import Path

from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import EVERY, InstalledSchedule, Job, Kind

PREFIX = "/data/data/com.termux/files/usr"
NUMBER = "4806"
"""The job's, among those of Termux; any number does."""


def here() -> bool:
    """Tell whether this is Termux."""
    return "com.termux" in os.environ.get("PREFIX", "")


def _place() -> Path:
    return Path.home() / ".termux/keepiton-schedule.sh"


def files(job: Job) -> dict[str, str]:
    """Write the script that the job calls. Raises UserError."""
    jobs.plain(job)
    command = shlex.join(job.words(jitter=True))
    log = shlex.quote(str(job.data / "keepiton.log"))
    text = f"#!{PREFIX}/bin/sh\n# {job.mark}\numask 077\nexec {command} 2>>{log}\n"
    return {str(_place()): text}


def _install(job: Job) -> None:
    ((path, text),) = files(job).items()
    jobs.write(Path(path), text, 0o700)
    jobs.run_program(  # without a network too: that the line is dead is a finding as well
        *("termux-job-scheduler", "--script", path, "--job-id", NUMBER),
        *("--period-ms", str(job.every_s * 1000), "--persisted", "true", "--network", "none"),
        *("--battery-not-low", "true"),
    )


def _remove() -> None:
    jobs.run_program("termux-job-scheduler", "--cancel", "--job-id", NUMBER)
    _place().unlink(missing_ok=True)


def _find() -> InstalledSchedule | None:
    text = jobs.ours(_place())
    if text is None:
        return None
    command = next((one for one in text.split("\n") if one.startswith("exec ")), "")
    try:
        return InstalledSchedule(str(_place()), text, shlex.split(command.partition(" 2>>")[0])[1:])
    except ValueError:  # somebody has edited it
        return InstalledSchedule(str(_place()), text, [])


KIND = Kind(files, _install, _remove, _find, "termux-job-scheduler --pending", least_s=EVERY["15m"])
