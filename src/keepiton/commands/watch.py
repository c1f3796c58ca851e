"""``keepiton watch``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import click

from keepiton.base.connectivity import Connectivity
from keepiton.base.errors import UserError
from keepiton.cli import exits, probe_options, summary, times
from keepiton.cli.probe_options import ProbeOptions

if TYPE_CHECKING:
    from datetime import datetime

    from rich.live import Live

    from keepiton.cli import probe_run
    from keepiton.operate.pacer import Pacer
    from keepiton.probe.types import Progress

POLITE_S = 300
"""Least interval without --again (SAFETY S11)."""
LOOK_BACK_DAYS = 10
"""How far back the table reads: usual durations and noise are known by then."""
SLICE_S = 1.0
"""Longest sleep at once, so that a clock that went on while the machine slept is soon noticed."""


@click.command()
@probe_options.options
@click.option(
    "--every",
    default="5m",
    show_default=True,
    help="Interval, from beginning to beginning: 5m or 1h. Below 5m only with --again.",
)
@click.option(
    "--burst",
    is_flag=True,
    help="For ten minutes after a change of state, ask the targets that changed every 30 seconds.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=90,
    show_default=True,
    help="End by itself after so many days.",
)
def watch(every: str, days: int, *, burst: bool, **values: object) -> None:
    """Look again and again in the foreground, with a live table.

    Each look is a run as of keepiton probe, with a file of its own; lists are read anew for each.
    Ends with Ctrl-C, or by itself after --days.
    """
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415
    from functools import cache  # noqa: PLC0415

    from keepiton.cli import probe_run  # noqa: PLC0415
    from keepiton.operate.pacer import Pacer  # noqa: PLC0415

    asked = ProbeOptions.of(values)
    interval_s = times.parse_age(every, "--every").total_seconds()
    if interval_s < POLITE_S and not asked.again:
        raise UserError(
            f"--every {every}: more often than every 5 minutes bothers those who are asked; write"
            " 5m or more, or add --again to do it all the same"
        )
    lists = cache(sys.stdin.buffer.read)  # stdin gives its list once
    ready = probe_run.prepare(asked, lists)
    ends_at = datetime.now(UTC) + timedelta(days=days)
    with _on_terminal(quiet=asked.quiet) as live:
        screen, ended = Screen(ready, live, ends_at), _heed()
        try:
            rhythm = Pacer(interval_s, _clock(), burst)
            _go(ready, lists, rhythm, screen, days * 86_400, ended)
        except KeyboardInterrupt:
            sys.exit(128 + ended[-1])
    click.echo("keepiton: this watch ends here, as it was to; start it anew to go on", err=True)


def _go(
    ready: "probe_run.RunRequest",
    lists: Callable[[int], bytes],
    rhythm: "Pacer",
    screen: "Screen",
    longest_s: float,
    ended: list[int],
) -> None:
    """Look again and again, until somebody or the calendar ends it. Raises UserError."""
    import time  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from keepiton.cli import probe_run  # noqa: PLC0415
    from keepiton.operate.pacer import Tick  # noqa: PLC0415

    due = Tick(rhythm.began_at, all_targets=True)
    while due.at - rhythm.began_at < longest_s:
        began = Tick(_clock(), due.all_targets)
        screen.beginning()
        try:
            now_ready = probe_run.prepare(ready.options, lists)
            if not due.all_targets:
                now_ready = _narrowed(now_ready, rhythm)
            looked = probe_run.perform_run(now_ready, datetime.now(UTC), nullcontext(screen.step))
        except UserError as exc:
            if not screen.looks:
                raise
            exits.print_error(str(exc), 2)  # a list that is being edited, a probe just before
            looked = probe_run.RunOutcome(2)
        if looked.code in exits.ENDED_EARLY:
            sys.exit(looked.code)
        if looked.result and looked.code != exits.VANTAGE_OFFLINE:
            states = {one.target.id: one.state for one in looked.result.progress.results}
            rhythm.note(states, _clock())
        screen.done(looked)
        due = rhythm.after(began, _clock())
        while (left_s := due.at - _clock()) > 0 or ended:
            if ended:  # and what it raised was swallowed, as Python does in a finalizer
                raise KeyboardInterrupt
            screen.waiting(left_s, len(rhythm.recently_changed) if not due.all_targets else 0)
            time.sleep(min(SLICE_S, left_s))


def _heed() -> list[int]:
    """Note signals to end, in the list returned, and end between two runs as within one."""
    import signal  # noqa: PLC0415

    ended: list[int] = []

    def end(number: int, frame: object) -> NoReturn:
        del frame
        ended.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def _narrowed(ready: "probe_run.RunRequest", rhythm: "Pacer") -> "probe_run.RunRequest":
    """Keep the controls and what changed lately; ``--burst`` is the flag that allows so soon."""
    kept = [one for one in ready.loaded.targets if one.control or one.id in rhythm.recently_changed]
    return replace(
        ready,
        options=replace(ready.options, again=True),
        loaded=replace(ready.loaded, targets=kept),
    )


def _clock() -> float:
    """Read a clock that no hand sets, and that goes on while the machine sleeps (seconds)."""
    import time  # noqa: PLC0415

    which = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if which is None else time.clock_gettime(which)


@contextmanager
def _on_terminal(*, quiet: bool) -> "Iterator[Live | None]":
    """Prepare to take the lower part of a terminal; what is said meanwhile goes above it."""
    if quiet or not sys.stdout.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    live = Live(console=Console(), auto_refresh=False, vertical_overflow="crop")
    try:
        yield live
    finally:
        live.stop()


class Screen:
    """What is shown of a watch: a table in place on a terminal, elsewhere a few lines."""

    def __init__(
        self, ready: "probe_run.RunRequest", live: "Live | None", ends_at: "datetime"
    ) -> None:
        """Begin empty."""
        self._ready = ready
        self._words = ready.lang
        self._live = live
        self._ends_at = ends_at
        self._table = ""
        self._line = Connectivity.UP
        self.looks = 0

    def beginning(self) -> None:
        """Show that a run begins."""
        if self.looks:
            self._show(self._words.gettext("looking at the own line").capitalize() + ".")

    def step(self, progress: "Progress") -> None:
        """Show how far a run is."""
        _ = self._words.gettext
        done, planned = len(progress.results), progress.planned
        self._show(_("Looking: {done} of {n} targets.", done=done, n=planned))

    def waiting(self, left_s: float, lively: int) -> None:
        """Show when the next look is due."""
        minutes, seconds = divmod(round(left_s), 60)
        left = f"{minutes}:{seconds:02}"
        if lively:
            said = self._words.ngettext(
                "{n} target changed and is asked again in {left}.",
                "{n} targets changed and are asked again in {left}.",
                lively,
                left=left,
            )
        else:
            said = self._words.gettext("The next look is in {left}.", left=left)
        self._show(said)

    def done(self, looked: "probe_run.RunOutcome") -> None:
        """Take in what a look found; say what matters without naming a target (SAFETY S16)."""
        from datetime import UTC, datetime, timedelta  # noqa: PLC0415

        self.looks += 1
        if not looked.result:
            return
        asked, progress = self._ready.options, looked.result.progress
        if self._live:
            since = datetime.now(UTC) - timedelta(days=LOOK_BACK_DAYS)
            with suppress(SystemExit, UserError):  # nothing to show yet, or nothing to read with
                from keepiton.storage.result_files import require  # noqa: PLC0415

                require()
                from keepiton.cli.status_run import render_status  # noqa: PLC0415

                self._table = render_status(self._words, self._ready.data, since=since)
        elif asked.verbose:
            for line in summary.lines(looked.result, looked.perspective, self._words):
                click.echo(line, err=True)
        elif progress.verdict != self._line and not asked.quiet:
            at = f"{looked.result.ended_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            click.echo(f"{at} {summary.offline_text(progress, self._words)}", err=True)
        self._line = progress.verdict

    def _show(self, said: str) -> None:
        if not self._live:
            return
        from datetime import UTC  # noqa: PLC0415

        from rich.text import Text  # noqa: PLC0415

        self._live.start()  # only now: the first run may have had something to ask
        words = self._words
        lines = [
            words.ngettext("{n} look.", "{n} looks.", self.looks) + " " + said,
            words.gettext(self._line.text_here).capitalize() + ".",
            words.gettext(
                "Ends with Ctrl-C, or by itself on {day}.",
                day=words.instant(self._ends_at, UTC) + " UTC",
            ),
        ]
        text = "\n".join([*lines, "", self._table.rstrip()])
        self._live.update(Text(text, no_wrap=True, overflow="crop"), refresh=True)
