"""Delivers messages: to a command of the user's, or to a service through Apprise."""

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
"""Longest that one message may take, by kind of channel, in seconds."""
RUN_S = 180.0
MOST_A_RUN = 20
"""Longest that all messages of a run may take, and most messages per channel; the rest is left to
the next run."""
LATE_S = 600.0
"""Delay from which on a message says when its change was found."""
OUTPUT_BYTES = 4000
OUTPUT_LINES = 20
COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to somebody. Its command or URL is a secret and is never shown."""

    label: str
    """Its name on stderr."""
    command: str = field(default="", repr=False)
    url: str = field(default="", repr=False)

    def key(self, memory: AlarmMemory) -> str:
        """Return its key in the memory; a command keeps it when it is changed."""
        return COMMAND if self.command else memory.key(self.url)


def deliver(
    memory: AlarmMemory,
    channels: Sequence[Channel],
    report: Report,
    save: Callable[[], None],
    report_failure: Callable[[str], None],
    *,
    verbose: bool,
) -> None:
    """Send each channel its pending changes, in order; save the memory after each message.

    What cannot be sent is left to the next run, and so is what follows on that channel. A crash
    between sending and saving repeats one message. Raises OSError where ``save`` does.
    """
    for lost in memory.drop_expired(report.now):
        report_failure(
            f"alarm given up: {lost.change.kind} {lost.change.window.id} was not sent in time"
        )
    until = time.monotonic() + RUN_S
    for channel in channels:
        key = channel.key(memory)
        waiting = [entry for entry in memory.pending if key in entry.left]
        for pending in waiting[:MOST_A_RUN]:
            if time.monotonic() > until:
                break
            error = _send(channel, pending.change, _message(pending, report))
            if error:
                if verbose or key not in pending.complained:
                    report_failure(f"{channel.label}: {pending.change.kind} not sent: {error}")
                pending.complained = [*{*pending.complained, key}]
                break
            pending.left = [other for other in pending.left if other != key]
            if not pending.left:
                memory.pending = [entry for entry in memory.pending if entry is not pending]
            save()
    save()


def _message(pending: Pending, report: Report) -> Message:
    late_s = (report.now - pending.change.at).total_seconds()
    return write_message(pending.change, report, late=late_s > LATE_S)


def _send(channel: Channel, change: Change, message: Message) -> str | None:
    """Send one message; return the error, None when it was sent."""
    request = {"kind": change.kind, "title": message.title, "body": message.body}
    try:
        if channel.command:
            return command(channel.command, environment(change, message))
        code = _run_worker({**request, "urls": [channel.url]})
    except OSError as exc:  # no process could be started
        return f"not started: {exc.strerror}"
    if code is None:
        return f"no answer within {SERVICE_S:g} s"
    return "it was refused, or nobody answered" if code else None


def unknown(urls: Sequence[str]) -> int | None:
    """Return the index of the first URL that Apprise does not know, None if it knows all."""
    code = _run_worker({"urls": urls})
    return code - apprise_worker.UNKNOWN if code and code >= apprise_worker.UNKNOWN else None


def _run_worker(request: dict[str, object]) -> int | None:
    """Run the worker; return its exit code, None when it took too long.

    It gets no proxy and no ``.netrc`` from the environment, and its output is discarded.
    """
    environ = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith("APPRISE_")
    }
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", apprise_worker.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ | {"NO_PROXY": "*", "NETRC": os.devnull},
        start_new_session=True,
    ) as process:
        try:
            process.communicate(json.dumps(request).encode(), SERVICE_S)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)
        return process.returncode


def environment(change: Change, message: Message) -> dict[str, str]:
    """Return the variables of a command, the only place of window data (docs/guides/alarms.md)."""
    encoding = sys.getfilesystemencoding()
    variables = {
        "KEEPITON_CHANGE": change.kind,
        "KEEPITON_REASON": change.reason,
        "KEEPITON_SUPERSEDES": " ".join(smaller.id for smaller in change.supersedes),
        "KEEPITON_WINDOW": as_json(change.window),
        "KEEPITON_TITLE": message.title,
        "KEEPITON_BODY": message.body,
    }
    return {
        name: text.encode(encoding, "replace").decode(encoding) for name, text in variables.items()
    }


def command(text: str, variables: dict[str, str], limit_s: float = COMMAND_S) -> str | None:
    """Run a command of the user's in a shell; return the error with its output, None without one.

    Its whole process group is ended with it, or after the limit.
    """
    with subprocess.Popen(  # noqa: S602 - the user's own text, and nothing else in it
        text,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | variables,
        start_new_session=True,
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        output = bytearray()
        reader = threading.Thread(target=_read, args=(process.stdout.fileno(), output), daemon=True)
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
    error = f"the command ended with {code}" if code is not None else f"ended after {limit_s:g} s"
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return "\n".join([error, *(f"  {clean(line)}" for line in lines[:OUTPUT_LINES])])


def _read(descriptor: int, output: bytearray) -> None:
    """Read a pipe to its end, so that no writer blocks; keep the beginning."""
    with suppress(OSError):
        while chunk := os.read(descriptor, 65_536):
            output += chunk[: OUTPUT_BYTES - len(output)]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its whole process group."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def add_pending(
    memory: AlarmMemory, changes: Iterable[Change], channels: Sequence[Channel]
) -> None:
    """Add changes that are to be delivered to every channel."""
    keys = [channel.key(memory) for channel in channels]
    memory.pending += [Pending(change=change, left=keys) for change in changes]
