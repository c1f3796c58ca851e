"""A task of the Windows Task Scheduler (its schema 1.2), with the user's own rights, no more."""

import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, time, timedelta
from html import escape, unescape
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.operate.schedule import job as jobs
from keepiton.operate.schedule.job import NAME, InstalledSchedule, Job, Kind

MOST_PATH = 260
"""Most characters of the command, by the schema."""
VARIABLE = re.compile(r"%\w[^%]*%|\$\(")
"""What the scheduler replaces in a command; it cannot be escaped."""
WORDS = re.compile(r"<Documentation>(.*?)</Documentation>", re.DOTALL)
TASK = """\
<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{mark}</Description>
    <Documentation>{words}</Documentation>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>{first}</StartBoundary>
      <EndBoundary>{last}</EndBoundary>
      <Repetition>
        <Interval>PT{every}M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
      <RandomDelay>PT{jitter}S</RandomDelay>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <ExecutionTimeLimit>PT{limit}S</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
"""It names no encoding: the same text is valid in whatever encoding a shell writes its files."""


def files(job: Job) -> dict[str, str]:
    """Return the task. Raises UserError."""
    jobs.check_printable(job)
    words = job.words(jitter=False)
    words[0] = re.sub(r"python\.exe$", "pythonw.exe", words[0])  # opens no window
    for word in words:
        if VARIABLE.search(word):
            raise UserError(f"{word}: the Task Scheduler would replace a part of it; rename it")
    if len(words[0]) > MOST_PATH:
        raise UserError(
            f"{words[0]}: longer than {MOST_PATH} characters; install keepiton elsewhere"
        )
    last = datetime.combine(job.until + timedelta(days=1), time(), UTC)
    text = TASK.format(
        mark=escape(job.mark, quote=False),
        words=escape(json.dumps(words), quote=False),
        first=f"{job.first_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        last=f"{last:%Y-%m-%dT%H:%M:%SZ}",
        every=job.every_s // jobs.MINUTE,
        jitter=job.jitter_s,
        limit=job.limit_s,
        command=escape(words[0], quote=False),
        arguments=escape(subprocess.list2cmdline(words[1:]), quote=False),
    )
    return {f"{NAME}.xml": text}


def _install(job: Job) -> None:
    (text,) = files(job).values()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.xml"
        path.write_text(text, encoding="utf-16")  # what schtasks itself writes
        jobs.run_program("schtasks", "/Create", "/TN", NAME, "/XML", str(path), "/F")


def _remove() -> None:
    jobs.run_program("schtasks", "/Delete", "/TN", NAME, "/F")


def read(text: str) -> InstalledSchedule:
    """Return the schedule of a task that keepiton wrote."""
    return jobs.installed_schedule(f"Task Scheduler: {NAME}", text, _command)


def _command(text: str) -> list[object]:
    documentation = WORDS.search(text)
    command: list[object] = json.loads(unescape(documentation[1])) if documentation else []
    return command


def _find() -> InstalledSchedule | None:
    if sys.platform != "win32":
        return None
    text = jobs.run_program("schtasks", "/Query", "/TN", NAME, "/XML").decode("utf-8", "replace")
    return read(text)


KIND = Kind(files, _install, _remove, _find, f"schtasks /Query /TN {NAME} /V /FO LIST", utc=True)
