"""Hands messages over: to a command of the user's, or to one of Apprise's services."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from keepiton.base.types import clean
from keepiton.operate.alarms import apprise_worker
from keepiton.operate.alarms.changes import Change, as_json
from keepiton.operate.alarms.memory import AlarmMemory, Pending
from keepiton.operate.alarms.message import Message, write_message
from keepiton.report.types import Report

COMMAND_S = 60.0
SERVICE_S = 30.0
"""Longest that one message may take, by kind of channel."""
RUN_S = 180.0
MOST_A_RUN = 20
"""Longest that all of a run's may take, and how many each channel gets; the rest is the next
run's."""
LATE_S = 600.0
OUTPUT_BYTES = 4000
OUTPUT_LINES = 20
COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to somebody. What it holds is a secret and is never shown."""

    label: str
    """What it is called on stderr."""
    command: str = field(default="", repr=False)
    url: str = field(default="", repr=False)

    def key(self, memory: AlarmMemory) -> str:
        """Return what is remembered of it; a command that is mended is the same."""
        return COMMAND if self.command else memory.key(self.url)


def deliver(
    memory: AlarmMemory,
    channels: Sequence[Channel],
    report: Report,
    save: Callable[[], None],
    complain: Callable[[str], None],
    *,
    verbose: bool,
) -> None:
    """Send each channel what it has not got yet, in order; note each message as it is sent.

    What cannot be sent stays for the next run, and so does what comes after it on that channel. A
    crash between sending and noting repeats one message. Raises OSError where ``save`` does.
    """
    for lost in memory.drop_expired(report.now):
        complain(f"alarm given up: {lost.change.kind} {lost.change.window.id} was not sent in time")
    until = time.monotonic() + RUN_S
    for channel in channels:
        key = channel.key(memory)
        waiting = [one for one in memory.pending if key in one.left]
        for pending in waiting[:MOST_A_RUN]:
            if time.monotonic() > until:
                break
            why = _send(channel, pending.change, _message(pending, report))
            if why:
                if verbose or key not in pending.complained:
                    complain(f"{channel.label}: {pending.change.kind} not sent: {why}")
                pending.complained = [*{*pending.complained, key}]
                break
            pending.left = [one for one in pending.left if one != key]
            if not pending.left:
                memory.pending = [one for one in memory.pending if one is not pending]
            save()
    save()


def _message(pending: Pending, report: Report) -> Message:
    late_s = (report.now - pending.change.at).total_seconds()
    return write_message(pending.change, report, late=late_s > LATE_S)


def _send(channel: Channel, change: Change, message: Message) -> str | None:
    """Send one message; return why it could not be, None when it was."""
    asked = {"kind": change.kind, "title": message.title, "body": message.body}
    try:
        if channel.command:
            return command(channel.command, environment(change, message))
        code = _courier({**asked, "urls": [channel.url]})
    except OSError as exc:  # no process could be had
        return f"not started: {exc.strerror}"
    if code is None:
        return f"no answer within {SERVICE_S:g} s"
    return "it was refused, or nobody answered" if code else None


def unknown(urls: Sequence[str]) -> int | None:
    """Return the index of the first URL that Apprise does not know, None if it knows all."""
    code = _courier({"urls": urls})
    return code - apprise_worker.UNKNOWN if code and code >= apprise_worker.UNKNOWN else None


def _courier(asked: dict[str, object]) -> int | None:
    """Run the courier; return its exit code, None when it took too long.

    No proxy and no ``.netrc`` is taken from the surroundings, and nothing it says is heard.
    """
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith("APPRISE_")
    }
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", apprise_worker.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=surroundings | {"NO_PROXY": "*", "NETRC": os.devnull},
        start_new_session=True,
    ) as process:
        try:
            process.communicate(json.dumps(asked).encode(), SERVICE_S)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)
        return process.returncode


def environment(change: Change, message: Message) -> dict[str, str]:
    """Return what a command is told; window data is nowhere else (docs/guides/alarms.md)."""
    encoding = sys.getfilesystemencoding()
    told = {
        "KEEPITON_CHANGE": change.kind,
        "KEEPITON_REASON": change.reason,
        "KEEPITON_SUPERSEDES": " ".join(one.id for one in change.supersedes),
        "KEEPITON_WINDOW": as_json(change.window),
        "KEEPITON_TITLE": message.title,
        "KEEPITON_BODY": message.body,
    }
    return {name: text.encode(encoding, "replace").decode(encoding) for name, text in told.items()}


def command(text: str, told: dict[str, str], limit_s: float = COMMAND_S) -> str | None:
    """Run a command of the user's in a shell; return why it failed, with what it said.

    Its whole process group ends with it, or after the limit.
    """
    with subprocess.Popen(  # noqa: S602 - the user's own text, and nothing else in it
        text,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | told,
        start_new_session=True,
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        kept = bytearray()
        reader = threading.Thread(target=_keep, args=(process.stdout.fileno(), kept), daemon=True)
        reader.start()
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
            reader.join(1)
    if code == 0:
        return None
    why = f"the command ended with {code}" if code is not None else f"ended after {limit_s:g} s"
    said = [clean(one) for one in kept.decode("utf-8", "replace").splitlines() if one.strip()]
    return "\n".join([why, *(f"  {one}" for one in said[:OUTPUT_LINES])])


def _keep(descriptor: int, kept: bytearray) -> None:
    """Read all that comes, so that nobody waits to be read; keep the beginning."""
    with suppress(OSError):
        while chunk := os.read(descriptor, 65_536):
            kept += chunk[: OUTPUT_BYTES - len(kept)]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started in its group."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def pending(memory: AlarmMemory, changes: Iterable[Change], channels: Sequence[Channel]) -> None:
    """Note what each channel must be told."""
    keys = [channel.key(memory) for channel in channels]
    memory.pending += [Pending(change=one, left=keys) for one in changes]
