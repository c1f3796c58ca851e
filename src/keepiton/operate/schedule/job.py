"""What is to run, how often, from which second on and until when; the same for every kind."""

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from keepiton.base import files
from keepiton.base.errors import UserError

NAME = "keepiton"
"""Of the unit, task or job: one schedule a user."""
MINUTE, HOUR, DAY = 60, 3600, 86400
EVERY = {
    **{f"{n}m": n * MINUTE for n in (5, 6, 10, 12, 15, 20, 30)},
    **{f"{n}h": n * HOUR for n in (1, 2, 3, 4, 6, 8, 12, 24)},
}
"""Periods in seconds by what a person writes: those that divide an hour or a day, so that a
calendar can hold them; none below five minutes (SAFETY S11)."""
SHARE, REST_S, MOST_JITTER_S = 5, 270, 600
"""Jitter is a fifth of the period at most (SAFETY S11), leaves four and a half minutes between two
runs (the probe refuses to ask again within four), and is no longer than ten minutes, for it is
spent holding the folder's lock."""
MARK = re.compile(r"keepiton schedule: every (?P<every>\d+[mh]) until (?P<until>\d{4}-\d\d-\d\d)")
"""By this text alone a schedule is known for keepiton's own."""
OWN = ("--until", "--jitter", "--data")
"""Options of a run that the schedule gives; each takes a value."""
SECONDS = 60
"""What a program of the system may take."""
MOST_TEXT = 1 << 20
"""Bytes of a file that may be a schedule, at most."""


@dataclass(frozen=True, slots=True)
class Job:
    """One schedule."""

    python: str
    """The interpreter that keepiton is installed for: an absolute path."""
    options: tuple[str, ...]
    """Options and lists of the run, besides those that the schedule gives."""
    every_s: int
    phase_s: int
    """Seconds from each beginning of a period to the run."""
    jitter_s: int
    data: Path
    until: date
    """The last day, in UTC."""
    first_at: datetime
    limit_s: int
    """Seconds after which a run that still goes on hangs."""

    @property
    def every(self) -> str:
        """Return the period as a person writes it."""
        return next(text for text, seconds in EVERY.items() if seconds == self.every_s)

    @property
    def mark(self) -> str:
        """Return the text by which the schedule is found again."""
        return f"keepiton schedule: every {self.every} until {self.until}"

    def words(self, *, jitter: bool, data: bool = True) -> list[str]:
        """Return the command of one run; no name of a target is in it, but those of lists are."""
        own = ["--until", str(self.until)]
        own += ["--jitter", str(self.jitter_s)] if jitter and self.jitter_s else []
        own += ["--data", str(self.data)] if data else []
        return [self.python, "-m", "keepiton", "probe", "-q", *own, *self.options]


@dataclass(frozen=True, slots=True)
class InstalledSchedule:
    """What a kind finds of itself: where, the text with the mark, and the command."""

    place: str
    text: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of schedule. ``files`` is pure; the others act on this machine."""

    files: Callable[[Job], Mapping[str, str]]
    """Texts by the paths they belong to. Raises UserError for what the kind cannot hold."""
    install: Callable[[Job], None]
    """Raises UserError, or OSError where a file cannot be written."""
    remove: Callable[[], None]
    find: Callable[[], InstalledSchedule | None]
    look: str
    """A command that shows it."""
    utc: bool = False
    """Whether its clock is UTC, and knows seconds; else the machine's, to the minute."""
    least_s: int = EVERY["5m"]


def period(text: str) -> int:
    """Read a period, in seconds. Raises UserError."""
    if text in EVERY:
        return EVERY[text]
    given = re.fullmatch(r"([0-9]{1,4})([mh])", text)
    if not given:
        raise UserError(f"--every {text[:20]}: not a period; write one of {' '.join(EVERY)}")
    seconds = int(given[1]) * (MINUTE if given[2] == "m" else HOUR)
    if seconds < min(EVERY.values()):
        raise UserError(
            f"--every {text}: nobody is asked more often than every 5m; write 5m or more"
        )
    near = [max(one for one in EVERY.values() if one <= seconds)]
    near += [one for one in EVERY.values() if one > seconds][:1]
    fit = " or ".join(one for one, length in EVERY.items() if length in near)
    raise UserError(f"--every {text}: divides neither an hour nor a day; write {fit}")


def jitter(every_s: int) -> int:
    """Return up to how many seconds a run may come late at random."""
    return min(every_s // SHARE, max(0, every_s - REST_S), MOST_JITTER_S)


def phase(vantage: str, every_s: int) -> int:
    """Return a vantage's own second of every period: vantages are spread evenly, each stays put.

    With its jitter a run still begins within its period, so that no two of them ever meet.
    """
    drawn = int.from_bytes(hashlib.sha256(vantage.encode()).digest()[:8])
    return drawn * (every_s - jitter(every_s)) >> 64


def first(now: datetime, every_s: int, phase_s: int) -> datetime:
    """Return the next run by the clock that ``now`` shows; its day begins at its midnight."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (now - midnight).total_seconds()
    beats = -((phase_s - passed) // every_s)  # the least number of periods that is not over
    return midnight + timedelta(seconds=phase_s + beats * every_s)


def parse_words(words: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    """Find in the command of a schedule its data folder, and the options that are not its own."""
    rest = list(words[words.index("-q") + 1 :]) if "-q" in words else []
    own: dict[str, str] = {}
    while len(rest) > 1 and rest[0] in OWN:
        own[rest[0]] = rest[1]
        rest = rest[2:]
    return Path(own["--data"]) if "--data" in own else None, tuple(rest)


def plain(job: Job) -> None:
    """Raise UserError where a word of the command has a control character: no kind can hold it."""
    for word in (*job.words(jitter=True), *job.options):
        if not word.isprintable():
            raise UserError(f"{word!r}: a schedule cannot hold control characters; rename it")


def run_program(*words: str, stdin: bytes | None = None) -> bytes:
    """Run a program of the system; return what it prints. Raises UserError with what it says."""
    try:
        done = subprocess.run(  # noqa: S603 - the kinds' own commands
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
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:500]
        raise UserError(f"{' '.join(words[:4])}: {said or f'exit status {done.returncode}'}")
    return done.stdout


def ours(path: Path) -> str | None:
    """Return the text of a file that keepiton wrote; None for any other, and for none."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_TEXT)
    except (OSError, ValueError):
        return None
    return text if MARK.search(text) else None


def write(path: Path, text: str, mode: int) -> None:
    """Put a file in place in one step. Raises OSError, and UserError where another's file lies."""
    if os.path.lexists(path) and ours(path) is None:
        raise UserError(f"{path}: not written by keepiton schedule; move it away first")
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacement(path, mode=mode) as file:
        file.write(text.encode())
