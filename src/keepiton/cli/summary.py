"""A run on the terminal: a bar while it lasts, a summary worth reading afterwards."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keepiton.base.connectivity import Connectivity
from keepiton.base.language import Language, gettext_noop

if TYPE_CHECKING:
    from keepiton.base.types import RowState
    from keepiton.probe.run import RunResult
    from keepiton.probe.types import Progress
    from keepiton.storage.rows import EndReason

STATES: "dict[RowState, str]" = {
    "ok": gettext_noop("answered"),
    "fail": gettext_noop("failed"),
    "inconclusive": gettext_noop("inconclusive"),
    "skipped": gettext_noop("skipped"),
}
SHOWN_FAILURES = 20
SHOWN_OFFSET_MS = 2000


@contextmanager
def bar(words: Language, *, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Show a progress bar, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(words.gettext("looking at the own line"), total=None)

        def step(progress: "Progress") -> None:
            counts = Counter(result.state for result in progress.results)
            description = ", ".join(
                f"{count} {words.gettext(STATES[state])}" for state, count in sorted(counts.items())
            )
            done = len(progress.results)
            if done == progress.planned:
                description += "; " + words.gettext("last questions")
            shown.update(task, total=progress.planned, completed=done, description=description)

        yield step


REASONS: "dict[EndReason, str]" = {
    "finished": gettext_noop("finished"),
    "deadline": gettext_noop("the deadline came"),
    "byte_cap": gettext_noop("the limit of bytes came"),
    "interrupted": gettext_noop("interrupted"),
    "terminated": gettext_noop("terminated"),
    "recovered": gettext_noop("recovered"),
}
FROM = {"inside": gettext_noop("from inside"), "outside": gettext_noop("from outside")}


def offline_text(progress: "Progress", words: Language) -> str:
    """Return what the control targets show of this machine's own connection."""
    _ = words.gettext
    controls = progress.controls
    count = _("{ok} of {n} foreign controls answered", ok=controls.foreign_ok, n=controls.foreign)
    if controls.domestic:
        count += ", " + _("{ok} of {n} domestic", ok=controls.domestic_ok, n=controls.domestic)
    text = _(progress.verdict.text_here)
    if progress.verdict.is_offline and not all(
        check.counts_as_offline for check in progress.connectivities
    ):
        text = _(
            "this machine's own line was down for a part: failures of that part are inconclusive"
        )
    text = f"{text} ({count})"
    if progress.verdict is Connectivity.DOWN:
        text += "; " + _("practise meanwhile without a network: keepiton drill")
    return text


def lines(run: "RunResult", perspective: str, words: Language) -> "Iterator[str]":
    """Write what a person wants to know after a run."""
    from datetime import UTC  # noqa: PLC0415

    from keepiton.base.types import clean  # noqa: PLC0415
    from keepiton.report.table import columns  # noqa: PLC0415

    _ = words.gettext
    progress = run.progress
    counts = Counter(result.state for result in progress.results)
    yield words.ngettext(
        "Probed {n} target {side}, {first} to {last} UTC ({reason}).",
        "Probed {n} targets {side}, {first} to {last} UTC ({reason}).",
        len(progress.results),
        side=_(FROM[perspective]),
        first=f"{words.day(run.started_at)} {run.started_at.astimezone(UTC):%H:%M:%S}",
        last=f"{run.ended_at.astimezone(UTC):%H:%M:%S}",
        reason=_(REASONS[progress.reason]),
    )
    text = offline_text(progress, words)
    yield text[0].upper() + text[1:] + "."
    yield _(
        "Targets: {ok} answered, {fail} failed, {unsure} inconclusive, {skipped} skipped.",
        ok=counts["ok"],
        fail=counts["fail"],
        unsure=counts["inconclusive"],
        skipped=counts["skipped"],
    )
    failed = sorted(
        (result for result in progress.results if result.state == "fail"),
        key=lambda result: (result.target.operator or "~", result.target.id),
    )
    if failed:
        rows = [
            [
                clean(result.target.id),
                result.target.operator or "-",
                result.stage or "-",
                result.failure or "-",
            ]
            for result in failed[:SHOWN_FAILURES]
        ]
        yield ""
        yield columns([_("failed"), _("operator"), _("at what stage"), _("how")], rows).rstrip()
        more = len(failed) - SHOWN_FAILURES
        if more > 0:
            yield words.ngettext("and {n} more", "and {n} more", more)
        yield ""
    yield _(
        "Received {kilobytes} kB.", kilobytes=words.number(round(progress.bytes_received / 1000))
    )
    offset_ms = progress.clock_offset_ms or 0
    if abs(offset_ms) > SHOWN_OFFSET_MS:
        yield _(
            "This machine's clock is {seconds} s off that of the controls.",
            seconds=f"{-offset_ms / 1000:+.0f}",
        )
    if run.recovered:
        yield _("Sealed what an earlier run left behind: {path}", path=run.recovered)
    yield _("Results: {path}", path=run.path)
