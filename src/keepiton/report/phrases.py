"""What every format says in the same words, in the reader's language."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from keepiton.base.language import ENGLISH, Language, noted
from keepiton.detect import Policy
from keepiton.detect.types import (
    Contrast,
    Detected,
    Difference,
    LinePeriod,
    Period,
    Status,
    Trend,
    Window,
)
from keepiton.lists.types import Event
from keepiton.report.types import Sealed, Series

STATES: dict[str, str] = {
    "up": noted("up"),
    "partly": noted("partly"),
    "disrupted": noted("disrupted"),
    "unknown": noted("unknown"),
    "no data": noted("no data"),
}
SIGNS: dict[str, str] = {"up": "+", "partly": "~", "disrupted": "!", "unknown": "?", "no data": "."}
"""A sign beside the word, so that neither colour nor a long read is needed."""

LINES: dict[str, str] = {
    "down": noted("own line down: results of that time are inconclusive"),
    "portal": noted("a captive portal answered for others: results of that time are inconclusive"),
    "border": noted("abroad did not answer, domestic controls did"),
    "resolver": noted("own resolver did not answer: failures to resolve are inconclusive"),
    "mixed": noted(
        "the way out changed in mid-run (a VPN, another network): results are inconclusive"
    ),
    "unknown": noted("no controls: failures are inconclusive"),
}
SCOPES: dict[str, str] = {
    "own_line": noted("own line"),
    "country": noted("country"),
    "operator": noted("operator"),
    "target": noted("target"),
    "stage": noted("stage"),
    "vantage": noted("vantage"),
}
SIDES: dict[str, str] = {
    "inside": noted("inside"),
    "outside": noted("outside"),
    "both": noted("inside and outside"),
}
SEEN_FROM: dict[str, str] = {
    "inside": noted("seen from inside"),
    "outside": noted("seen from outside"),
    "both": noted("seen from inside and outside"),
}
WHOM: dict[str, str] = {
    "inside": noted("anyone inside"),
    "outside": noted("anyone outside"),
    "both": noted("anyone"),
}
SEVERITIES: dict[str, str] = {
    "full": noted("full"),
    "partial": noted("partial"),
    "degraded": noted("degraded"),
}
WORDS = (
    noted("confirmed by several vantages"),
    noted("confirmed"),
    noted("likely"),
    noted("possible"),
)
VERDICTS = (
    noted("national isolation"),
    noted("outbound trouble"),
    noted("seen from inside and outside"),
    noted("the vantage's own line was down; it says nothing of others"),
    noted("trouble inside; answers outside"),
    noted("trouble inside; no data from outside"),
    noted("trouble inside; unclear outside"),
    noted("unreachable from abroad; answers inside"),
    noted("unreachable from abroad; unclear inside"),
    noted("unreachable from outside; no data from inside"),
)
"""What detection says; a test holds both tuples against it."""

MANY = 12
"""Remarks on own lines from which on only those of two runs and more are listed."""
CAVEAT = noted(
    "A probe sees that something did not answer from where it looked, not why. A time without"
    " data is neither up nor down."
)
LIMITS = (
    noted(
        "A probe shows that a target did not answer from where it was asked. It cannot show who"
        " caused that, or whether anybody meant to."
    ),
    noted(
        "It shows networks that somebody probes from, and targets that somebody listed. What"
        " people on other networks, or on phones, could reach is not in it."
    ),
    noted(
        "A failure of one site alone can be the site's own. A window of an operator needs several"
        " of its targets, one of a country several operators."
    ),
    noted(
        "Edges are intervals: between two looks nobody knows. A time in which nobody looked, or in"
        " which the vantage's own line was down, counts neither as up nor as down."
    ),
    noted(
        "How sure a window is says how likely it is that a real disruption of that scope overlaps"
        " it. With one vantage it is never above 0.80, with one side never above 0.95."
    ),
    noted("Each window says what would refute it. Measurements that do so are welcome."),
)
CONTRAST_HEADER = (
    *(noted("operator"), noted("seen from"), noted("reached before"), noted("during")),
    *(noted("after"), noted("during less before"), noted("after less before")),
    *(noted("answer took before, during, after"), noted("slower during than before")),
    noted("disruptions"),
)
CONTRAST_NOTE = noted(
    "Shares are of rounds (a target asked in a run); in brackets the 95% interval of a difference,"
    " by bootstrap over whole hours. Hours close together are alike, so of one long disruption the"
    " interval is too narrow. Where it holds 0 the data shows no difference; where it has no"
    " width, nothing varied, which does not say that nothing could."
)
PRECISIONS: dict[str, str] = {
    "minute": noted("minute"),
    "hour": noted("hour"),
    "day": noted("day"),
    "month": noted("month"),
}
THIN: dict[str, str] = {
    "too little seen before": noted("too little seen before"),
    "too little seen during": noted("too little seen during"),
    "too little seen after": noted("too little seen after"),
    "too few answers before": noted("too few answers before"),
    "too few answers during": noted("too few answers during"),
    "too few answers after": noted("too few answers after"),
}
BARS = "▁▂▃▄▅▆▇█"
NOTHING, HIDDEN = "·", "?"
"""In a trend: nobody looked; who looked could not have known."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a format may say."""

    findings: Detected
    windows: tuple[Window, ...]
    own_lines: tuple[Window, ...]
    lines: tuple[LinePeriod, ...]
    policy: Policy
    zone: tzinfo
    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    files: int = 0
    unsealed: int = 0
    complaints: tuple[str, ...] = ()
    words: Language = ENGLISH
    events: tuple[Event, ...] = ()
    """Drawn beside what was found; they change nothing of it."""
    event: Event | None = None
    """The one that is compared with the time before and after it."""
    others: tuple[Series, ...] = ()
    """Other people's figures."""
    sealed: tuple[Sealed, ...] = ()
    """The newest file of each vantage, and every witness."""


def zone_name(report: Report) -> str:
    """Name the zone of all times."""
    return str(getattr(report.zone, "key", None) or report.zone)


def instant(at: datetime, report: Report) -> str:
    """Write an instant to the minute in the reader's zone, and in UTC where that is another."""
    local = at.astimezone(report.zone)
    shown = report.words.instant(at, report.zone)
    utc = at.astimezone(UTC)
    if local.utcoffset() == timedelta(0):
        return shown
    other = "" if utc.date() == local.date() else f"{report.words.day(utc, year=False)}, "
    return f"{shown} ({other}{utc:%H:%M} UTC)"


def times(report: Report) -> str:
    """Say in which zone the times are, and UTC beside it."""
    zone = zone_name(report)
    if zone == "UTC":
        return report.words.say("Times are {zone}.", zone=zone)
    return report.words.say("Times are {zone}, in brackets UTC.", zone=zone)


def between(first: datetime, last: datetime, report: Report) -> str:
    """Write what is known of an edge: it lies between two instants."""
    _ = report.words.say
    days = {one.astimezone(zone).date() for one in (first, last) for zone in (report.zone, UTC)}
    if len(days) > 1:
        return _(
            "between {first} and {last}", first=instant(first, report), last=instant(last, report)
        )
    local = [f"{one.astimezone(report.zone):%H:%M}" for one in (first, last)]
    day = report.words.day(first.astimezone(report.zone))
    said = _("{day}, between {first} and {last}", day=day, first=local[0], last=local[1])
    utc = [f"{one.astimezone(UTC):%H:%M}" for one in (first, last)]
    return said if utc == local else f"{said} ({utc[0]}-{utc[1]} UTC)"


def began(window: Window, report: Report) -> str:
    """Write the start as what is known of it."""
    _ = report.words.say
    if window.start_earliest is None:
        first = instant(window.start_latest, report)
        return _("before {first} (first observation)", first=first)
    edge = between(window.start_earliest, window.start_latest, report)
    if window.on_mark:
        return _("{edge}; a full or half hour lies in it", edge=edge)
    return edge


def ended(window: Window, report: Report) -> str:
    """Write the end as what is known of it."""
    _ = report.words.say
    if window.end_latest:
        return between(window.end_earliest, window.end_latest, report)
    last = instant(window.end_earliest, report)
    if window.ongoing:
        return _("not yet at {last} (last observation)", last=last)
    return _("after {last} (nobody looked afterwards)", last=last)


def duration(window: Window, words: Language) -> str:
    """Write how long it lasted, as a range."""
    least = words.length(window.end_earliest - window.start_latest)
    if not (window.start_earliest and window.end_latest):
        return words.say("at least {least}", least=least)
    most = words.length(window.end_latest - window.start_earliest)
    return words.say("{least} to {most}", least=least, most=most)


def heading(window: Window, words: Language) -> str:
    """Name a window: what, from where, how sure."""
    _ = words.say
    return (
        f"{window.subject} ({_(SCOPES[window.scope])}), {_(SEEN_FROM[window.perspective])}:"
        f" {sureness(window, words)}"
    )


def sureness(window: Window, words: Language) -> str:
    """Write how sure it is, in words and as a number."""
    return f"{words.say(window.words)} ({words.confidence(window.confidence)})"


def kind(window: Window, words: Language) -> str:
    """Write how severe it was, where it broke and how much of the scope it touched."""
    _ = words.say
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
    _ = report.words.say
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
        shown.append(words.many("{n} more kind", "{n} more kinds", more))
    return ", ".join(shown)


def evidence(window: Window, words: Language) -> str:
    """Write how much failed, and how."""
    bad = words.number(window.rounds_bad)
    if window.severity == "degraded":
        said = words.many(
            "{bad} of {n} round slow", "{bad} of {n} rounds slow", window.rounds, bad=bad
        )
    else:
        said = words.many(
            "{bad} of {n} round failed", "{bad} of {n} rounds failed", window.rounds, bad=bad
        )
    return said + (f": {failures(window, words)}" if window.failures else "")


def meanings(window: Window, words: Language, most: int = 3) -> str:
    """Say in plain words what the commonest failures are."""
    from keepiton.report import explain  # noqa: PLC0415 - of pages alone

    texts = explain.kinds()["failure"]
    codes = dict.fromkeys(name.partition(" ")[2] for name in window.failures)
    return "; ".join(
        f"{code}: {words.say(texts[code].short)}" for code in list(codes)[:most] if code in texts
    )


def vantages(window: Window, words: Language) -> str:
    """Write who saw it, who did not speak, and how much of the time was observed."""
    saw = words.many("{n} saw it", "{n} saw it", len(window.vantages_for))
    if window.vantages_for:
        saw += f" ({', '.join(window.vantages_for)})"
    against = words.many(
        "{n} saw the opposite", "{n} saw the opposite", len(window.vantages_against)
    )
    silent = words.many("{n} silent", "{n} silent", len(window.vantages_silent))
    seen = words.say("{share} of the time observed", share=words.percent(window.coverage))
    gaps = [words.many("{n} gap", "{n} gaps", len(window.gaps))] if window.gaps else []
    return f"{saw}, {against}, {silent}; {', '.join([seen, *gaps])}"


def sides(window: Window, words: Language) -> str:
    """Count who saw it, who saw the opposite and who was silent."""
    return words.say(
        "{for_it} for, {against} against, {silent} silent",
        for_it=len(window.vantages_for),
        against=len(window.vantages_against),
        silent=len(window.vantages_silent),
    )


def witnesses(window: Window) -> list[str]:
    """Write where failures can be read: file, line, target."""
    return [
        f"{one.file}{f':{one.line}' if one.line else ''} ({one.target})" for one in window.witnesses
    ]


def refuted_by(window: Window, words: Language) -> str:
    """Say what would show the window to be wrong."""
    _ = words.say
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
    words = report.words
    _ = words.say
    told = [
        (_("verdict"), _(window.verdict)),
        (_("kind"), kind(window, words)),
        (_("evidence"), evidence(window, words)),
        (_("that means"), meanings(window, words)),
        (_("vantages"), vantages(window, words)),
        (_("targets"), ", ".join(window.targets)),
        (_("operators"), ", ".join(window.operators)),
        (_("refuted by"), refuted_by(window, words)),
        *((_("witness"), one) for one in witnesses(window)),
        (_("id"), window.id),
    ]
    return [(name, one) for name, one in told if one]


def own_lines(report: Report) -> list[str]:
    """Write when each vantage's own line was not simply up; of many, single runs as a count."""
    words = report.words
    shown = report.lines
    if len(shown) > MANY:
        shown = tuple(one for one in shown if one.runs > 1)
    said = [
        words.say(
            "{vantage}  {first} to {last}  {what} ({runs})",
            vantage=one.vantage,
            first=words.instant(one.start, report.zone),
            last=words.instant(one.end, report.zone),
            what=words.say(LINES[one.line]),
            runs=words.many("{n} run", "{n} runs", one.runs),
        )
        for one in shown
    ]
    left = len(report.lines) - len(shown)
    if left:
        said.append(
            words.many(
                "and {n} single run of the kind (all in the JSON report)",
                "and {n} single runs of the kind (all in the JSON report)",
                left,
            )
        )
    return said


def state(one: Status, report: Report) -> str:
    """Write a state as a sign and a word, and how sure the disruption is that it is in."""
    sure = f" {report.words.confidence(one.confidence)}" if one.confidence else ""
    return f"{SIGNS[one.state]} {report.words.say(STATES[one.state])}{sure}"


def since(status: Status, report: Report) -> str:
    """Write since when a state holds, or when something answered last, where that is not known.

    The year stands only where it is not that of the newest data.
    """
    if status.since is None:
        if not status.last_seen:
            return report.words.say("never answered")
        age_of_it = report.words.length(report.now - status.last_seen)
        return report.words.say("answered {age} ago", age=age_of_it)
    year = (report.findings.last_at or report.now).astimezone(report.zone).year

    def short(at: datetime) -> str:
        return f"{report.words.day(at, year=at.year != year)} {at:%H:%M}"

    after, by = (one and one.astimezone(report.zone) for one in status.since)
    assert by  # noqa: S101 - the second instant is always there
    if after is None:
        return report.words.say("before {first}", first=short(by))
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
            *(_gathered(one, cells) for one in (trend.good, trend.bad, trend.hidden)), strict=True
        )
    )


def _gathered(counts: Sequence[int], cells: int) -> Iterable[int]:
    each = -(-len(counts) // cells)
    return (sum(counts[at : at + each]) for at in range(0, len(counts), each))


def age(report: Report) -> str:
    """Write how old the newest data is."""
    if report.findings.last_at is None:
        return report.words.say("no data")
    old = report.words.length(report.now - report.findings.last_at)
    return report.words.say("{age} old", age=old)


def warning(report: Report) -> str | None:
    """Say first and loudly that the newest data says nothing of now, where that is so."""
    last = report.findings.last_at
    if (
        report.until
        or last is None
        or report.now - last <= timedelta(seconds=report.policy.fresh_s)
    ):
        return None
    return report.words.say(
        "OLD DATA: the newest is from {last}, {age} old. It says nothing about now.",
        last=instant(last, report),
        age=report.words.length(report.now - last),
    )


def basis(report: Report) -> str:
    """Say in a line what all of it rests on."""
    found, words = report.findings, report.words
    first, last = (
        words.instant(at, report.zone) if at else "-" for at in (found.first_at, found.last_at)
    )
    return words.say(
        "{rounds} of {runs} from {vantages}, {first} to {last} {zone}; newest data {age}",
        rounds=words.many("{n} round", "{n} rounds", found.rounds),
        runs=words.many("{n} run", "{n} runs", found.runs),
        vantages=words.many("{n} vantage", "{n} vantages", len(found.vantages)),
        first=first,
        last=last,
        zone=zone_name(report),
        age=age(report),
    )


def none_found(report: Report) -> str:
    """Say that there is no window, and not more than that."""
    if any(one.line in ("down", "portal", "mixed") for one in report.lines):
        return report.words.say(
            "No disruption found in this data; some of it is inconclusive, since a vantage's own"
            " line was not up."
        )
    return report.words.say("No disruption found in this data.")


def remarks(report: Report) -> list[str]:
    """List what a reader must know beside the windows."""
    words = report.words
    said = list(report.complaints)
    if report.unsealed:
        said.append(
            words.many(
                "{unsealed} of {n} file unsealed: under way, or cut off",
                "{unsealed} of {n} files unsealed: under way, or cut off",
                report.files,
                unsealed=words.number(report.unsealed),
            )
        )
    never = report.findings.never_answered
    if never:
        names = list(never[:10])
        if len(never) > len(names):
            names.append(words.many("{n} more", "{n} more", len(never) - len(names)))
        said.append(
            words.say(
                "never seen to answer, so no windows for them: {names}", names=", ".join(names)
            )
        )
    return said


def title(report: Report) -> str:
    """Name the report by the event it is about, or by its time."""
    _ = report.words.say
    if report.event:
        return _("Disruptions: {event}", event=event_name(report.event, report.words))
    first = report.since or report.findings.first_at or report.now
    last = report.until or report.findings.last_at or report.now
    days = [report.words.day(one.astimezone(report.zone)) for one in (first, last)]
    if days[0] == days[1]:
        return _("Disruptions on {day}", day=days[0])
    return _("Disruptions from {first} to {last}", first=days[0], last=days[1])


def summary(report: Report) -> str:
    """Say in two sentences what was found, the gravest first."""
    words = report.words
    if not report.windows:
        return none_found(report)
    worst = max(report.windows, key=lambda one: (one.impact, one.confidence))
    found = words.many(
        "{n} disruption was found.", "{n} disruptions were found.", len(report.windows)
    )
    return (
        found
        + " "
        + words.say(
            "The gravest: {what}; lasted {length}; {verdict}.",
            what=heading(worst, words),
            length=duration(worst, words),
            verdict=words.say(worst.verdict),
        )
    )


def spoken(one: Status, words: Language) -> str:
    """Say in words what a trend shows."""
    good, bad = sum(one.trend.good), sum(one.trend.bad)
    return words.say(
        "{name} ({side}): {share} of rounds answered",
        name=one.subject,
        side=words.say(SIDES[one.perspective]),
        share=words.percent(good / (good + bad)) if good + bad else "-",
    )


def event_name(event: Event, words: Language) -> str:
    """Name an event in the reader's language, or in English where nobody gave that."""
    return event.title_in(words.code)


def event_span(report: Report, event: Event) -> str:
    """Write when an event was, how far that can be trusted, and who says so."""
    start, end = event.span()
    return report.words.say(
        "{first} to {last}, precise to the {precision}; source: {source}",
        first=instant(start, report),
        last=instant(end, report),
        precision=report.words.say(PRECISIONS[event.precision]),
        source=event.source,
    )


def contrast(one: Contrast, report: Report) -> list[str]:
    """Write one operator's row: before, during and after an event."""
    words = report.words
    periods = (one.before, one.during, one.after)
    thin = "; ".join(words.say(THIN[why]) for why in one.thin)
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
        words.say(SIDES[one.perspective]),
        *(_share(period, words) for period in periods),
        _points(one.difference, words) or thin,
        _points(one.difference_after, words) or thin,
        words.say("{times} ms", times=took),
        _milliseconds(one.latency_difference_ms, words),
        words.number(count),
    ]


def _share(period: Period, words: Language) -> str:
    if period.share is None:
        return words.say("no data")
    rounds = words.many("{n} round", "{n} rounds", period.rounds)
    return f"{words.percent(period.share)} ({rounds})"


def _points(one: Difference | None, words: Language) -> str:
    """Write a difference of shares in percentage points, with its interval."""
    if one is None:
        return ""
    value, low, high = (words.number(round(part * 100)) for part in (one.value, one.low, one.high))
    return words.say("{value} points ({low} to {high})", value=value, low=low, high=high)


def _milliseconds(one: Difference | None, words: Language) -> str:
    """Write a difference of latencies, with its interval."""
    if one is None:
        return "-"
    value, low, high = (words.number(round(part)) for part in (one.value, one.low, one.high))
    return words.say("{value} ms ({low} to {high})", value=value, low=low, high=high)
