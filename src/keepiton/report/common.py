"""What every format says in the same words."""

from dataclasses import dataclass
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

CAVEAT = (
    "A probe sees that something did not answer from where it looked, not why. A time without"
    " data is neither up nor down."
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a format may say."""

    findings: Detected
    windows: tuple[Window, ...]
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
    return f"between {instant(window.start_earliest, zone)} and {first}"


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


def failures(window: Window, most: int = 3) -> str:
    """Write the commonest failures with their counts."""
    shown = [f"{name} ({count})" for name, count in list(window.failures.items())[:most]]
    more = len(window.failures) - most
    return ", ".join(shown) + (f" and {more} more kinds" if more > 0 else "")


def evidence(window: Window) -> str:
    """Write how much failed, and how."""
    return f"{window.rounds_bad} of {window.rounds} rounds failed: {failures(window)}"


def vantages(window: Window) -> str:
    """Write who saw it, who did not speak, and how much of the time was observed."""
    return (
        f"{len(window.vantages_for)} saw it ({', '.join(window.vantages_for)}),"
        f" {len(window.vantages_silent)} silent; {window.coverage:.0%} of the time observed"
    )


def refuted_by(window: Window) -> str:
    """Say what would show the window to be wrong."""
    return (
        f"an answer of {'any of these targets' if len(window.targets) > 1 else window.targets[0]}"
        f" to anyone {window.perspective} in that time"
    )


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
