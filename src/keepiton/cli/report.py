"""``keepiton report``."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.cli import exits, i18n, reading, shared_options, times, writing
from keepiton.report.formats import REPORT_FORMATS, endings

if TYPE_CHECKING:
    from datetime import datetime

    from keepiton.lists.types import Event, EventList

LOOK_BACK_DAYS = 9
"""Read before what was asked for, so that noise and usual durations are known; a day of it for the
zone, which is known when the results are."""
MOST_SPANS = 240
"""Parts that a timeline is cut into, at most."""


@click.command()
@shared_options.reading_options
@click.option("--since", help="Only what touches the time from here: 2022-02-27T08:00, or 24h.")
@click.option("--until", help="Only what touches the time up to here.")
@click.option(
    "--event",
    "event_id",
    metavar="ID",
    help="Compare before, during and after an event, such as referendum-2022"
    " (docs/guides/events.md).",
)
@click.option(
    "--events",
    "event_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A TOML file of events of your own, beside those that are shipped. Repeatable.",
)
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw figures of IODA, OONI or Cloudflare Radar, as downloaded, below ours. Repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(REPORT_FORMATS)),
    help="Kind of report.  [default: by the ending of --output, or table]",
)
@click.option(
    "--round", "rounded", help="Coarsen all times for sharing, to steps such as 5m or 1h."
)
@click.option(
    "--fail-on", type=click.Choice(["disruption"]), help="Exit 3 when one is in the report."
)
def report(
    places: tuple[Path, ...],
    data: Path | None,
    engine: str | None,
    policy: Path | None,
    tz: str | None,
    lang: str | None,
    only_targets: tuple[str, ...],
    only_operators: tuple[str, ...],
    output: Path | None,
    since: str | None,
    until: str | None,
    event_id: str | None,
    event_files: tuple[Path, ...],
    compare: tuple[Path, ...],
    form: str | None,
    rounded: str | None,
    fail_on: str | None,
    *,
    defang: bool,
) -> None:
    """Turn result files into disruption windows.

    Reads this machine's results, or any files, folders and globs named, of any number of vantages.
    """
    from dataclasses import replace  # noqa: PLC0415
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    gc.disable()  # a short process; to look for circles of garbage cost a tenth of its time
    # What a person wrote is looked at before anything is read.
    now = datetime.now(UTC)
    words = i18n.language(lang)
    form = writing.choose_format(form, output, endings(REPORT_FORMATS))
    times.zone(tz, None)
    step = times.parse_age(rounded, "--round") if rounded else None
    listed, event = _events(event_files, event_id)
    around = _around(event)
    first = times.parse_span(since, until, UTC, now)[0] or around[0]
    reading.require_readers()
    from keepiton import compare as others  # noqa: PLC0415
    from keepiton.report.build import build  # noqa: PLC0415
    from keepiton.report.coarsen import coarsen  # noqa: PLC0415
    from keepiton.report.defang import defang as defanged  # noqa: PLC0415
    from keepiton.storage.evidence import find_lines, find_seals  # noqa: PLC0415

    thresholds = reading.policy_from(policy)
    series = tuple(one for path in compare for one in others.read(path))
    files = reading.find_results(places, data, engine)
    recent = first and first - timedelta(days=LOOK_BACK_DAYS)
    while True:
        found = reading.read_results(files, data, recent, engine)
        country = found.rounds.country
        zone = times.zone(tz, country)
        asked = times.parse_span(since, until, zone, now)
        made = build(
            found,
            zone,
            now,
            targets=only_targets,
            operators=only_operators,
            span=(asked[0] or around[0], asked[1] or around[1]),
            policy=thresholds,
            most=MOST_SPANS,
            language=words,
            event=event,
            events=tuple(
                one for each in listed if each.country in (None, country) for one in each.event
            ),
            external=series,
        )
        if found.complete or (
            made and not made.never_answered and all(one.start_earliest for one in made.windows)
        ):
            break
        recent = None  # what began before, or last answered before, needs all of it
    if not made:
        sys.exit(exits.print_error("no data in the asked range", exits.NO_DATA))
    made = replace(made, windows=find_lines(made.windows, files))
    if REPORT_FORMATS[form].names_files:
        made = replace(made, sealed=find_seals(made.windows, files))
    if defang:
        made = defanged(made)
    if step:
        made = coarsen(made, step)
    writing.write_output(REPORT_FORMATS[form].render(made), output, form)
    if fail_on and made.windows:
        sys.exit(exits.DISRUPTION_FOUND)


def _events(files: tuple[Path, ...], name: str | None) -> "tuple[list[EventList], Event | None]":
    """Read the shipped events and a person's own; find the one that was named. Raises UserError."""
    from keepiton.lists import events  # noqa: PLC0415

    listed = [*map(events.read, files), *events.shipped()]
    return listed, events.find(name, listed) if name else None


def _around(event: "Event | None") -> "tuple[datetime | None, datetime | None]":
    """Return the time that an event is compared over."""
    if not event:
        return None, None
    from keepiton.detect.before_during_after import around  # noqa: PLC0415

    (begin, _), _, (_, end) = around(event.span())
    return begin, end
