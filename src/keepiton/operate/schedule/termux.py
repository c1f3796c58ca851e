"""A job of Android's scheduler, through Termux:API (termux-job-scheduler)."""

import os
import shlex
from pathlib import Path

from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import EVERY, InstalledSchedule, Job, Kind

PREFIX = "/data/data/com.termux/files/usr"
NUMBER = "4806"
"""Number of the job among those of Termux; chosen at random."""


def here() -> bool:
    """Whether this is Termux."""
    return "com.termux" in os.environ.get("PREFIX", "")


def _place() -> Path:
    return Path.home() / ".termux/keepiton-schedule.sh"


def files(job: Job) -> dict[str, str]:
    """Return the script that the job calls. Raises UserError."""
    jobs.check_printable(job)
    command = shlex.join(job.words(jitter=True))
    log = shlex.quote(str(job.data / "keepiton.log"))
    text = f"#!{PREFIX}/bin/sh\n# {job.mark}\numask 077\nexec {command} 2>>{log}\n"
    return {str(_place()): text}


def _install(job: Job) -> None:
    ((path, text),) = files(job).items()
    jobs.write(Path(path), text, 0o700)
    jobs.run_program(  # also without a network: an offline vantage is recorded too
        *("termux-job-scheduler", "--script", path, "--job-id", NUMBER),
        *("--period-ms", str(job.every_s * 1000), "--persisted", "true", "--network", "none"),
        *("--battery-not-low", "true"),
    )


def _remove() -> None:
    jobs.run_program("termux-job-scheduler", "--cancel", "--job-id", NUMBER)
    _place().unlink(missing_ok=True)


def _find() -> InstalledSchedule | None:
    text = jobs.own_text(_place())
    return None if text is None else jobs.installed_schedule(str(_place()), text, _command)


def _command(text: str) -> list[str]:
    line = next((line for line in text.split("\n") if line.startswith("exec ")), "")
    return shlex.split(line.partition(" 2>>")[0])[1:]


KIND = Kind(
    files,
    _install,
    _remove,
    _find,
    "termux-job-scheduler --pending",
    least_s=EVERY["15m"],
    exact=False,
)
