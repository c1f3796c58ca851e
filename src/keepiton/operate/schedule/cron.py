"""A line of the user's own crontab (crontab(5)); the other lines are never touched."""

import shlex

from keepiton.base.errors import UserError
from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import DAY, HOUR, MARK, MINUTE, InstalledSchedule, Job, Kind

PLACE = "crontab"
MOST = 999
"""Characters of a command that Debian's cron takes."""


def times(every_s: int, phase_s: int) -> str:
    """Write a period as minutes, hours and days."""
    hour, minute = divmod(phase_s // MINUTE, HOUR // MINUTE)
    if every_s < HOUR:
        return f"{minute}-59/{every_s // MINUTE} * * * *"
    if every_s == HOUR:
        return f"{minute} * * * *"
    return f"{minute} {hour if every_s == DAY else f'{hour}-23/{every_s // HOUR}'} * * *"


def files(job: Job) -> dict[str, str]:
    """Write the line. Raises UserError."""
    jobs.plain(job)
    command = f"{shlex.join(job.words(jitter=True))} # {job.mark}"
    if len(command.encode()) > MOST:
        raise UserError(f"--kind cron: the command is longer than {MOST} bytes; name fewer lists")
    escaped = command.replace("%", "\\%")  # a bare one is a newline there, even in quotes
    return {PLACE: f"{times(job.every_s, job.phase_s)} {escaped}\n"}


def _lines() -> list[bytes]:
    """Return the user's lines, each with its end."""
    try:
        return jobs.run_program("crontab", "-l").splitlines(keepends=True)
    except UserError as exc:
        if "no crontab" in str(exc).lower() or "No such file" in str(exc):
            return []
        raise


def _ours(line: bytes) -> bool:
    """Tell whether keepiton wrote a line: its mark ends it."""
    found = list(MARK.finditer(line.decode("utf-8", "replace").rstrip()))
    return bool(found) and found[-1].end() == len(line.decode("utf-8", "replace").rstrip())


def _others() -> bytes:
    return b"".join(line for line in _lines() if not _ours(line))


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
    for line in filter(_ours, _lines()):
        text = line.decode("utf-8", "replace").strip()
        try:
            words = shlex.split(text.replace("\\%", "%"), comments=True)
        except ValueError:  # somebody has edited it
            words = []
        return InstalledSchedule(PLACE, text, words)
    return None


KIND = Kind(files, _install, _remove, _find, "crontab -l")
