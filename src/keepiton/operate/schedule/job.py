"""The job of a schedule: what runs, how often, from when and until when; what all kinds share."""

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from keepiton.base import files
from keepiton.base.errors import UserError

NAME = "keepiton"
"""Name of the unit, task or job: one schedule per user."""
MINUTE, HOUR, DAY = 60, 3600, 86400
EVERY = {
    **{f"{n}m": n * MINUTE for n in (5, 6, 10, 12, 15, 20, 30)},
    **{f"{n}h": n * HOUR for n in (1, 2, 3, 4, 6, 8, 12, 24)},
}
"""Periods in seconds by their notation: those that divide an hour or a day, as calendars need; none
below five minutes (SAFETY S11)."""
SHARE, REST_S, MOST_JITTER_S = 5, 270, 600
"""Jitter is a fifth of the period at most (SAFETY S11), leaves four and a half minutes between two
runs (the probe refuses to ask again within four), and is no longer than ten minutes, for it is
spent holding the folder's lock."""
MARK = re.compile(r"keepiton schedule: every (?P<every>\d+[mh]) until (?P<until>\d{4}-\d\d-\d\d)")
"""Text by which alone a schedule is recognised as keepiton's."""
OWN = ("--until", "--jitter", "--data")
"""Options of a run that the schedule sets; each takes a value."""
SECONDS = 60
"""Longest that a program of the system may take."""
MOST_TEXT = 1 << 20
"""Bytes that are read of a file that may be a schedule."""


@dataclass(frozen=True, slots=True)
class Job:
    """One schedule."""

    python: str
    """Absolute path of the interpreter that keepiton is installed for."""
    options: tuple[str, ...]
    """Options and lists of the run, without those that the schedule sets."""
    every_s: int
    phase_s: int
    """Seconds from the beginning of each period to the run."""
    jitter_s: int
    data: Path
    until: date
    """The last day, in UTC."""
    first_at: datetime
    limit_s: int
    """Seconds after which a run counts as hanging."""

    @property
    def every(self) -> str:
        """Return the notation of the period."""
        return next(text for text, seconds in EVERY.items() if seconds == self.every_s)

    @property
    def mark(self) -> str:
        """Return the text by which the schedule is recognised."""
        return f"keepiton schedule: every {self.every} until {self.until}"

    def words(self, *, jitter: bool, data: bool = True) -> list[str]:
        """Return the command of one run; it names lists, and no targets."""
        own = ["--until", str(self.until)]
        own += ["--jitter", str(self.jitter_s)] if jitter and self.jitter_s else []
        own += ["--data", str(self.data)] if data else []
        return [self.python, "-m", "keepiton", "probe", "-q", *own, *self.options]


@dataclass(frozen=True, slots=True)
class InstalledSchedule:
    """An installed schedule of one kind: its place, the text with the mark, and the command."""

    place: str
    text: str
    words: Sequence[str]


def installed_schedule(
    place: str, text: str, parse: Callable[[str], Iterable[object]]
) -> InstalledSchedule:
    """Return a schedule with the command that ``parse`` reads in its text, empty if edited."""
    try:
        words = [str(word) for word in parse(text)]
    except (ValueError, KeyError, TypeError):
        words = []
    return InstalledSchedule(place, text, words)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of schedule. ``files`` is pure; the other functions act on this machine."""

    files: Callable[[Job], Mapping[str, str]]
    """Contents of the schedule's files by path. Raises UserError for what the kind cannot hold."""
    install: Callable[[Job], None]
    """Raises UserError, or OSError where a file cannot be written."""
    remove: Callable[[], None]
    find: Callable[[], InstalledSchedule | None]
    show_command: str
    """A command that shows the schedule."""
    utc: bool = False
    """Whether its clock is UTC with seconds; else it is the machine's, to the minute."""
    least_s: int = EVERY["5m"]
    """Shortest period."""
    exact: bool = True
    """Whether runs begin at the times of the schedule, not when the system finds time."""
    of_machine: bool = False
    """Whether it belongs to the machine: an administrator installs it, and it has its own data
    folder, whose memory the first run makes."""


def period(text: str) -> int:
    """Parse a period; return its seconds. Raises UserError."""
    if text in EVERY:
        return EVERY[text]
    match = re.fullmatch(r"([0-9]{1,4})([mh])", text)
    if not match:
        raise UserError(f"--every {text[:20]}: not a period; write one of {' '.join(EVERY)}")
    seconds = int(match[1]) * (MINUTE if match[2] == "m" else HOUR)
    if seconds < min(EVERY.values()):
        raise UserError(
            f"--every {text}: nobody is asked more often than every 5m; write 5m or more"
        )
    shorter = [every for every, length in EVERY.items() if length <= seconds]
    longer = [every for every, length in EVERY.items() if length > seconds]
    nearest = " or ".join([*shorter[-1:], *longer[:1]])
    raise UserError(f"--every {text}: divides neither an hour nor a day; write {nearest}")


def jitter(every_s: int) -> int:
    """Return the most seconds by which a run is delayed at random."""
    return min(every_s // SHARE, max(0, every_s - REST_S), MOST_JITTER_S)


def phase(vantage: str, every_s: int) -> int:
    """Return the second of every period at which a vantage's runs are due, the same each time.

    Vantages are spread evenly. With its jitter a run still begins within its period, so that two
    runs of a vantage never overlap.
    """
    hashed = int.from_bytes(hashlib.sha256(vantage.encode()).digest()[:8])
    return hashed * (every_s - jitter(every_s)) >> 64


def first(now: datetime, every_s: int, phase_s: int) -> datetime:
    """Return the next run by the clock of ``now``, whose day begins at its own midnight."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (now - midnight).total_seconds()
    periods = -((phase_s - passed) // every_s)  # the least number that is not over
    return midnight + timedelta(seconds=phase_s + periods * every_s)


def parse_words(words: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    """Return the data folder in the command of a schedule, and the options that it does not set."""
    rest = list(words[words.index("-q") + 1 :]) if "-q" in words else []
    own: dict[str, str] = {}
    while len(rest) > 1 and rest[0] in OWN:
        own[rest[0]] = rest[1]
        rest = rest[2:]
    return Path(own["--data"]) if "--data" in own else None, tuple(rest)


def check_printable(job: Job) -> None:
    """Raise UserError where a word of the command has a control character: no kind can hold it."""
    for word in (*job.words(jitter=True), *job.options):
        if not word.isprintable():
            raise UserError(f"{word!r}: a schedule cannot hold control characters; rename it")


def run_program(*words: str, stdin: bytes | None = None) -> bytes:
    """Run a program of the system; return its stdout. Raises UserError with its stderr."""
    try:
        process = subprocess.run(  # noqa: S603 - the kinds' own commands
            words,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise UserError(f"{words[0]}: not found here; choose another --kind") from None
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise UserError(f"{words[0]}: {exc}") from None
    if process.returncode:
        error = " ".join(process.stderr.decode("utf-8", "replace").split())[:500]
        raise UserError(f"{' '.join(words[:4])}: {error or f'exit status {process.returncode}'}")
    return process.stdout


def own_text(path: Path) -> str | None:
    """Return the text of a file that keepiton wrote; None for any other, and without a file."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_TEXT)
    except (OSError, ValueError):
        return None
    return text if MARK.search(text) else None


def write(path: Path, text: str, mode: int) -> None:
    """Replace a file in one step. Raises OSError, and UserError where it is not keepiton's."""
    if os.path.lexists(path) and own_text(path) is None:
        raise UserError(f"{path}: not written by keepiton schedule; move it away first")
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacement(path, mode=mode) as file:
        file.write(text.encode())
