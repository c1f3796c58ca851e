"""A run on the terminal: a bar while it lasts, a summary worth reading afterwards."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keepiton.probe.runner import Progress
    from keepiton.run import Done

SHOWN_FAILURES = 20
OFFLINE = frozenset({"down", "portal", "mixed"})
SHOWN_OFFSET_MS = 2000


@contextmanager
def bar(*, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Show a progress bar, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("looking at the own line", total=None)

        def step(progress: "Progress") -> None:
            counts = Counter(one.state for one in progress.done)
            said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
            done = len(progress.done)
            if done == progress.planned:
                said += "; last questions"
            shown.update(task, total=progress.planned, completed=done, description=said)

        yield step


def own_line(progress: "Progress", perspective: str) -> str:
    """Say in plain words what the controls said of this machine's own line."""
    controls = progress.controls
    count = f"{controls.foreign_ok} of {controls.foreign} foreign controls answered"
    if controls.domestic:
        count += f", {controls.domestic_ok} of {controls.domestic} domestic"
    words = {
        "up": "this machine's own line is up",
        "down": "this machine's own line is down: results are inconclusive",
        "portal": "a captive portal answers for others: results are inconclusive",
        "mixed": "this machine's way out changed meanwhile (a VPN, another network): results are"
        " inconclusive",
        "border": "foreign controls are dead and domestic ones alive: abroad is not reached from"
        f" {perspective}",
        "resolver": "this machine's resolver does not answer: failures to resolve are inconclusive",
        "unknown": "this machine's own line was not judged: failures are inconclusive",
    }
    text = words[progress.verdict]
    if progress.verdict in ("down", "portal") and not set(progress.lines) <= OFFLINE:
        text = "this machine's own line was down for a part: failures of that part are inconclusive"
    return f"{text} ({count})"


def lines(done: "Done", perspective: str) -> "Iterator[str]":
    """Write what a person wants to know after a run."""
    from keepiton.model import clean  # noqa: PLC0415
    from keepiton.report.table import columns  # noqa: PLC0415

    progress = done.progress
    span = f"{done.started_at:%Y-%m-%d %H:%M:%S} to {done.ended_at:%H:%M:%S} UTC"
    counts = Counter(one.state for one in progress.done)
    yield f"Probed {len(progress.done)} targets from {perspective}, {span} ({progress.reason})."
    text = own_line(progress, perspective)
    yield text[0].upper() + text[1:] + "."
    yield (
        f"Targets: {counts['ok']} answered, {counts['fail']} failed,"
        f" {counts['inconclusive']} inconclusive, {counts['skipped']} skipped."
    )
    failed = sorted(
        (one for one in progress.done if one.state == "fail"),
        key=lambda one: (one.target.operator or "~", one.target.id),
    )
    if failed:
        rows = [
            [clean(one.target.id), one.target.operator or "-", one.stage or "-", one.failure or "-"]
            for one in failed[:SHOWN_FAILURES]
        ]
        yield ""
        yield columns(["failed", "operator", "at", "how"], rows).rstrip()
        if len(failed) > SHOWN_FAILURES:
            yield f"and {len(failed) - SHOWN_FAILURES} more"
        yield ""
    yield f"Received {progress.bytes_received / 1000:,.0f} kB."
    offset_ms = progress.clock_offset_ms or 0
    if abs(offset_ms) > SHOWN_OFFSET_MS:
        yield f"This machine's clock is {-offset_ms / 1000:+.0f} s off that of the controls."
    if done.recovered:
        yield f"Sealed what an earlier run left behind: {done.recovered}"
    yield f"Results: {done.path}"
