"""``keepiton status``: reads results and prints one table, once or again and again."""

import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from keepiton.base.errors import UserError
from keepiton.base.language import Language
from keepiton.cli import detection, exits, i18n, reading, times, writing
from keepiton.detect import Policy
from keepiton.detect.types import Group
from keepiton.report.build import build
from keepiton.report.defang import defang as defanged
from keepiton.report.formats import STATUS_FORMATS, endings

REFRESH_S = 30.0


def status(
    places: tuple[Path, ...],
    data: Path | None,
    engine: str | None,
    policy: Path | None,
    tz: str | None,
    lang: str | None,
    only_targets: tuple[str, ...],
    only_operators: tuple[str, ...],
    output: Path | None,
    by: "Group",
    form: str | None,
    *,
    watch: bool,
    defang: bool,
) -> None:
    """Run the command: its options are those of :mod:`keepiton.cli.status`."""
    form = writing.choose_format(form, output, endings(STATUS_FORMATS))
    if watch and (form != "table" or output):
        raise UserError("--watch shows the table on the terminal; leave out --format and --output")
    words = i18n.language(lang)
    times.zone(tz, None)
    thresholds = detection.policy_from(policy)

    def text() -> str:
        return render_status(
            words,
            data,
            places=places,
            engine=engine,
            tz=tz,
            only=(only_targets, only_operators),
            policy=thresholds,
            by=by,
            form=form,
            defang=defang,
        )

    if watch:
        _refresh(text)
    writing.write_output(text(), output, form)


def render_status(
    words: "Language",
    data: Path | None,
    *,
    places: tuple[Path, ...] = (),
    engine: str | None = None,
    since: "datetime | None" = None,
    tz: str | None = None,
    only: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    policy: "Policy | None" = None,
    by: "Group" = "operator",
    form: str = "table",
    defang: bool = False,
) -> str:
    """Read results and write what they say of now. Raises UserError; exits 6 without any."""
    results = detection.read_results(
        reading.find_results(places, data, engine), data, since, engine
    )
    report = build(
        results,
        times.zone(tz, results.rounds.country),
        datetime.now(UTC),
        targets=only[0],
        operators=only[1],
        policy=policy or Policy(),
        by=by,
        language=words,
        width=shutil.get_terminal_size((100, 24)).columns,
    )
    if not report or not report.statuses:
        sys.exit(exits.print_error("no measurements of such targets", exits.NO_DATA))
    return STATUS_FORMATS[form].render(defanged(report) if defang else report)


def _refresh(text: Callable[[], str]) -> None:
    """Show a text in place, again and again."""
    console, shown = Console(), text()  # that there is nothing is said on the usual screen
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            live.update(Text(shown, no_wrap=True, overflow="crop"), refresh=True)
            time.sleep(REFRESH_S)
            shown = text()
