"""The crash and fault campaign: whatever happens to a run, what it measured is kept.

    python tests/campaign.py [FAULT]... [--tries N] [--seed S]

Runs the installed command against real servers on loopback, or in the lab's namespaces where a
network must vanish, does it a harm, and looks at its folder with code of its own: what was sealed
is there unaltered, seals and chain hold, rows of answers that the server gave a second before are
there, readers read, exit codes are right, and the next run seals what was left behind. Prints a
table; exits 1 where something was not so. Needs root, gcc and libfaketime for some of the faults.
"""

import argparse
import contextlib
import errno
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

import lab as lab_module  # noqa: E402 - found by the line above when this is a script
import loopback  # noqa: E402
from lab import KEEPITON, Lab  # noqa: E402

GUARD = str(HERE / "guard")
RESULTS = "results/*/*/*/*.jsonl"
CALLS = ("open", "read", "write", "fsync", "rename", "mkdir")
READERS: tuple[tuple[str, ...], ...] = (("report",), ("status",), ("results", "verify"))
LONG_S = 300
NOISE = "Traceback|Exception ignored(?! in audit hook)|never retrieved"
"""What a person should not see; the hook is the guard's."""
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT}
"""Right only where there is no memory to fail in: libraries crash, and Python says much."""
UNREAD = "state.json: cannot be read ("
"""What cannot be read is told as a mistake, everywhere: exit 2."""
MIB = 1 << 20
CALLED: list[str] = []
"""The calls that a run makes, once they are known."""


class Unable(Exception):  # noqa: N818 - nothing is wrong but this machine
    """This fault cannot be made here; the message says for want of what."""


@dataclass
class Tally:
    """What a fault did."""

    tries: int = 0
    altered: int = 0
    """Sealed files, or the beginnings of unsealed ones, that are gone or not what they were."""
    lost_s: float = 0.0
    """Age, when the fault struck, of the oldest answer that was taken and has no row."""
    unreadable: int = 0
    wrong: int = 0
    exits: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    """What had been done when a kill came."""
    notes: list[str] = field(default_factory=list)
    """What exactly was not as it must be."""

    @property
    def good(self) -> bool:
        """Whether nothing was lost but the last second."""
        return not (self.altered or self.unreadable or self.wrong or self.lost_s > 1)

    def note(self, kind: str, text: str) -> None:
        """Count something that is not as it must be."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.notes.append(f"{kind}: {text}")


# What lies in a folder, seen without the program's own readers.


def sealed(data: Path) -> dict[str, str]:
    """Give the SHA-256 of each sealed file by its path."""
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in data.glob(RESULTS)
    }


def unsealed(data: Path) -> dict[str, bytes]:
    """Give what each unsealed file holds."""
    return {str(path.relative_to(data)): path.read_bytes() for path in data.glob(RESULTS + ".part")}


def objects(content: bytes) -> list[dict[str, Any]]:
    """Read the lines that are whole."""
    found = []
    for line in content.split(b"\n"):
        with contextlib.suppress(ValueError):
            one = json.loads(line)
            if isinstance(one, dict):
                found.append(one)
    return found


def faults_of(data: Path) -> list[str]:
    """Say what is wrong with sealed files, each by itself and as a chain."""
    wrong = []
    before: dict[str, dict[str | None, str]] = {}
    hashes: dict[str, set[str]] = {}
    for name, sha256 in sealed(data).items():
        content = (data / name).read_bytes()
        body, _, end = content.removesuffix(b"\n").rpartition(b"\n")
        lines = objects(content)
        first, last = (lines[0], lines[-1]) if lines else ({}, {})
        rows = [one for one in lines if one.get("type") == "measurement"]
        if not content.endswith(b"\n") or not objects(end) or last.get("type") != "end":
            wrong.append(f"{name} has no end")
            continue
        if last["sha256"] != hashlib.sha256(body + b"\n").hexdigest():
            wrong.append(f"{name}: its end seals something else")
        if last["measurements"] != len(rows):
            wrong.append(f"{name}: {len(rows)} rows, and its end says {last['measurements']}")
        if first.get("type") != "run" or first["run"] not in name:
            wrong.append(f"{name} does not begin with its run")
            continue
        links = before.setdefault(first["vantage"], {})
        previous = last.get("previous")
        if previous in links:
            wrong.append(f"{name} and {links[previous]} both follow {previous}")
        links[previous] = name
        hashes.setdefault(first["vantage"], set()).add(sha256)
    for vantage, links in before.items():
        wrong += [
            f"{name} follows a file that is not there"
            for previous, name in links.items()
            if previous and previous not in hashes.get(vantage, set())
        ]
    return wrong


def memory(data: Path) -> dict[str, Any]:
    """Read the folder's memory."""
    path = data / "state.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


class Field:
    """A data folder, a list of targets that all answer, and what their server saw."""

    def __init__(
        self, folder: Path, port: int, seen: list[tuple[float, float, str]], count: int
    ) -> None:
        """Write the list."""
        self.folder = folder
        self.data = folder / "disk" / "data"
        self.list = folder / "список.toml"
        self.seen = seen
        self.before: tuple[str, ...] = ()
        """Words before the command: what gives it another view of the machine."""
        self.more: tuple[str, ...] = ()
        """Words that each run's command line has."""
        self.rate = 200
        self.env: dict[str, str] = {}
        (folder / "disk").mkdir()
        text = 'title = "Проверка — спіс"\n'
        for number in range(count):
            text += f'[[target]]\nid = "t{number}"\nurl = "http://127.0.0.1:{port}/t{number}"\n'
            text += (
                f'[[target]]\nid = "c"\nurl = "http://127.0.0.1:{port}/c"\ncontrol = "foreign"\n'
            )
        self.list.write_text(text, encoding="utf-8")

    def words(self, *more: str) -> list[str]:
        """Write the command line of a run."""
        settled = ["--allow-private", "--no-doh", "--again", "--confirm", "0"]
        settled += ["--min-free", "0", "--compact-after", "off"]  # small disks, and clocks that run
        words = ["probe", str(self.list), "--rate", str(self.rate), *settled, *self.more, *more]
        return [*self.before, KEEPITON, *words]

    def environment(self, env: dict[str, str] | None = None) -> dict[str, str]:
        """Give the environment of a run: guarded, and with a home of its own."""
        kept = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
        path = os.pathsep.join(filter(None, [GUARD, os.environ.get("PYTHONPATH")]))
        usual = {"HOME": str(self.folder), "KEEPITON_DATA": str(self.data), "PYTHONPATH": path}
        return kept | usual | self.env | (env or {})

    def shim(self, **words: object) -> dict[str, str]:
        """Say what the shim is to do; builds it."""
        library = shim(self.folder)
        given = {f"SHIM_{name}": str(text) for name, text in words.items()}
        usual = {"LD_PRELOAD": library, "SHIM_UNDER": str(self.data), "SHIM_CALLS": ",".join(CALLS)}
        return usual | given

    def calls(self) -> list[str]:
        """Name the calls on its files that a run makes, in order; does one to see."""
        if CALLED:
            return CALLED
        log = self.folder / "calls"
        log.unlink(missing_ok=True)
        env = self.environment(self.shim(LOG=log))
        subprocess.run(self.words(), env=env, check=True, capture_output=True, timeout=LONG_S)
        CALLED.extend(line.split()[1] for line in log.read_text().splitlines())
        return CALLED

    def lasting(self) -> float:
        """Tell how many seconds a run lasts; does that run."""
        began = time.monotonic()
        subprocess.run(
            self.words(), env=self.environment(), check=True, capture_output=True, timeout=LONG_S
        )
        return time.monotonic() - began

    def phase(self, old: dict[str, str], left: dict[str, bytes]) -> str:
        """Say how far a run that was killed had come."""
        for name, content in unsealed(self.data).items():
            if name not in left:
                kinds = [one.get("type") for one in objects(content)]
                if "end" in kinds:
                    return "sealed, not renamed"
                return "measuring" if "measurement" in kinds else "file begun"
        if (self.data / "state.json.new").exists():
            return "saving its memory"
        if left and not unsealed(self.data):
            return "left behind sealed"
        if set(sealed(self.data)) - set(old):
            return "renamed" if "open" in memory(self.data) else "done"
        return "before its file"


@contextmanager
def fields(count: int = 40) -> Iterator[Field]:
    """Give a folder, and targets that answer."""
    seen: list[tuple[float, float, str]] = []
    answer = loopback.page()

    async def talk(reader: Any, writer: Any) -> None:  # noqa: ANN401 - asyncio's
        began = time.monotonic()
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(OSError):
            await reader.read()  # the end: it has the answer, and hung up
        seen.append((began, time.monotonic(), head.split()[1].decode().strip("/")))

    with tempfile.TemporaryDirectory() as folder, loopback.serving(talk) as server:
        yield Field(Path(folder), server.port, seen, count)


def shim(folder: Path) -> str:
    """Build the library that makes calls fail. Raises Unable."""
    if not shutil.which("gcc"):
        raise Unable("no gcc")
    made = folder / "shim.so"
    if not made.exists():
        source = str(HERE / "shim.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return str(made)


def root() -> None:
    """Raise Unable where nothing may be mounted."""
    if os.geteuid() != 0:
        raise Unable("not root")


# One try.

Hit = Callable[[subprocess.Popen[bytes]], float | None]
"""Does the harm while a run goes on; returns when it struck, or None where that is not known."""


def strike(
    place: Field,
    tally: Tally,
    right: set[int],
    hit: Hit | None = None,
    *,
    env: dict[str, str] | None = None,
    more: Sequence[str] = (),
    command: Sequence[str] = (),
    said: str = "",
    read: bool = True,
    gone: bool = False,
    settle: Callable[[], object] | None = None,
) -> int:
    """Do a run that something happens to, and judge what is left; return its exit code.

    ``gone``: the folder itself is taken away, so that nothing in it can be looked at. ``settle``:
    done before anything is looked at.
    """
    old, left = sealed(place.data), unsealed(place.data)
    tally.tries += 1
    with (place.folder / "said").open("w+b") as told:
        began = time.monotonic()
        words = list(command) or place.words(*more)
        process = subprocess.Popen(
            words, env=place.environment(env), stdin=subprocess.DEVNULL, stdout=told, stderr=told
        )
        try:
            at = hit(process) if hit else None
            code = process.wait(LONG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
            tally.note("wrong", "it hung")
            at = None
        ended = time.monotonic()
        told.seek(0)
        text = told.read().decode(errors="replace")
    tally.exits[code] += 1
    unread = code == 2 and UNREAD in text and 5 in right
    if code not in right and not unread:
        tally.note("wrong", f"exit {code}, not of {sorted(right)}: {text[-600:]}")
    elif not right & CRASHES and re.search(NOISE, text):
        tally.note("wrong", f"exit {code}, and says {text[-900:]}")
    elif code == 5 and "results not written" not in text and not said:
        tally.note("wrong", f"exit 5, and says only {text[-300:]!r}")
    elif said and code > 0 and not re.search(said, text):
        tally.note("wrong", f"exit {code}, and says {text[-300:]!r}, not {said!r}")
    if settle:
        settle()
    if gone:
        return code
    tally.phases[place.phase(old, left)] += 1
    unaltered(place, tally, old, left)
    struck = ended if code in (0, 4) else min(at or ended, ended)
    kept(place, tally, {*old, *left}, began, struck, known=at is not None)
    if code in (0, 4) and len(set(sealed(place.data)) - set(old)) < 1:
        tally.note("wrong", f"exit {code}, and nothing is sealed")
    if read:
        readable(place, tally)
    return code


def unaltered(place: Field, tally: Tally, old: dict[str, str], left: dict[str, bytes]) -> None:
    """Look whether what was there is there, and whether seals and chain hold."""
    now, open_now = sealed(place.data), unsealed(place.data)
    for name, sha256 in old.items():
        if now.get(name) != sha256:
            tally.note("altered", f"{name} is {'altered' if name in now else 'gone'}")
    for name, content in left.items():
        final = place.data / name.removesuffix(".part")
        there = open_now.get(name) or (final.read_bytes() if final.exists() else b"")
        if not there.startswith(content) and objects(content):
            tally.note("altered", f"{name} is not what was left behind")
    for text in faults_of(place.data):
        tally.note("altered", text)
    open_name = memory(place.data).get("open")
    for name in open_now:
        if name != f"{open_name}.part":
            tally.note("altered", f"nobody would seal {name}; remembered is {open_name}")


def kept(
    place: Field, tally: Tally, before: set[str], began: float, struck: float, *, known: bool
) -> None:
    """Look how old the oldest answer is whose row is not there.

    Where it is not ``known`` when the fault struck: when the run's file was last written to.
    """
    there = {str(path.relative_to(place.data)): path for path in place.data.glob(RESULTS + "*")}
    files = [path for name, path in there.items() if not before & {name, f"{name}.part"}]
    lines = [one for path in files for one in objects(path.read_bytes())]
    rows = {one.get("target") for one in lines if one.get("stage") == "http"}
    if not known and not any(one.get("type") == "end" for one in lines):
        written = max((path.stat().st_mtime for path in files), default=0.0)
        struck = time.monotonic() - (time.time() - written)
    ages = [
        struck - at
        for opened, at, name in place.seen
        if began <= opened and at <= struck and name not in rows
    ]
    tally.lost_s = max([tally.lost_s, *ages])
    if ages and max(ages) > 1:
        tally.notes.append(f"lost_s: rows of {len(ages)} answers, {max(ages):.2f} s old")


def readable(place: Field, tally: Tally) -> None:
    """Have every reader read; two at a time."""
    env = place.environment()
    running = [
        subprocess.Popen(
            [KEEPITON, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for words in READERS
    ]
    for words, process in zip(READERS, running, strict=True):
        text = process.communicate(timeout=LONG_S)[0].decode()
        if process.returncode not in (0, 6) or "Traceback" in text:
            tally.note("unreadable", f"{' '.join(words)}: {process.returncode}: {text[-600:]}")


def mend(place: Field, tally: Tally) -> None:
    """Do a run that nothing happens to: it seals what was left behind."""
    counted = tally.tries
    strike(place, tally, {0})
    tally.tries = counted
    tally.exits[0] -= 1
    tally.phases["done"] -= 1
    for name in unsealed(place.data):
        tally.note("altered", f"{name} was left behind and is not sealed")
    if "open" in memory(place.data):
        tally.note("altered", "a run is remembered as open after it")


def after(seconds: float, number: signal.Signals) -> Hit:
    """Send a signal so many seconds after the start."""

    def hit(process: subprocess.Popen[bytes]) -> float:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        at = time.monotonic()
        process.send_signal(number)
        return at

    return hit


def once_measuring(place: Field, rows: int, do: Callable[[int], object]) -> Hit:
    """Do something once so many rows are written; the run's own number is handed in."""

    def hit(process: subprocess.Popen[bytes]) -> float | None:
        left = unsealed(place.data)
        until = time.monotonic() + LONG_S
        while time.monotonic() < until and process.poll() is None:
            now = unsealed(place.data)
            if any(now[name].count(b"\n") > rows for name in now.keys() - left.keys()):
                at = time.monotonic()
                do(process.pid)
                return at
            time.sleep(0.005)
        return None

    return hit


# The faults. Each is given a tally, how many tries, and a source of chance.

Fault = Callable[[Tally, int, random.Random], None]


def sigkill(tally: Tally, tries: int, rng: random.Random) -> None:
    """SIGKILL at random moments, half of them at a call on the run's own files."""
    with fields() as place:
        calls = place.calls()
        weights = [1 if call == "write" else 4 for call in calls]
        lasting = place.lasting()
        for number in range(tries):
            last = number == tries - 1
            read = last or number % 10 == 9
            if number % 2:
                at = rng.choices(range(1, len(calls) + 1), weights)[0]
                env = place.shim(DO="kill", AT=at)
                strike(place, tally, {-9, 0}, env=env, read=read)
            else:
                hit = after(rng.uniform(0.1 * lasting, lasting), signal.SIGKILL)
                strike(place, tally, {-9, 0}, hit, read=read)
            if read:
                mend(place, tally)


def sigterm(tally: Tally, tries: int, rng: random.Random) -> None:
    """SIGTERM at random moments."""
    _stopped(tally, tries, rng, signal.SIGTERM, {143, -15, 0})


def sigint(tally: Tally, tries: int, rng: random.Random) -> None:
    """SIGINT at random moments."""
    _stopped(tally, tries, rng, signal.SIGINT, {130, -2, 0})


def _stopped(
    tally: Tally, tries: int, rng: random.Random, number: signal.Signals, right: set[int]
) -> None:
    with fields() as place:
        lasting = place.lasting()
        for turn in range(tries):
            hit = after(rng.uniform(0.1 * lasting, lasting), number)
            strike(place, tally, right, hit, read=turn == tries - 1)
        mend(place, tally)


def starts(tally: Tally, tries: int, rng: random.Random) -> None:
    """So many starts at once: one run at a time, and the others say nothing and exit 75."""
    del rng
    with fields() as place:
        words, env = place.words("-q"), place.environment()
        quiet = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        running = [subprocess.Popen(words, env=env, **quiet) for _ in range(tries)]  # type: ignore[call-overload]
        for process in running:
            text = process.communicate(timeout=5 * LONG_S)[0].decode()
            tally.tries += 1
            tally.exits[process.returncode] += 1
            if process.returncode not in (0, 4, 75) or text:  # 4: so busy that the control was late
                tally.note("wrong", f"exit {process.returncode}: {text[-600:]}")
        files = [objects(path.read_bytes()) for path in place.data.glob(RESULTS)]
        runs = tally.exits[0] + tally.exits[4]
        if len(files) != runs or not files:
            tally.note("wrong", f"{runs} runs by their exits, and {len(files)} files")
        spans = sorted((one[0]["started_at"], one[-1]["ended_at"]) for one in files)
        for (_, ended), (started, _) in pairwise(spans):
            if started < ended:
                tally.note(
                    "wrong", f"a run began at {started}, and the one before ended at {ended}"
                )
        for text in faults_of(place.data):
            tally.note("altered", text)
        mend(place, tally)


@contextmanager
def mounted(place: Field, *words: str) -> Iterator[Path]:
    """Mount something where the data folder lies. Raises Unable."""
    root()
    disk = place.data.parent
    subprocess.run(["mount", *words, str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def disk_full(tally: Tally, tries: int, rng: random.Random) -> None:
    """A small disk of its own that is full after some pages."""
    with fields() as place, mounted(place, "-t", "tmpfs", "-o", "size=16m", "none") as disk:
        place.lasting()
        used = sum(path.stat().st_size for path in place.data.rglob("*") if path.is_file())
        filler = disk / "filler"
        for turn in range(tries):
            room = rng.randrange(0, used * 3 // 2)
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - room)
            strike(place, tally, {0, 5}, read=turn % 4 == 0)
            filler.unlink()
            if turn % 4 == 3 or turn == tries - 1:
                mend(place, tally)


def any_byte(tally: Tally, tries: int, rng: random.Random) -> None:
    """A disk that takes so many bytes in all, to the byte, and then is full."""
    with fields() as place:
        place.lasting()
        used = sum(path.stat().st_size for path in place.data.rglob("*") if path.is_file())
        for turn in range(tries):
            room = rng.randrange(0, used + 2000)
            strike(place, tally, {0, 5}, env=place.shim(ROOM=room), read=turn % 8 == 0)
            if turn % 8 == 7 or turn == tries - 1:
                mend(place, tally)


def _refusing(tally: Tally, tries: int, rng: random.Random, *numbers: int) -> None:
    with fields() as place:
        calls = place.calls()
        weights = [1 if call == "write" else 4 for call in calls]
        for turn in range(tries):
            at = rng.choices(range(1, len(calls) + 1), weights)[0]
            words: dict[str, object] = {"DO": rng.choice(numbers), "AT": at}
            if turn % 2:
                words["ONCE"] = 1
            strike(place, tally, {0, 5}, env=place.shim(**words), read=turn % 8 == 0)
            if turn % 8 == 7 or turn == tries - 1:
                mend(place, tally)


def eio(tally: Tally, tries: int, rng: random.Random) -> None:
    """EIO at a call on the run's own files: once, or from it on."""
    _refusing(tally, tries, rng, errno.EIO)


def refused(tally: Tally, tries: int, rng: random.Random) -> None:
    """ENOSPC, EDQUOT and EROFS in the same way."""
    _refusing(tally, tries, rng, errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def short_writes(tally: Tally, tries: int, rng: random.Random) -> None:
    """Writes that take one byte."""
    with fields() as place:
        calls = place.calls()
        for _ in range(tries):
            env = place.shim(DO="short", AT=rng.randrange(1, len(calls)), CALLS="write")
            strike(place, tally, {0}, env=env, read=False)
        mend(place, tally)


def read_only(tally: Tally, tries: int, rng: random.Random) -> None:
    """A disk that is read-only from the start; in mid-run a torn one is."""
    del rng
    with fields() as place, mounted(place, "-t", "tmpfs", "none") as disk:
        place.lasting()
        remount = ["mount", str(disk), "-o"]
        for _ in range(tries):
            subprocess.run([*remount, "remount,ro"], check=True)
            strike(place, tally, {5})
            subprocess.run([*remount, "remount,rw"], check=True)
        mend(place, tally)


def torn_disk(tally: Tally, tries: int, rng: random.Random) -> None:
    """A disk that fails in mid-run: then it is read-only, and after that as a power cut leaves it.

    What the file system had not yet been told to force to disk is gone.
    """
    root()
    with fields(200) as place:
        image, disk = place.folder / "image", place.data.parent
        with image.open("wb") as file:
            file.truncate(16 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)

        def plug() -> None:
            subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)

        def tear(pid: int) -> None:
            del pid
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)

        def replug() -> None:
            subprocess.run(["umount", str(disk)], check=True)
            subprocess.run(["e2fsck", "-y", str(image)], check=False, capture_output=True)
            plug()

        plug()
        try:
            for turn in range(tries):
                hit = once_measuring(place, rng.randrange(1, 350), tear)
                more, read = ["--rate", "50"], turn == tries - 1
                strike(place, tally, {5}, hit, more=more, read=read, settle=replug)
                mend(place, tally)
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def folder_deleted(tally: Tally, tries: int, rng: random.Random) -> None:
    """The data folder is deleted in mid-run."""
    with fields() as place:
        for _ in range(tries):
            hit = once_measuring(
                place, rng.randrange(1, 70), lambda _: shutil.rmtree(place.data, ignore_errors=True)
            )
            strike(place, tally, {5}, hit, gone=True)
            mend(place, tally)


def few_files(tally: Tally, tries: int, rng: random.Random) -> None:
    """Few open files from the start, or all of them used up in mid-run."""
    with fields() as place:
        for turn in range(tries):
            if turn % 2:

                def used_up(pid: int) -> None:
                    count = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                    most = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
                    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count - 3, most))

                hit = once_measuring(place, rng.randrange(1, 70), used_up)
                strike(place, tally, {0, 4, 5}, hit, read=turn < 2)
            else:
                limit = rng.randrange(12, 64)
                command = ["prlimit", f"--nofile={limit}:{limit}", *place.words()]
                strike(place, tally, {0, 4, 5}, command=command, read=turn < 2)
        mend(place, tally)


STEPS = ("-1h", "+1h", "-1d", "+1d", "-10y", "+10y")


def clock(tally: Tally, tries: int, rng: random.Random) -> None:
    """The wall clock is put back or forth in a run, and between two."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise Unable("no libfaketime")
    with fields() as place:
        stamp = place.folder / "stamp"
        env = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(stamp),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }
        for turn in range(tries):
            began, then = "+0", STEPS[turn % len(STEPS)]
            if turn >= len(STEPS):
                began = rng.choice(STEPS)
            stamp.write_text(began)
            hit = once_measuring(
                place,
                rng.randrange(1, 60),
                lambda _, then=then: stamp.write_text(then),  # type: ignore[misc]
            )
            strike(place, tally, {0}, hit, env=env, read=turn == tries - 1)
        mend(place, tally)


def suspend(tally: Tally, tries: int, rng: random.Random) -> None:
    """The run is stopped for some seconds and goes on."""
    with fields() as place:

        def sleep(pid: int) -> None:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(rng.uniform(0.3, 3 if tries > 2 else 0.5))
            os.kill(pid, signal.SIGCONT)

        for turn in range(tries):
            hit = once_measuring(place, rng.randrange(1, 60), sleep)
            strike(place, tally, {0}, hit, read=turn == tries - 1)


ROOM = (64, 32, 16, 8, 4, 2, 1)
START = (40, 50, 60, 65, 70, 75, 80, 90)


def memory_out(tally: Tally, tries: int, rng: random.Random) -> None:
    """So many MiB of address space beyond what a run has in the midst of it; or in all."""
    small = {0, 5, *CRASHES}
    with fields(600 if tries > 2 else 60) as place:
        for turn in range(tries):
            if turn % 2:
                most = START[turn // 2 % len(START)] * MIB
                command = ["prlimit", f"--as={most}", *place.words()]
                strike(place, tally, small, command=command, said="memory", read=turn < 2)
                continue
            room = ROOM[turn // 2 % len(ROOM)] * MIB

            def limit(pid: int, room: int = room) -> None:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
                size = pages * resource.getpagesize() + room
                resource.prlimit(pid, resource.RLIMIT_AS, (size, size))

            hit = once_measuring(place, rng.choice((1, 1, 50)), limit)
            right = small if room < 8 * MIB else {0, 5}
            strike(place, tally, right, hit, said="memory", read=turn < 2)
        mend(place, tally)


@contextmanager
def etc(place: Field, **files: str | None) -> Iterator[None]:
    """Have runs see other files in /etc; None for a file that is not there."""
    root()
    folder = place.folder / "etc"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree("/etc", folder, symlinks=True)
    for name, text in files.items():
        path = folder / name.replace("_", ".")
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
    shell = f'mount --bind {folder} /etc && exec "$@"'
    place.before = ("unshare", "-m", "sh", "-c", shell, "sh")
    yield
    place.before = ()


GARBAGE = ("", "\0\xff\x1b[2J\nnameserver\nnameserver nowhere\n", "nameserver 127.0.0.1\n" * 9)


def resolver_missing(tally: Tally, tries: int, rng: random.Random) -> None:
    """No /etc/resolv.conf, an empty one, garbage."""
    del rng
    with fields() as place:
        with place.list.open("a") as file:
            file.write('[[target]]\nid = "named"\nurl = "http://localhost:1/"\n')
        for turn in range(tries):
            with etc(place, resolv_conf=(None, *GARBAGE)[turn % 4]):
                strike(place, tally, {0}, read=turn == tries - 1)


def no_ipv6(tally: Tally, tries: int, rng: random.Random) -> None:
    """A system that knows no IPv6."""
    del rng
    with fields() as place:
        with place.list.open("a") as file:
            file.write('[[target]]\nid = "six"\nurl = "http://[::1]:1/"\n')
        for turn in range(tries):
            strike(place, tally, {0}, env=place.shim(NO6=1), read=turn == tries - 1)


def nobody(tally: Tally, tries: int, rng: random.Random) -> None:
    """Neither HOME nor an entry in the list of users; and then no data folder either."""
    del rng
    with fields() as place:
        for turn in range(tries):
            with etc(place, passwd="", nsswitch_conf="passwd: files\n"):
                words = [*place.before, "env", "-u", "HOME"]
                if turn % 2:
                    words += ["-u", "KEEPITON_DATA"]
                command = words + place.words()[len(place.before) :]
                right = {2} if turn % 2 else {0}
                said = "--data" if turn % 2 else ""
                strike(place, tally, right, command=command, said=said, read=turn < 1)


def tongues(tally: Tally, tries: int, rng: random.Random) -> None:
    """LANG=C and its like, with a list in Cyrillic; a TMPDIR that is not there."""
    del rng
    given: tuple[dict[str, str], ...] = (
        {"LANG": "C"},
        {"LC_ALL": "POSIX"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"TMPDIR": "/nowhere"},
    )
    with fields() as place:
        for turn in range(tries):
            place.env = given[turn % len(given)]
            strike(place, tally, {0}, more=["-v"])


def streams(tally: Tally, tries: int, rng: random.Random) -> None:
    """Standard input, output and errors closed: each, and all."""
    del rng
    with fields() as place:
        for turn in range(tries):
            closed = ("<&- >&- 2>&-", "<&-", ">&-", "2>&-")[turn % 4]
            command = ["sh", "-c", f'exec "$@" {closed}', "sh", *place.words("-v")]
            strike(place, tally, {0}, command=command, read=turn == tries - 1)
        mend(place, tally)


STANDING: list[Lab] = []
"""The lab, where a suite has one already."""


@contextmanager
def _away() -> Iterator[tuple[Lab, Field]]:
    """Give the lab, and a folder whose runs look at its sites."""
    reason = lab_module.missing()
    if reason:
        raise Unable(reason)
    with contextlib.ExitStack() as stack:
        standing = STANDING[0] if STANDING else stack.enter_context(lab_module.standing())
        place = stack.enter_context(fields(0))
        place.list = standing.list
        place.before = ("ip", "netns", "exec", standing.client)
        place.env = {"KEEPITON_TEST_NAMESPACE": "1"}
        place.rate = 20
        place.more = ("--roots", str(standing.roots))
        yield standing, place
        standing.link("up")


def resolver_changes(tally: Tally, tries: int, rng: random.Random) -> None:
    """/etc/resolv.conf is another one in mid-run: a name server that is not there, or garbage."""
    with _away() as (standing, place):
        path = Path("/etc/netns") / standing.client / "resolv.conf"
        usual = path.read_text()
        for turn in range(tries):
            text = ("nameserver 5.45.65.99\n", *GARBAGE)[turn % 4]
            hit = once_measuring(
                place,
                rng.randrange(1, 20),
                lambda _, text=text: path.write_text(text),  # type: ignore[misc]
            )
            strike(place, tally, {0, 4}, hit, read=turn == tries - 1)
            path.write_text(usual)
        mend(place, tally)


def network_vanishes(tally: Tally, tries: int, rng: random.Random) -> None:
    """The cable is pulled in mid-run, and put back after a while or not in time."""
    with _away() as (standing, place):

        def pull(pid: int) -> None:
            del pid
            standing.link("down")
            time.sleep(rng.uniform(0.2, 2))
            standing.link("up")

        for turn in range(tries):
            hit = once_measuring(place, rng.randrange(1, 20), pull)
            strike(place, tally, {0, 4}, hit, read=turn == tries - 1)
        mend(place, tally)


FAULTS: dict[str, tuple[Fault, int]] = {
    "sigkill": (sigkill, 200),
    "sigterm": (sigterm, 24),
    "sigint": (sigint, 24),
    "starts": (starts, 200),
    "disk-full": (disk_full, 24),
    "any-byte": (any_byte, 40),
    "eio": (eio, 48),
    "refused": (refused, 24),
    "short-writes": (short_writes, 8),
    "read-only": (read_only, 4),
    "torn-disk": (torn_disk, 8),
    "folder-deleted": (folder_deleted, 6),
    "few-files": (few_files, 16),
    "clock": (clock, 12),
    "suspend": (suspend, 6),
    "memory-out": (memory_out, 32),
    "resolver-missing": (resolver_missing, 4),
    "no-ipv6": (no_ipv6, 2),
    "nobody": (nobody, 2),
    "tongues": (tongues, 4),
    "streams": (streams, 4),
    "resolver-changes": (resolver_changes, 4),
    "network-vanishes": (network_vanishes, 6),
}
"""Every fault, and how often the whole campaign does it."""


def wage(name: str, tries: int | None, seed: int) -> Tally:
    """Do one fault so often. Raises Unable."""
    tally = Tally()
    fault, usual = FAULTS[name]
    fault(tally, tries or usual, random.Random(f"{seed} {name}"))  # noqa: S311 - to be repeatable
    return tally


HEAD = ("fault", "tries", "altered or lost", "seconds lost", "unreadable", "wrong exits", "exits")


def say(text: str, where: TextIO = sys.stdout) -> None:
    """Print at once."""
    where.write(text + "\n")
    where.flush()


def main() -> int:
    """Do what is asked, print the table; return 1 where something was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], metavar="FAULT")
    parser.add_argument("--tries", type=int, help="how often each fault is done")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    bad = 0
    say("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for name in given.faults or FAULTS:
        try:
            tally = wage(name, given.tries, given.seed)
        except Unable as exc:
            say(f"| {name} | not tried: {exc} |")
            continue
        bad += not tally.good
        exits = ", ".join(f"{code}: {n}" for code, n in sorted(tally.exits.items()) if n)
        cells = (name, tally.tries, tally.altered, f"{tally.lost_s:.2f}", tally.unreadable)
        say("| " + " | ".join(map(str, [*cells, tally.wrong, exits])) + " |")
        phases = [f"{one} {n}" for one, n in tally.phases.most_common() if n > 0]
        told = [f"at the end of each try: {', '.join(phases)}"] if name == "sigkill" else []
        for text in (*told, *tally.notes):
            say(f"{name}: {text}", sys.stderr)
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
