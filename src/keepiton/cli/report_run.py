"""``keepiton report``: reads results, detects disruptions and writes a report."""

import gc
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keepiton.cli import detection, exits, extensions, i18n, reading, times, writing
from keepiton.detect.before_during_after import around as range_around
from keepiton.lists import events
from keepiton.lists.types import Event, EventList
from keepiton.report.build import build, number_evidence
from keepiton.report.coarsen import coarsen
from keepiton.report.defang import defang as defanged
from keepiton.report.formats import REPORT_FORMATS, endings
from keepiton.storage.evidence import find_lines, find_seals

LOOK_BACK_DAYS = 9
"""Read before what was asked for, so that noise and usual durations are known; a day of it for the
zone, which is known when the results are."""
MOST_SPANS = 240
"""Parts that a timeline is cut into, at most."""


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
    coarse_step: str | None,
    fail_on: str | None,
    *,
    defang: bool,
) -> None:
    """Run the command: its options are those of :mod:`keepiton.cli.report`."""
    gc.disable()  # a short process; to look for circles of garbage cost a tenth of its time
    # What a person wrote is looked at before anything is read.
    now = datetime.now(UTC)
    words = i18n.language(lang)
    form = writing.choose_format(form, output, endings(REPORT_FORMATS))
    times.zone(tz, None)
    step = times.parse_age(coarse_step, "--coarsen") if coarse_step else None
    event_lists, compared = _events(event_files, event_id)
    around = _around(compared)
    first = times.parse_span(since, until, UTC, now)[0] or around[0]
    thresholds = detection.policy_from(policy)
    series = extensions.external_series(compare)
    files = reading.find_results(places, data, engine)
    recent = first and first - timedelta(days=LOOK_BACK_DAYS)
    while True:
        results = detection.read_results(files, data, recent, engine)
        country = results.rounds.country
        zone = times.zone(tz, country)
        asked = times.parse_span(since, until, zone, now)
        result = build(
            results,
            zone,
            now,
            targets=only_targets,
            operators=only_operators,
            span=(asked[0] or around[0], asked[1] or around[1]),
            policy=thresholds,
            most=MOST_SPANS,
            language=words,
            event=compared,
            events=tuple(
                event
                for event_list in event_lists
                if event_list.country in (None, country)
                for event in event_list.event
            ),
            external=series,
        )
        if results.complete or (
            result
            and not result.never_answered
            and all(window.start_earliest for window in result.windows)
        ):
            break
        recent = None  # what began before, or last answered before, needs all of it
    if not result:
        sys.exit(exits.print_error("no data in the asked range", exits.NO_DATA))
    evidence = [row for window in result.windows for row in window.evidence]
    if REPORT_FORMATS[form].names_files:
        result = replace(result, sealed=find_seals(evidence, files))
    windows = number_evidence(result.windows, find_lines(evidence, files))
    result = replace(result, windows=windows)
    if defang:
        result = defanged(result)
    if step:
        result = coarsen(result, step)
    writing.write_output(REPORT_FORMATS[form].render(result), output, form)
    if fail_on and result.windows:
        sys.exit(exits.DISRUPTION_FOUND)


def _events(files: tuple[Path, ...], name: str | None) -> tuple[list[EventList], Event | None]:
    """Return the person's own and the shipped events, and the one named. Raises UserError."""
    event_lists = [*map(events.read, files), *events.shipped()]
    return event_lists, events.find(name, event_lists) if name else None


def _around(event: Event | None) -> tuple[datetime | None, datetime | None]:
    """Return the range of time that an event is compared over."""
    if not event:
        return None, None
    (begin, _), _, (_, end) = range_around(event.span())
    return begin, end
