"""What every format says in the same words."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo

from keepiton.detect import Policy
from keepiton.model import Detected, LinePeriod, Status, Window

STATES: dict[str, str] = {
    "up": "+ up",
    "partly": "~ partly",
    "disrupted": "! disrupted",
    "unknown": "? unknown",
    "no data": ". no data",
}
"""A sign beside the word, so that neither colour nor a long read is needed."""

LINES: dict[str, str] = {
    "down": "own line down: results of that time are inconclusive",
    "portal": "a captive portal answered for others: results of that time are inconclusive",
    "border": "abroad did not answer, domestic controls did",
    "resolver": "own resolver did not answer: failures to resolve are inconclusive",
    "mixed": "the way out changed in mid-run (a VPN, another network): results are inconclusive",
    "unknown": "no controls: failures are inconclusive",
}

MANY = 12
"""Remarks on own lines from which on only those of two runs and more are listed."""
CAVEAT = (
    "A probe sees that something did not answer from where it looked, not why. A time without"
    " data is neither up nor down."
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a format may say."""

    findings: Detected
    windows: tuple[Window, ...]
    own_lines: tuple[Window, ...]
    lines: tuple[LinePeriod, ...]
    statuses: tuple[Status, ...]
    policy: Policy
    zone: tzinfo
    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    files: int = 0
    unsealed: int = 0
    complaints: tuple[str, ...] = ()


def instant(at: datetime, zone: tzinfo) -> str:
    """Write an instant to the minute in the reader's zone, which is printed elsewhere."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def zone_name(report: Report) -> str:
    """Name the zone of all times."""
    return str(getattr(report.zone, "key", None) or report.zone)


def began(window: Window, zone: tzinfo) -> str:
    """Write the start as what is known of it."""
    first = instant(window.start_latest, zone)
    if window.start_earliest is None:
        return f"before {first} (first observation)"
    mark = "; a full or half hour lies in it" if window.on_mark else ""
    return f"between {instant(window.start_earliest, zone)} and {first}{mark}"


def ended(window: Window, zone: tzinfo) -> str:
    """Write the end as what is known of it."""
    last = instant(window.end_earliest, zone)
    if window.end_latest:
        return f"between {last} and {instant(window.end_latest, zone)}"
    if window.ongoing:
        return f"not yet at {last} (last observation)"
    return f"after {last} (nobody looked afterwards)"


def duration(window: Window) -> str:
    """Write how long it lasted, as a range."""
    least = window.end_earliest - window.start_latest
    if not (window.start_earliest and window.end_latest):
        return f"at least {_span(least)}"
    return f"{_span(least)} to {_span(window.end_latest - window.start_earliest)}"


def _span(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    if minutes >= 2 * 1440:
        return f"{minutes // 1440} d {minutes % 1440 // 60} h"
    if minutes < 2 * 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def heading(window: Window) -> str:
    """Name a window: what, from where, how sure."""
    where = {"both": "inside and outside"}.get(window.perspective, window.perspective)
    return f"{window.subject} ({window.scope}), seen from {where}: {sureness(window)}"


def sureness(window: Window) -> str:
    """Write how sure it is, in words and as a number."""
    return f"{window.words} ({window.confidence:.2f})"


def kind(window: Window) -> str:
    """Write how severe it was, where it broke and how much of the scope it touched."""
    layer = f" at {window.layer}" if window.layer else ""
    pieces = ", came and went" if window.flapping else ""
    return f"{window.severity}{layer}{pieces}; {window.share:.0%} of the scope's targets affected"


def policy(report: Report) -> str:
    """Write every threshold; those that are not the usual ones first."""
    usual = asdict(Policy())
    values = asdict(report.policy)
    changed = {name: value for name, value in values.items() if value != usual[name]}
    said = [f"{name}={one:.10g} (usually {usual[name]:.10g})" for name, one in changed.items()]
    said += [f"{name}={one:.10g}" for name, one in values.items() if name not in changed]
    return "Thresholds: " + ", ".join(said)


def failures(window: Window, most: int = 3) -> str:
    """Write the commonest failures with their counts."""
    shown = [f"{name} ({count})" for name, count in list(window.failures.items())[:most]]
    more = len(window.failures) - most
    return ", ".join(shown) + (f" and {more} more kinds" if more > 0 else "")


def evidence(window: Window) -> str:
    """Write how much failed, and how."""
    bad = "slow" if window.severity == "degraded" else "failed"
    how = f": {failures(window)}" if window.failures else ""
    return f"{window.rounds_bad} of {window.rounds} rounds {bad}{how}"


def vantages(window: Window) -> str:
    """Write who saw it, who did not speak, and how much of the time was observed."""
    return (
        f"{len(window.vantages_for)} saw it ({', '.join(window.vantages_for)}),"
        f" {len(window.vantages_against)} saw the opposite, {len(window.vantages_silent)} silent;"
        f" {window.coverage:.0%} of the time observed"
        + (f", {len(window.gaps)} gap(s)" if window.gaps else "")
    )


def sides(window: Window) -> str:
    """Count who saw it, who saw the opposite and who was silent."""
    return (
        f"{len(window.vantages_for)} for, {len(window.vantages_against)} against,"
        f" {len(window.vantages_silent)} silent"
    )


def witnesses(window: Window) -> list[str]:
    """Write where failures can be read: file, line, target."""
    return [
        f"{one.file}{f':{one.line}' if one.line else ''} ({one.target})" for one in window.witnesses
    ]


def refuted_by(window: Window) -> str:
    """Say what would show the window to be wrong."""
    whom = "anyone" if window.perspective == "both" else f"anyone {window.perspective}"
    if window.severity == "degraded":
        return f"answers as fast as usual to {whom} in that time"
    if window.severity == "partial" or len(window.targets) > 1:
        return f"answers of most of these targets to {whom} in that time"
    return f"an answer of {window.targets[0]} to {whom} in that time"


def own_lines(report: Report) -> list[str]:
    """Write when each vantage's own line was not simply up; of many, single runs as a count."""
    shown = report.lines
    if len(shown) > MANY:
        shown = tuple(one for one in shown if one.runs > 1)
    said = [
        f"{one.vantage}  {instant(one.start, report.zone)} to {instant(one.end, report.zone)}"
        f"  {LINES[one.line]} ({one.runs} run(s))"
        for one in shown
    ]
    left = len(report.lines) - len(shown)
    return [*said, f"and {left} single runs of the kind (all in the JSON report)"] if left else said


def since(status: Status, report: Report) -> str:
    """Write since when a state holds; the year only where it is not that of the newest data."""
    if status.since is None:
        return "-"
    after, by = (instant(at, report.zone) if at else None for at in status.since)
    assert by  # noqa: S101 - the second instant is always there
    newest = instant(report.findings.last_at or report.now, report.zone)
    if after is None:
        return f"before {_short(by, newest[:4])}"
    return f"{_short(after, newest[:4])}..{_short(by, after[:10])}"


def _short(text: str, known: str) -> str:
    """Leave out the beginning of an instant that the reader knows already."""
    return text[len(known) + 1 :] if text.startswith(known) else text


def last_seen(status: Status, report: Report) -> str:
    """Write how long ago something answered."""
    return f"{_span(report.now - status.last_seen)} ago" if status.last_seen else "never"


def age(report: Report) -> str:
    """Write how old the newest data is."""
    if report.findings.last_at is None:
        return "no data"
    return f"{_span(report.now - report.findings.last_at)} old"


def basis(report: Report) -> str:
    """Say in a line what all of it rests on."""
    found = report.findings
    first = instant(found.first_at, report.zone) if found.first_at else "-"
    last = instant(found.last_at, report.zone) if found.last_at else "-"
    return (
        f"{found.rounds} rounds of {found.runs} runs from {len(found.vantages)} vantage(s),"
        f" {first} to {last} {zone_name(report)}; newest data {age(report)}"
    )


def remarks(report: Report) -> list[str]:
    """List what a reader must know beside the windows."""
    said = list(report.complaints)
    if report.unsealed:
        said.append(f"{report.unsealed} of {report.files} files unsealed: under way, or cut off")
    never = report.findings.never_answered
    if never:
        said.append(
            f"never seen to answer, so no windows for them: {', '.join(never[:10])}"
            + (f" and {len(never) - 10} more" if len(never) > 10 else "")  # noqa: PLR2004
        )
    return said
