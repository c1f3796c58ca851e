"""``keepiton watch``: makes runs at an interval, and shows a table meanwhile."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NoReturn

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from keepiton.base.connectivity import Connectivity
from keepiton.base.errors import UserError
from keepiton.base.signals import StopSignals
from keepiton.cli import exits, summary, times
from keepiton.cli.probe_options import ProbeOptions
from keepiton.cli.probe_run import RunOutcome, RunRequest, perform_run, prepare
from keepiton.operate.pacer import Pacer, Tick
from keepiton.probe.types import Progress
from keepiton.storage.result_files import require

POLITE_S = 300
"""Least interval without --again (SAFETY S11)."""
LOOK_BACK_DAYS = 10
"""Days that the table reads: usual durations and noise are known by then."""
SLICE_S = 1.0
"""Longest sleep at once, so that the end of the machine's sleep is noticed soon."""


def watch(every: str, days: int, *, burst: bool, **values: object) -> None:
    """Make runs until a signal or the last day. Raises UserError."""
    options = ProbeOptions.of(values)
    interval_s = times.parse_age(every, "--every").total_seconds()
    if interval_s < POLITE_S and not options.again:
        raise UserError(
            f"--every {every}: more often than every 5 minutes bothers those who are asked; write"
            " 5m or more, or add --again to do it all the same"
        )
    lists = cache(sys.stdin.buffer.read)  # stdin can be read once
    request = prepare(options, lists)
    ends_at = datetime.now(UTC) + timedelta(days=days)
    with _live_display(quiet=options.quiet) as live:
        screen, signals = Screen(request, live, ends_at), StopSignals(_interrupt)
        try:
            pacer = Pacer(interval_s, _clock(), burst)
            _repeat(request, lists, pacer, screen, days * 86_400, signals)
        except BaseException:  # a database that is interrupted raises an error of its own
            if signals.received is None:
                raise
            sys.exit(128 + signals.received)
    click.echo("keepiton: this watch ends here, as it was to; start it anew to go on", err=True)


def _repeat(
    request: RunRequest,
    lists: Callable[[int], bytes],
    pacer: Pacer,
    screen: "Screen",
    longest_s: float,
    signals: StopSignals,
) -> None:
    """Make runs for so many seconds. Raises UserError, and KeyboardInterrupt at a signal."""
    due = Tick(pacer.began_at, all_targets=True)
    while due.at - pacer.began_at < longest_s:
        began = Tick(_clock(), due.all_targets)
        screen.show_begin()
        outcome = _run(request, lists, pacer, screen, all_targets=due.all_targets)
        if outcome.code in exits.ENDED_EARLY:
            sys.exit(outcome.code)
        if outcome.result and outcome.code != exits.VANTAGE_OFFLINE:
            results = outcome.result.progress.results
            pacer.note({result.target.id: result.state for result in results}, _clock())
        screen.show_outcome(outcome)
        due = pacer.after(began, _clock())
        while (left_s := due.at - _clock()) > 0 or signals.received:
            if signals.received:  # whose exception was swallowed, as Python does in a finalizer
                raise KeyboardInterrupt
            screen.show_wait(left_s, len(pacer.recently_changed) if not due.all_targets else 0)
            time.sleep(min(SLICE_S, left_s))


def _run(
    request: RunRequest,
    lists: Callable[[int], bytes],
    pacer: Pacer,
    screen: "Screen",
    *,
    all_targets: bool,
) -> RunOutcome:
    """Make one run, with the lists read anew. Raises UserError in the first one."""
    try:
        current = prepare(request.options, lists)
        if not all_targets:
            current = _changed_only(current, pacer)
        return perform_run(current, datetime.now(UTC), nullcontext(screen.show_progress))
    except UserError as exc:
        if not screen.runs:
            raise
        # Such as a list that is being edited, or another run just before.
        return RunOutcome(exits.print_error(str(exc), exits.USAGE))


def _interrupt(number: int) -> NoReturn:
    """End between two runs as within one."""
    raise KeyboardInterrupt(number)


def _changed_only(request: RunRequest, pacer: Pacer) -> RunRequest:
    """Keep controls and targets that changed recently; ``--burst`` permits runs so soon."""
    kept = [
        target
        for target in request.loaded.targets
        if target.control or target.id in pacer.recently_changed
    ]
    return replace(
        request,
        options=replace(request.options, again=True),
        loaded=replace(request.loaded, targets=kept),
    )


def _clock() -> float:
    """Return seconds of a clock that nobody sets, and that counts while the machine sleeps."""
    which = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if which is None else time.clock_gettime(which)


@contextmanager
def _live_display(*, quiet: bool) -> Iterator[Live | None]:
    """Give a display in the lower part of a terminal, below other output; None without one."""
    if quiet or not sys.stdout.isatty():
        yield None
        return
    live = Live(console=Console(), auto_refresh=False, vertical_overflow="crop")
    try:
        yield live
    finally:
        live.stop()


class Screen:
    """Output of a watch: a table in place on a terminal, elsewhere a few lines."""

    def __init__(self, request: RunRequest, live: Live | None, ends_at: datetime) -> None:
        """Begin without a run."""
        self._request = request
        self._lang = request.lang
        self._live = live
        self._ends_at = ends_at
        self._table = ""
        self._verdict = Connectivity.UP
        self.runs = 0

    def show_begin(self) -> None:
        """Show that a run begins."""
        if self.runs:
            self._show(self._lang.gettext("looking at the own line").capitalize() + ".")

    def show_progress(self, progress: Progress) -> None:
        """Show how many targets of a run have results."""
        _ = self._lang.gettext
        done, planned = len(progress.results), progress.planned
        self._show(_("Looking: {done} of {n} targets.", done=done, n=planned))

    def show_wait(self, left_s: float, changed: int) -> None:
        """Show when the next run is due, and over how many changed targets; 0 means over all."""
        minutes, seconds = divmod(round(left_s), 60)
        left = f"{minutes}:{seconds:02}"
        if changed:
            text = self._lang.ngettext(
                "{n} target changed and is asked again in {left}.",
                "{n} targets changed and are asked again in {left}.",
                changed,
                left=left,
            )
        else:
            text = self._lang.gettext("The next look is in {left}.", left=left)
        self._show(text)

    def show_outcome(self, outcome: RunOutcome) -> None:
        """Show the outcome of a run; without a terminal no target is named (SAFETY S16)."""
        self.runs += 1
        if not outcome.result:
            return
        options, progress = self._request.options, outcome.result.progress
        if self._live:
            since = datetime.now(UTC) - timedelta(days=LOOK_BACK_DAYS)
            with suppress(SystemExit, UserError):  # no results yet, or no libraries to read them
                require()
                from keepiton.cli.status_run import render_status  # noqa: PLC0415

                self._table = render_status(self._lang, self._request.data, since=since)
        elif options.verbose:
            for line in summary.lines(outcome.result, outcome.perspective, self._lang):
                click.echo(line, err=True)
        elif progress.verdict != self._verdict and not options.quiet:
            at = f"{outcome.result.ended_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            click.echo(f"{at} {summary.offline_text(progress, self._lang)}", err=True)
        self._verdict = progress.verdict

    def _show(self, text: str) -> None:
        if not self._live:
            return
        self._live.start()  # only now: the first run may have had a question
        lang = self._lang
        lines = [
            lang.ngettext("{n} look.", "{n} looks.", self.runs) + " " + text,
            lang.gettext(self._verdict.text_here).capitalize() + ".",
            lang.gettext(
                "Ends with Ctrl-C, or by itself on {day}.",
                day=lang.instant(self._ends_at, UTC) + " UTC",
            ),
        ]
        content = "\n".join([*lines, "", self._table.rstrip()])
        self._live.update(Text(content, no_wrap=True, overflow="crop"), refresh=True)
