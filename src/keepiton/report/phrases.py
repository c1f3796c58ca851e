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
    days = {one.astimezone(zone).date() for one in (first, last) for zone in (report.zone, UTC)}
    if len(days) > 1:
        return _(
            "between {first} and {last}", first=instant(first, report), last=instant(last, report)
        )
    local = [f"{one.astimezone(report.zone):%H:%M}" for one in (first, last)]
    day = report.lang.day(first.astimezone(report.zone))
    said = _("{day}, between {first} and {last}", day=day, first=local[0], last=local[1])
    utc = [f"{one.astimezone(UTC):%H:%M}" for one in (first, last)]
    return said if utc == local else f"{said} ({utc[0]}-{utc[1]} UTC)"


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


def duration(window: Window, words: Language) -> str:
    """Write how long it lasted, as a range."""
    least = words.duration(window.end_earliest - window.start_latest)
    if not (window.start_earliest and window.end_latest):
        return words.gettext("at least {least}", least=least)
    most = words.duration(window.end_latest - window.start_earliest)
    return words.gettext("{least} to {most}", least=least, most=most)


def heading(window: Window, words: Language) -> str:
    """Name a window: what, from where, how sure."""
    _ = words.gettext
    return (
        f"{window.subject} ({_(SCOPES[window.scope])}), {_(SEEN_FROM[window.perspective])}:"
        f" {confidence_text(window, words)}"
    )


def confidence_text(window: Window, words: Language) -> str:
    """Write how sure it is, in words and as a number."""
    return f"{words.gettext(window.confidence_label)} ({words.confidence(window.confidence)})"


def kind(window: Window, words: Language) -> str:
    """Write how severe it was, where it broke and how much of the scope it touched."""
    _ = words.gettext
    parts = [_(SEVERITIES[window.severity])]
    if window.layer:
        parts.append(_("at {stage}", stage=window.layer))
    if window.flapping:
        parts.append(_("came and went"))
    parts.append(_("{share} of the scope's targets affected", share=words.percent(window.share)))
    return ", ".join(parts)


def policy(report: Report) -> str:
    """Write every threshold; those that are not the usual ones first."""
    usual = asdict(Policy())
    values = asdict(report.policy)
    _ = report.lang.gettext
    said = [
        _("{name}={value} (usually {usual})", name=name, value=f"{one:g}", usual=f"{usual[name]:g}")
        for name, one in values.items()
        if one != usual[name]
    ]
    said += [f"{name}={one:.10g}" for name, one in values.items() if one == usual[name]]
    return _("Thresholds: {thresholds}", thresholds=", ".join(said))


def failures(window: Window, words: Language, most: int = 3) -> str:
    """Write the commonest failures with their counts."""
    shown = [f"{name} ({words.number(n)})" for name, n in list(window.failures.items())[:most]]
    more = len(window.failures) - most
    if more > 0:
        shown.append(words.ngettext("{n} more kind", "{n} more kinds", more))
    return ", ".join(shown)


def evidence(window: Window, words: Language) -> str:
    """Write how much failed, and how."""
    bad = words.number(window.rounds_bad)
    if window.severity == "degraded":
        said = words.ngettext(
            "{bad} of {n} round slow", "{bad} of {n} rounds slow", window.rounds, bad=bad
        )
    else:
        said = words.ngettext(
            "{bad} of {n} round failed", "{bad} of {n} rounds failed", window.rounds, bad=bad
        )
    return said + (f": {failures(window, words)}" if window.failures else "")


def meanings(window: Window, words: Language, most: int = 3) -> str:
    """Say in plain words what the commonest failures are."""
    from keepiton.report import explain  # noqa: PLC0415 - of pages alone

    texts = explain.kinds()["failure"]
    codes = dict.fromkeys(name.partition(" ")[2] for name in window.failures)
    return "; ".join(
        f"{code}: {words.gettext(texts[code].short)}"
        for code in list(codes)[:most]
        if code in texts
    )


def vantages(window: Window, words: Language) -> str:
    """Write who saw it, who did not speak, and how much of the time was observed."""
    saw = words.ngettext("{n} saw it", "{n} saw it", len(window.vantages_for))
    if window.vantages_for:
        saw += f" ({', '.join(window.vantages_for)})"
    against = words.ngettext(
        "{n} saw the opposite", "{n} saw the opposite", len(window.vantages_against)
    )
    silent = words.ngettext("{n} silent", "{n} silent", len(window.vantages_without_data))
    seen = words.gettext("{share} of the time observed", share=words.percent(window.coverage))
    gaps = [words.ngettext("{n} gap", "{n} gaps", len(window.gaps))] if window.gaps else []
    return f"{saw}, {against}, {silent}; {', '.join([seen, *gaps])}"


def sides(window: Window, words: Language) -> str:
    """Count who saw it, who saw the opposite and who was silent."""
    return words.gettext(
        "{for_it} for, {against} against, {silent} silent",
        for_it=len(window.vantages_for),
        against=len(window.vantages_against),
        silent=len(window.vantages_without_data),
    )


def evidence_rows(window: Window) -> list[str]:
    """Write where failures can be read: file, line, target."""
    return [
        f"{one.file}{f':{one.line}' if one.line else ''} ({one.target})" for one in window.evidence
    ]


def refuted_by(window: Window, words: Language) -> str:
    """Say what would show the window to be wrong."""
    _ = words.gettext
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
    words = report.lang
    _ = words.gettext
    told = [
        (_("verdict"), _(window.verdict)),
        (_("kind"), kind(window, words)),
        (_("evidence"), evidence(window, words)),
        (_("that means"), meanings(window, words)),
        (_("vantages"), vantages(window, words)),
        (_("targets"), ", ".join(window.targets)),
        (_("operators"), ", ".join(window.operators)),
        (_("refuted by"), refuted_by(window, words)),
        *((_("witness"), one) for one in evidence_rows(window)),
        (_("id"), window.id),
    ]
    return [(name, one) for name, one in told if one]


def vantage_outages(report: Report) -> list[str]:
    """Write when each vantage's own line was not simply up; of many, single runs as a count."""
    words = report.lang
    shown = report.connectivity_periods
    if len(shown) > MANY:
        shown = tuple(one for one in shown if one.runs > 1)
    said = [
        words.gettext(
            "{vantage}  {first} to {last}  {what} ({runs})",
            vantage=one.vantage,
            first=words.instant(one.start, report.zone),
            last=words.instant(one.end, report.zone),
            what=words.gettext(one.connectivity.text),
            runs=words.ngettext("{n} run", "{n} runs", one.runs),
        )
        for one in shown
    ]
    left = len(report.connectivity_periods) - len(shown)
    if left:
        said.append(
            words.ngettext(
                "and {n} single run of the kind (all in the JSON report)",
                "and {n} single runs of the kind (all in the JSON report)",
                left,
            )
        )
    return said


def state(one: Status, report: Report) -> str:
    """Write a state as a sign and a word, and how sure the disruption is that it is in."""
    sure = f" {report.lang.confidence(one.confidence)}" if one.confidence else ""
    return f"{SIGNS[one.state]} {report.lang.gettext(STATES[one.state])}{sure}"


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

    after, by = (one and one.astimezone(report.zone) for one in status.since)
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
            *(_gathered(one, cells) for one in (trend.good, trend.bad, trend.inconclusive)),
            strict=True,
        )
    )


def _gathered(counts: Sequence[int], cells: int) -> Iterable[int]:
    each = -(-len(counts) // cells)
    return (sum(counts[at : at + each]) for at in range(0, len(counts), each))


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
    found, words = report, report.lang
    first, last = (
        words.instant(at, report.zone) if at else "-" for at in (found.first_at, found.last_at)
    )
    return words.gettext(
        "{rounds} of {runs} from {vantages}, {first} to {last} {zone}; newest data {age}",
        rounds=words.ngettext("{n} round", "{n} rounds", found.rounds),
        runs=words.ngettext("{n} run", "{n} runs", found.runs),
        vantages=words.ngettext("{n} vantage", "{n} vantages", len(found.vantages)),
        first=first,
        last=last,
        zone=zone_name(report),
        age=age(report),
    )


def none_found(report: Report) -> str:
    """Say that there is no window, and not more than that."""
    if any(one.connectivity.counts_as_offline for one in report.connectivity_periods):
        return report.lang.gettext(
            "No disruption found in this data; some of it is inconclusive, since a vantage's own"
            " line was not up."
        )
    return report.lang.gettext("No disruption found in this data.")


def remarks(report: Report) -> list[str]:
    """List what a reader must know beside the windows."""
    words = report.lang
    said = list(report.warnings)
    if report.unsealed:
        said.append(
            words.ngettext(
                "{unsealed} of {n} file unsealed: under way, or cut off",
                "{unsealed} of {n} files unsealed: under way, or cut off",
                report.files,
                unsealed=words.number(report.unsealed),
            )
        )
    never = report.never_answered
    if never:
        names = list(never[:10])
        if len(never) > len(names):
            names.append(words.ngettext("{n} more", "{n} more", len(never) - len(names)))
        said.append(
            words.gettext(
                "never seen to answer, so no windows for them: {names}", names=", ".join(names)
            )
        )
    return said


def title(report: Report) -> str:
    """Name the report by the event it is about, or by its time."""
    _ = report.lang.gettext
    if report.event:
        return _("Disruptions: {event}", event=event_name(report.event, report.lang))
    first = report.since or report.first_at or report.now
    last = report.until or report.last_at or report.now
    days = [report.lang.day(one.astimezone(report.zone)) for one in (first, last)]
    if days[0] == days[1]:
        return _("Disruptions on {day}", day=days[0])
    return _("Disruptions from {first} to {last}", first=days[0], last=days[1])


def summary(report: Report) -> str:
    """Say in two sentences what was found, the gravest first."""
    words = report.lang
    if not report.windows:
        return none_found(report)
    worst = max(report.windows, key=lambda one: (one.impact, one.confidence))
    found = words.ngettext(
        "{n} disruption was found.", "{n} disruptions were found.", len(report.windows)
    )
    return (
        found
        + " "
        + words.gettext(
            "The gravest: {what}; lasted {length}; {verdict}.",
            what=heading(worst, words),
            length=duration(worst, words),
            verdict=words.gettext(worst.verdict),
        )
    )


def finding_title(one: Status, words: Language) -> str:
    """Say in words what a trend shows."""
    good, bad = sum(one.trend.good), sum(one.trend.bad)
    return words.gettext(
        "{name} ({side}): {share} of rounds answered",
        name=one.subject,
        side=words.gettext(SIDES[one.perspective]),
        share=words.percent(good / (good + bad)) if good + bad else "-",
    )


def event_name(event: Event, words: Language) -> str:
    """Name an event in the reader's language, or in English where nobody gave that."""
    return event.title_in(words.code)


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


def comparison_cells(one: BeforeDuringAfter, report: Report) -> list[str]:
    """Write one operator's row: before, during and after an event."""
    words = report.lang
    periods = (one.before, one.during, one.after)
    thin = "; ".join(words.gettext(INSUFFICIENT_LABELS[why]) for why in one.insufficient)
    took = " / ".join(
        "-" if period.latency_ms is None else words.number(round(period.latency_ms))
        for period in periods
    )
    count = sum(
        (one.subject == window.subject or one.subject in window.operators)
        and window.perspective in (one.perspective, "both")
        and window.start_earliest is not None
        and window.start_latest <= one.during.end
        and (window.end_latest or window.end_earliest) >= one.during.start
        for window in report.windows
    )
    return [
        one.subject,
        words.gettext(SIDES[one.perspective]),
        *(_share(period, words) for period in periods),
        _points(one.difference, words) or thin,
        _points(one.difference_after, words) or thin,
        words.gettext("{times} ms", times=took),
        _milliseconds(one.latency_difference_ms, words),
        words.number(count),
    ]


def _share(period: Period, words: Language) -> str:
    if period.share is None:
        return words.gettext("no data")
    rounds = words.ngettext("{n} round", "{n} rounds", period.rounds)
    return f"{words.percent(period.share)} ({rounds})"


def _points(one: Difference | None, words: Language) -> str:
    """Write a difference of shares in percentage points, with its interval."""
    if one is None:
        return ""
    value, low, high = (words.number(round(part * 100)) for part in (one.value, one.low, one.high))
    return words.gettext("{value} points ({low} to {high})", value=value, low=low, high=high)


def _milliseconds(one: Difference | None, words: Language) -> str:
    """Write a difference of latencies, with its interval."""
    if one is None:
        return "-"
    value, low, high = (words.number(round(part)) for part in (one.value, one.low, one.high))
    return words.gettext("{value} ms ({low} to {high})", value=value, low=low, high=high)
