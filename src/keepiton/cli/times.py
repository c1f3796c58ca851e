"""Times, time zones, lengths of time and sizes, as options give them."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from keepiton.base.errors import UserError

MOST_DIGITS = 16
"""Digits of a size: more is no size."""


def zone(name: str | None, country: str | None) -> tzinfo:
    """Return the time zone of a name, else that of a country's events, or UTC. Raises UserError."""
    from keepiton.lists import events  # noqa: PLC0415

    listed = None if name else events.of_country(country)
    name = name or (listed.zone if listed else "UTC")
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(
            f"--tz {name}: no such zone; write one such as Europe/Minsk or UTC"
        ) from None


def parse_age(text: str, flag: str) -> timedelta:
    """Parse a length of time: 30s, 90m, 24h or 7d. Raises UserError."""
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if not (unit and text[:-1].isdecimal() and 0 < int(text[:-1]) < 10**6):
        raise UserError(f"{flag} {text}: not a length of time; write 5m, 24h or 7d")
    return timedelta(**{unit: int(text[:-1])})


def parse_size(text: str, flag: str) -> int:
    """Parse a number of bytes: 500M, 2G, or without a unit; K is 1000. Raises UserError."""
    unit = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(text[-1:].upper(), 1)
    number = text[:-1] if unit > 1 else text
    if not (number.isascii() and number.isdecimal() and len(number) < MOST_DIGITS):
        raise UserError(f"{flag} {text}: not a size; write 500M or 2G")
    return int(number) * unit


def parse_instant(text: str | None, tz: tzinfo, now: datetime, flag: str) -> datetime | None:
    """Parse a time: ISO 8601, or an age such as 90m, 24h or 7d. Raises UserError."""
    if text is None:
        return None
    if text[-1:] in "mhd":
        return now - parse_age(text, flag)
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=tz)
    except ValueError:
        raise UserError(
            f"{flag} {text}: not a time; write 2022-02-27T08:00, 2022-02-27 or an age such as 24h"
        ) from None


def parse_span(
    since: str | None, until: str | None, tz: tzinfo, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Parse --since and --until. Raises UserError."""
    first = parse_instant(since, tz, now, "--since")
    last = parse_instant(until, tz, now, "--until")
    if first and last and last <= first:
        raise UserError(f"--until {until}: not after --since {since}; the range is empty")
    return first, last
