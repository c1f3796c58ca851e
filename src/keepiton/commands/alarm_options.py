"""Alarms as ``probe`` and ``watch`` have them: options, what is read first, and after a run."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepiton.base.errors import UserError
from keepiton.cli import exits, times
from keepiton.cli.extensions import RunContext, RunHooks

if TYPE_CHECKING:
    import threading
    from urllib.parse import SplitResult

    from keepiton.base.connectivity import Connectivity
    from keepiton.base.language import Language
    from keepiton.operate.alarms.deliver import Channel

LOOK_BACK_DAYS = 11
"""Read before now: the days that an alarm is remembered, and eight more, so that noise and usual
durations are known."""
AHEAD_S = 3600
"""What a file says of a time later than this from now is left out: a stranger's clock must not
make all that goes on look old."""
MOST_FILE_BYTES = 65_536
MOST_URLS = 20
OTHERS_MAY = 0o077

OPTIONS = (
    click.option(
        "--on-change",
        metavar="CMD",
        help="Run this in a shell when a disruption opens, closes or was told wrongly"
        " (docs/guides/alarms.md).",
    ),
    click.option(
        "--notify-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Tell the services in this file the same: an Apprise URL a line (extra: notify).",
    ),
    click.option(
        "--alarm-from",
        type=click.Choice(["possible", "likely", "confirmed"]),
        default="likely",
        show_default=True,
        help="How sure a disruption must be to be told; one vantage alone never gets beyond"
        " likely.",
    ),
    click.option(
        "--ping-url-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Ping the URL in this file at the beginning and the end of a run, as healthchecks.io"
        " wants it, so that somebody notices when runs stop.",
    ),
)


@dataclass(slots=True)
class AlarmRun:
    """What was asked for, read and found right; its secrets are never shown."""

    floor: float
    channels: "tuple[Channel, ...]" = field(repr=False)
    ping: "SplitResult | None" = field(repr=False)
    begun: "threading.Thread | None" = None


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of alarms."""
    for one in reversed(OPTIONS):
        function = one(function)
    return function


def prepare(
    data: Path,
    on_change: str | None,
    notify_file: Path | None,
    alarm_from: str,
    ping_url_file: Path | None,
) -> AlarmRun | None:
    """Read what alarms need; None where none were asked for. Raises UserError; sends nothing."""
    if not (on_change or notify_file or ping_url_file):
        return None
    channels = _channels(on_change, notify_file)
    if channels:
        _require(on_change)
        from keepiton.operate.alarms import memory  # noqa: PLC0415

        memory.load(data)
    from keepiton.operate.alarms.changes import FLOORS  # noqa: PLC0415

    ping = _ping(ping_url_file) if ping_url_file else None
    return AlarmRun(FLOORS[alarm_from], channels, ping)


@dataclass(frozen=True, slots=True)
class AlarmHooks(RunHooks):
    """Announces the begin and the end of a run, and what changed with it."""

    alarms: AlarmRun | None

    def begin(self, run: RunContext) -> bool:
        """Ping that a run begins."""
        del run
        begin(self.alarms)
        return False

    def end(self, run: RunContext, verdict: "Connectivity | None", code: int) -> None:
        """Ping that a run ended, and send alarms."""
        now = datetime.now(UTC)
        after(self.alarms, run.data, verdict, code, run.lang, now, verbose=run.verbose)


def prepare_run(data: Path, values: Mapping[str, Any]) -> AlarmHooks:
    """Read what alarms need. Raises UserError; sends nothing."""
    names = ("on_change", "notify_file", "alarm_from", "ping_url_file")
    return AlarmHooks(prepare(data, *(values[name] for name in names)))


def begin(alarms: AlarmRun | None) -> None:
    """Say that a run begins, without waiting for it to be heard."""
    if alarms and alarms.ping:
        from keepiton.operate.alarms import ping  # noqa: PLC0415

        alarms.begun = ping.begin(alarms.ping)


def after(
    alarms: AlarmRun | None,
    data: Path,
    verdict: "Connectivity | None",
    code: int,
    words: "Language",
    now: "datetime",
    *,
    verbose: bool,
) -> None:
    """Say how a run ended, and what changed with it; the caller holds the folder's lock.

    A run without a verdict, ended early, or whose own line was not found usable changes nothing.
    What goes wrong is said on stderr: the run is done, and its exit code stands.
    """
    if not alarms:
        return
    if alarms.ping:
        from keepiton.operate.alarms import ping  # noqa: PLC0415

        why = ping.end(alarms.ping, ping.suffix(code, exits.VANTAGE_OFFLINE), alarms.begun)
        alarms.begun = None
        if why and verbose:
            exits.print_error(f"--ping-url-file: not heard: {why}", 0)
    if not alarms.channels or not (verdict and verdict.is_evidence) or code in exits.ENDED_EARLY:
        return
    try:
        _tell(alarms, data, words, now, verbose=verbose)
    except UserError as exc:
        exits.print_error(f"no alarm could be raised: {exc}", 0)
    except OSError as exc:
        exits.print_error(f"no alarm could be raised: {exc.filename}: {exc.strerror}", 0)


def _tell(
    alarms: AlarmRun, data: Path, words: "Language", now: "datetime", *, verbose: bool
) -> None:
    """Detect, compare with what was announced, and send. Raises UserError, OSError."""
    from keepiton.detect import Policy, detect  # noqa: PLC0415
    from keepiton.detect.types import Detection  # noqa: PLC0415
    from keepiton.operate.alarms import deliver, memory  # noqa: PLC0415
    from keepiton.operate.alarms.changes import compare  # noqa: PLC0415
    from keepiton.report.types import Report, shared_fields  # noqa: PLC0415
    from keepiton.storage.cache import Cache  # noqa: PLC0415
    from keepiton.storage.reader import find, read  # noqa: PLC0415

    files = find([data / "results"])
    rounds = read(files, Cache(data), now - timedelta(days=LOOK_BACK_DAYS)).rounds
    rounds = rounds.of(rounds.at <= (now.timestamp() + AHEAD_S) * 1000)
    if not len(rounds):
        return
    found = detect(rounds, Policy(), now)
    zone = times.zone(None, rounds.country)
    report = Report(
        **shared_fields(Detection, found), policy=Policy(), zone=zone, now=now, lang=words
    )
    remembered = memory.load(data)
    remembered.announced, changes = compare(remembered.announced, found, now, alarms.floor)
    deliver.add_pending(remembered, changes, alarms.channels)

    def save() -> None:
        memory.save(data, remembered)

    def say(text: str) -> None:
        exits.print_error(text, 0)

    save()  # what is to be said is noted before any of it is
    deliver.deliver(
        remembered,
        alarms.channels,
        report,
        save,
        say,
        verbose=verbose,
    )


def _require(on_change: str | None) -> None:
    from keepiton.storage.reader import require  # noqa: PLC0415

    try:
        require()
    except UserError:
        flag = "--on-change" if on_change else "--notify-file"
        raise UserError(
            f"{flag}: needs duckdb and numpy, which are not installed here (there are none for"
            " Android); leave it out, and look at the results on another machine"
        ) from None


def _channels(on_change: str | None, notify_file: Path | None) -> "tuple[Channel, ...]":
    from keepiton.operate.alarms.deliver import Channel  # noqa: PLC0415

    channels = [Channel("--on-change", command=on_change)] if on_change else []
    if not notify_file:
        return tuple(channels)
    from importlib.util import find_spec  # noqa: PLC0415

    from keepiton.operate.alarms.deliver import unknown  # noqa: PLC0415

    if not find_spec("apprise"):
        raise UserError("--notify-file: Apprise is not installed; pip install 'keepiton[notify]'")
    lines = {
        number: line.strip()
        for number, line in enumerate(_private(notify_file).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    if not lines or len(lines) > MOST_URLS:
        raise UserError(f"{notify_file}: write one Apprise URL a line, 1 to {MOST_URLS} of them")
    wrong = unknown(list(lines.values()))
    if wrong is not None:
        raise UserError(
            f"{notify_file}:{list(lines)[wrong]}: not a URL of a service that Apprise knows;"
            " write one such as ntfys://ntfy.sh/TOPIC"
        )
    named = (Channel(f"--notify-file, line {n}", url=url) for n, url in lines.items())
    return (*channels, *named)


def _ping(path: Path) -> "SplitResult":
    from keepiton.operate.alarms.ping import parse  # noqa: PLC0415

    lines = _private(path).splitlines()
    try:
        return parse(lines[0].strip() if lines else "")
    except ValueError as exc:
        raise UserError(f"{path}:1: {exc}") from None


def _private(path: Path) -> str:
    """Read a file of secrets. Raises UserError when others may read it."""
    import stat  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise UserError(f"{path}: not a plain file; write the URL into one")
            if os.name == "posix" and mode & OTHERS_MAY:
                raise UserError(f"{path}: holds secrets and is open to others; chmod 600 {path}")
            content = file.read(MOST_FILE_BYTES + 1)
        if len(content) > MOST_FILE_BYTES:
            raise UserError(f"{path}: longer than {MOST_FILE_BYTES} bytes; is it the right file?")
        return content.decode("utf-8-sig")
    except OSError as exc:
        raise UserError(f"{path}: cannot be read ({exc.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not text in UTF-8") from None
