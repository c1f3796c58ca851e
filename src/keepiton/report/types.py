"""What a report holds beside detection."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FileSeal:
    """A result file by which others can check that they hold the same."""

    vantage: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ExternalSeries:
    """What somebody else measured over time: drawn beside our own, never mixed with it."""

    source: str
    """Whose it is: "IODA", "OONI" or "Cloudflare Radar"."""
    name: str
    """What it counts and where, as far as the file says: "bgp, country BY"."""
    points: tuple[tuple[datetime, float | None], ...]
    """In order of time, none twice, aware UTC; None where the source says that it has no data."""
    step_s: float
    """The usual interval; what lies further apart has points missing between."""
