"""A line in the user's crontab (crontab(5)); the other lines are never altered."""

import shlex

from keepiton.base.errors import UserError
from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import DAY, HOUR, MARK, MINUTE, InstalledSchedule, Job, Kind

PLACE = "crontab"
MOST = 999
"""Bytes of a command that Debian's cron accepts."""


def times(every_s: int, phase_s: int) -> str:
    """Return the minute, hour and day fields of a period."""
    hour, minute = divmod(phase_s // MINUTE, HOUR // MINUTE)
    if every_s < HOUR:
        return f"{minute}-59/{every_s // MINUTE} * * * *"
    if every_s == HOUR:
        return f"{minute} * * * *"
    return f"{minute} {hour if every_s == DAY else f'{hour}-23/{every_s // HOUR}'} * * *"


def files(job: Job) -> dict[str, str]:
    """Return the line. Raises UserError."""
    jobs.check_printable(job)
    command = f"{shlex.join(job.words(jitter=True))} # {job.mark}"
    if len(command.encode()) > MOST:
        raise UserError(f"--kind cron: the command is longer than {MOST} bytes; name fewer lists")
    escaped = command.replace("%", "\\%")  # a bare one is a newline there, even in quotes
    return {PLACE: f"{times(job.every_s, job.phase_s)} {escaped}\n"}


def _lines() -> list[bytes]:
    """Return the lines of the crontab, with their line ends."""
    try:
        return jobs.run_program("crontab", "-l").splitlines(keepends=True)
    except UserError as exc:
        if "no crontab" in str(exc).lower() or "No such file" in str(exc):
            return []
        raise


def _is_own(line: bytes) -> bool:
    """Whether keepiton wrote a line: it ends with the mark."""
    text = line.decode("utf-8", "replace").rstrip()
    return any(mark.end() == len(text) for mark in MARK.finditer(text))


def _others() -> bytes:
    return b"".join(line for line in _lines() if not _is_own(line))


def _install(job: Job) -> None:
    (line,) = files(job).values()
    jobs.run_program("crontab", "-", stdin=_others() + line.encode())


def _remove() -> None:
    others = _others()
    if others:
        jobs.run_program("crontab", "-", stdin=others)
    else:
        jobs.run_program("crontab", "-r")


def _find() -> InstalledSchedule | None:
    for line in filter(_is_own, _lines()):
        return jobs.installed_schedule(PLACE, line.decode("utf-8", "replace").strip(), _command)
    return None


def _command(text: str) -> list[str]:
    return shlex.split(text.replace("\\%", "%"), comments=True)


KIND = Kind(files, _install, _remove, _find, "crontab -l")
