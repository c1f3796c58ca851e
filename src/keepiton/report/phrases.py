"""The phrases of reports: each function writes one fact in the reader's language."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from keepiton.base.language import Language
from keepiton.detect import Policy
from keepiton.detect.types import BeforeDuringAfter, Difference, Period, Status, Trend, Window
from keepiton.lists.types import Event
from keepiton.report.types import Report
from keepiton.report.vocabulary import (
    BARS,
    HIDDEN,
    INSUFFICIENT_LABELS,
    MANY,
    NOTHING,
    PRECISIONS,
    SCOPES,
    SEEN_FROM,
    SEVERITIES,
    SIDES,
    SIGNS,
    STATES,
    WHOM,
)


def zone_name(report: Report) -> str:
    """Name the zone of all times."""
    return str(getattr(report.zone, "key", None) or report.zone)


def instant(at: datetime, report: Report) -> str:
    """Write an instant to the minute in the reader's zone, and in UTC where that is another."""
    local = at.astimezone(report.zone)
    shown = report.lang.instant(at, report.zone)
    utc = at.astimezone(UTC)
    if local.utcoffset() == timedelta(0):
        return shown
    other = "" if utc.date() == local.date() else f"{report.lang.day(utc, year=False)}, "
    return f"{shown} ({other}{utc:%H:%M} UTC)"


def times(report: Report) -> str:
    """Say in which zone the times are, and UTC beside it."""
    zone = zone_name(report)
    if zone == "UTC":
        return report.lang.gettext("Times are {zone}.", zone=zone)
    return report.lang.gettext("Times are {zone}, in brackets UTC.", zone=zone)


def between(first: datetime, last: datetime, report: Report) -> str:
    """Write what is known of an edge: it lies between two instants."""
    _ = report.lang.gettext
    days = {at.astimezone(zone).date() for at in (first, last) for zone in (report.zone, UTC)}
    if len(days) > 1:
        return _(
            "between {first} and {last}", first=instant(first, report), last=instant(last, report)
        )
    local = [f"{at.astimezone(report.zone):%H:%M}" for at in (first, last)]
    day = report.lang.day(first.astimezone(report.zone))
    text = _("{day}, between {first} and {last}", day=day, first=local[0], last=local[1])
    utc = [f"{at.astimezone(UTC):%H:%M}" for at in (first, last)]
    return text if utc == local else f"{text} ({utc[0]}-{utc[1]} UTC)"


def began(window: Window, report: Report) -> str:
    """Write the start as what is known of it."""
    _ = report.lang.gettext
    if window.start_earliest is None:
        first = instant(window.start_latest, report)
        return _("before {first} (first observation)", first=first)
    edge = between(window.start_earliest, window.start_latest, report)
    if window.starts_on_half_hour:
        return _("{edge}; a full or half hour lies in it", edge=edge)
    return edge


def ended(window: Window, report: Report) -> str:
    """Write the end as what is known of it."""
    _ = report.lang.gettext
    if window.end_latest:
        return between(window.end_earliest, window.end_latest, report)
    last = instant(window.end_earliest, report)
    if window.ongoing:
        return _("not yet at {last} (last observation)", last=last)
    return _("after {last} (nobody looked afterwards)", last=last)


def duration(window: Window, language: Language) -> str:
    """Write how long it lasted, as a range."""
    least = language.duration(window.end_earliest - window.start_latest)
    if not (window.start_earliest and window.end_latest):
        return language.gettext("at least {least}", least=least)
    most = language.duration(window.end_latest - window.start_earliest)
    return language.gettext("{least} to {most}", least=least, most=most)


def heading(window: Window, language: Language) -> str:
    """Name a window: what, from where, how sure."""
    _ = language.gettext
    return (
        f"{window.subject} ({_(SCOPES[window.scope])}), {_(SEEN_FROM[window.perspective])}:"
        f" {confidence_text(window, language)}"
    )


def confidence_text(window: Window, language: Language) -> str:
    """Write how sure it is, in words and as a number."""
    return f"{language.gettext(window.confidence_label)} ({language.confidence(window.confidence)})"


def kind(window: Window, language: Language) -> str:
    """Write how severe it was, where it broke and how much of the scope it touched."""
    _ = language.gettext
    parts = [_(SEVERITIES[window.severity])]
    if window.layer:
        parts.append(_("at {stage}", stage=window.layer))
    if window.flapping:
        parts.append(_("came and went"))
    parts.append(_("{share} of the scope's targets affected", share=language.percent(window.share)))
    return ", ".join(parts)


def policy(report: Report) -> str:
    """Write every threshold; those that are not the usual ones first."""
    usual = asdict(Policy())
    values = asdict(report.policy)
    _ = report.lang.gettext
    thresholds = [
        _(
            "{name}={value} (usually {usual})",
            name=name,
            value=f"{value:g}",
            usual=f"{usual[name]:g}",
        )
        for name, value in values.items()
        if value != usual[name]
    ]
    thresholds += [f"{name}={value:.10g}" for name, value in values.items() if value == usual[name]]
    return _("Thresholds: {thresholds}", thresholds=", ".join(thresholds))


def failures(window: Window, language: Language, most: int = 3) -> str:
    """Write the commonest failures with their counts."""
    shown = [f"{name} ({language.number(n)})" for name, n in list(window.failures.items())[:most]]
    more = len(window.failures) - most
    if more > 0:
        shown.append(language.ngettext("{n} more kind", "{n} more kinds", more))
    return ", ".join(shown)


def evidence(window: Window, language: Language) -> str:
    """Write how much failed, and how."""
    bad = language.number(window.rounds_bad)
    if window.severity == "degraded":
        text = language.ngettext(
            "{bad} of {n} round slow", "{bad} of {n} rounds slow", window.rounds, bad=bad
        )
    else:
        text = language.ngettext(
            "{bad} of {n} round failed", "{bad} of {n} rounds failed", window.rounds, bad=bad
        )
    return text + (f": {failures(window, language)}" if window.failures else "")


def meanings(window: Window, language: Language, most: int = 3) -> str:
    """Say in plain words what the commonest failures are."""
    from keepiton.report import explain  # noqa: PLC0415 - of pages alone

    texts = explain.kinds()["failure"]
    codes = dict.fromkeys(name.partition(" ")[2] for name in window.failures)
    return "; ".join(
        f"{code}: {language.gettext(texts[code].short)}"
        for code in list(codes)[:most]
        if code in texts
    )


def vantages(window: Window, language: Language) -> str:
    """Write who saw it, who did not speak, and how much of the time was observed."""
    saw = language.ngettext("{n} saw it", "{n} saw it", len(window.vantages_for))
    if window.vantages_for:
        saw += f" ({', '.join(window.vantages_for)})"
    against = language.ngettext(
        "{n} saw the opposite", "{n} saw the opposite", len(window.vantages_against)
    )
    silent = language.ngettext("{n} silent", "{n} silent", len(window.vantages_without_data))
    observed = language.gettext(
        "{share} of the time observed", share=language.percent(window.coverage)
    )
    gaps = [language.ngettext("{n} gap", "{n} gaps", len(window.gaps))] if window.gaps else []
    return f"{saw}, {against}, {silent}; {', '.join([observed, *gaps])}"


def sides(window: Window, language: Language) -> str:
    """Count who saw it, who saw the opposite and who was silent."""
    return language.gettext(
        "{for_it} for, {against} against, {silent} silent",
        for_it=len(window.vantages_for),
        against=len(window.vantages_against),
        silent=len(window.vantages_without_data),
    )


def evidence_rows(window: Window) -> list[str]:
    """Write where failures can be read: file, line, target."""
    return [
        f"{row.file}{f':{row.line}' if row.line else ''} ({row.target})" for row in window.evidence
    ]


def refuted_by(window: Window, language: Language) -> str:
    """Say what would show the window to be wrong."""
    _ = language.gettext
    whom = _(WHOM[window.perspective])
    if window.severity == "degraded":
        return _("answers as fast as usual to {whom} in that time", whom=whom)
    if window.severity == "partial" or len(window.targets) > 1:
        return _("answers of most of these targets to {whom} in that time", whom=whom)
    return _(
        "an answer of {target} to {whom} in that time", target=", ".join(window.targets), whom=whom
    )


def facts(window: Window, report: Report) -> list[tuple[str, str]]:
    """Name all that a window rests on, with what would refute it and where it can be read."""
    language = report.lang
    _ = language.gettext
    named = [
        (_("verdict"), _(window.verdict)),
        (_("kind"), kind(window, language)),
        (_("evidence"), evidence(window, language)),
        (_("that means"), meanings(window, language)),
        (_("vantages"), vantages(window, language)),
        (_("targets"), ", ".join(window.targets)),
        (_("operators"), ", ".join(window.operators)),
        (_("refuted by"), refuted_by(window, language)),
        *((_("witness"), fact) for fact in evidence_rows(window)),
        (_("id"), window.id),
    ]
    return [(name, fact) for name, fact in named if fact]


def vantage_outages(report: Report) -> list[str]:
    """Write when each vantage's own line was not simply up; of many, single runs as a count."""
    language = report.lang
    shown = report.connectivity_periods
    if len(shown) > MANY:
        shown = tuple(period for period in shown if period.runs > 1)
    lines = [
        language.gettext(
            "{vantage}  {first} to {last}  {what} ({runs})",
            vantage=period.vantage,
            first=language.instant(period.start, report.zone),
            last=language.instant(period.end, report.zone),
            what=language.gettext(period.connectivity.text),
            runs=language.ngettext("{n} run", "{n} runs", period.runs),
        )
        for period in shown
    ]
    left = len(report.connectivity_periods) - len(shown)
    if left:
        lines.append(
            language.ngettext(
                "and {n} single run of the kind (all in the JSON report)",
                "and {n} single runs of the kind (all in the JSON report)",
                left,
            )
        )
    return lines


def state(status: Status, report: Report) -> str:
    """Write a state as a sign and a word, and how sure the disruption is that it is in."""
    sure = f" {report.lang.confidence(status.confidence)}" if status.confidence else ""
    return f"{SIGNS[status.state]} {report.lang.gettext(STATES[status.state])}{sure}"


def since(status: Status, report: Report) -> str:
    """Write since when a state holds, or when something answered last, where that is not known.

    The year stands only where it is not that of the newest data.
    """
    if status.since is None:
        if not status.last_seen:
            return report.lang.gettext("never answered")
        age_of_it = report.lang.duration(report.now - status.last_seen)
        return report.lang.gettext("answered {age} ago", age=age_of_it)
    year = (report.last_at or report.now).astimezone(report.zone).year

    def short(at: datetime) -> str:
        return f"{report.lang.day(at, year=at.year != year)} {at:%H:%M}"

    after, by = (at and at.astimezone(report.zone) for at in status.since)
    assert by  # noqa: S101 - the second instant is always there
    if after is None:
        return report.lang.gettext("before {first}", first=short(by))
    return f"{short(after)}–{f'{by:%H:%M}' if by.date() == after.date() else short(by)}"


def strip(trend: Trend, cells: int) -> str:
    """Draw a trend in so many characters: how much answered, ``·`` no data, ``?`` not told."""
    return "".join(
        BARS[min(int(good / (good + bad) * len(BARS)), len(BARS) - 1)]
        if good + bad
        else HIDDEN
        if hidden
        else NOTHING
        for good, bad, hidden in zip(
            *(_gathered(counts, cells) for counts in (trend.good, trend.bad, trend.inconclusive)),
            strict=True,
        )
    )


def _gathered(counts: Sequence[int], cells: int) -> Iterable[int]:
    size = -(-len(counts) // cells)
    return (sum(counts[at : at + size]) for at in range(0, len(counts), size))


def age(report: Report) -> str:
    """Write how old the newest data is."""
    if report.last_at is None:
        return report.lang.gettext("no data")
    old = report.lang.duration(report.now - report.last_at)
    return report.lang.gettext("{age} old", age=old)


def warning(report: Report) -> str | None:
    """Say first and loudly that the newest data says nothing of now, where that is so."""
    last = report.last_at
    if (
        report.until
        or last is None
        or report.now - last <= timedelta(seconds=report.policy.fresh_s)
    ):
        return None
    return report.lang.gettext(
        "OLD DATA: the newest is from {last}, {age} old. It says nothing about now.",
        last=instant(last, report),
        age=report.lang.duration(report.now - last),
    )


def basis(report: Report) -> str:
    """Say in a line what all of it rests on."""
    language = report.lang
    first, last = (
        language.instant(at, report.zone) if at else "-" for at in (report.first_at, report.last_at)
    )
    return language.gettext(
        "{rounds} of {runs} from {vantages}, {first} to {last} {zone}; newest data {age}",
        rounds=language.ngettext("{n} round", "{n} rounds", report.rounds),
        runs=language.ngettext("{n} run", "{n} runs", report.runs),
        vantages=language.ngettext("{n} vantage", "{n} vantages", len(report.vantages)),
        first=first,
        last=last,
        zone=zone_name(report),
        age=age(report),
    )


def none_found(report: Report) -> str:
    """Say that there is no window, and not more than that."""
    if any(period.connectivity.counts_as_offline for period in report.connectivity_periods):
        return report.lang.gettext(
            "No disruption found in this data; some of it is inconclusive, since a vantage's own"
            " line was not up."
        )
    return report.lang.gettext("No disruption found in this data.")


def remarks(report: Report) -> list[str]:
    """List what a reader must know beside the windows."""
    language = report.lang
    notes = list(report.warnings)
    if report.unsealed:
        notes.append(
            language.ngettext(
                "{unsealed} of {n} file unsealed: under way, or cut off",
                "{unsealed} of {n} files unsealed: under way, or cut off",
                report.files,
                unsealed=language.number(report.unsealed),
            )
        )
    never = report.never_answered
    if never:
        names = list(never[:10])
        if len(never) > len(names):
            names.append(language.ngettext("{n} more", "{n} more", len(never) - len(names)))
        notes.append(
            language.gettext(
                "never seen to answer, so no windows for them: {names}", names=", ".join(names)
            )
        )
    return notes


def title(report: Report) -> str:
    """Name the report by the event it is about, or by its time."""
    _ = report.lang.gettext
    if report.event:
        return _("Disruptions: {event}", event=event_name(report.event, report.lang))
    first = report.since or report.first_at or report.now
    last = report.until or report.last_at or report.now
    days = [report.lang.day(at.astimezone(report.zone)) for at in (first, last)]
    if days[0] == days[1]:
        return _("Disruptions on {day}", day=days[0])
    return _("Disruptions from {first} to {last}", first=days[0], last=days[1])


def summary(report: Report) -> str:
    """Say in two sentences what was found, the gravest first."""
    language = report.lang
    if not report.windows:
        return none_found(report)
    worst = max(report.windows, key=lambda window: (window.impact, window.confidence))
    count = language.ngettext(
        "{n} disruption was found.", "{n} disruptions were found.", len(report.windows)
    )
    return (
        count
        + " "
        + language.gettext(
            "The gravest: {what}; lasted {length}; {verdict}.",
            what=heading(worst, language),
            length=duration(worst, language),
            verdict=language.gettext(worst.verdict),
        )
    )


def finding_title(status: Status, language: Language) -> str:
    """Say in words what a trend shows."""
    good, bad = sum(status.trend.good), sum(status.trend.bad)
    return language.gettext(
        "{name} ({side}): {share} of rounds answered",
        name=status.subject,
        side=language.gettext(SIDES[status.perspective]),
        share=language.percent(good / (good + bad)) if good + bad else "-",
    )


def event_name(event: Event, language: Language) -> str:
    """Name an event in the reader's language, or in English where nobody gave that."""
    return event.title_in(language.code)


def event_span(report: Report, event: Event) -> str:
    """Write when an event was, how far that can be trusted, and who says so."""
    start, end = event.span()
    return report.lang.gettext(
        "{first} to {last}, precise to the {precision}; source: {source}",
        first=instant(start, report),
        last=instant(end, report),
        precision=report.lang.gettext(PRECISIONS[event.precision]),
        source=event.source,
    )


def comparison_cells(comparison: BeforeDuringAfter, report: Report) -> list[str]:
    """Write one operator's row: before, during and after an event."""
    language = report.lang
    periods = (comparison.before, comparison.during, comparison.after)
    thin = "; ".join(language.gettext(INSUFFICIENT_LABELS[why]) for why in comparison.insufficient)
    took = " / ".join(
        "-" if period.latency_ms is None else language.number(round(period.latency_ms))
        for period in periods
    )
    count = sum(
        (comparison.subject == window.subject or comparison.subject in window.operators)
        and window.perspective in (comparison.perspective, "both")
        and window.start_earliest is not None
        and window.start_latest <= comparison.during.end
        and (window.end_latest or window.end_earliest) >= comparison.during.start
        for window in report.windows
    )
    return [
        comparison.subject,
        language.gettext(SIDES[comparison.perspective]),
        *(_share(period, language) for period in periods),
        _points(comparison.difference, language) or thin,
        _points(comparison.difference_after, language) or thin,
        language.gettext("{times} ms", times=took),
        _milliseconds(comparison.latency_difference_ms, language),
        language.number(count),
    ]


def _share(period: Period, language: Language) -> str:
    if period.share is None:
        return language.gettext("no data")
    rounds = language.ngettext("{n} round", "{n} rounds", period.rounds)
    return f"{language.percent(period.share)} ({rounds})"


def _points(difference: Difference | None, language: Language) -> str:
    """Write a difference of shares in percentage points, with its interval."""
    if difference is None:
        return ""
    value, low, high = (
        language.number(round(part * 100))
        for part in (difference.value, difference.low, difference.high)
    )
    return language.gettext("{value} points ({low} to {high})", value=value, low=low, high=high)


def _milliseconds(difference: Difference | None, language: Language) -> str:
    """Write a difference of latencies, with its interval."""
    if difference is None:
        return "-"
    value, low, high = (
        language.number(round(part)) for part in (difference.value, difference.low, difference.high)
    )
    return language.gettext("{value} ms ({low} to {high})", value=value, low=low, high=high)
