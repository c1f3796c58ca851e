"""What a report holds."""

from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from typing import Any

from keepiton.base.language import ENGLISH, Language
from keepiton.detect import Policy
from keepiton.detect.types import Detection, Group
from keepiton.lists.types import Event
from keepiton.storage.rows import FileSeal


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Detection):
    """Everything a format may say: what detection found, of the time that was asked for."""

    policy: Policy
    by: Group = "operator"
    """What a row of the statuses is."""
    zone: tzinfo
    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    files: int = 0
    unsealed: int = 0
    warnings: tuple[str, ...] = ()
    lang: Language = ENGLISH
    events: tuple[Event, ...] = ()
    """Drawn beside what was found; they change nothing of it."""
    event: Event | None = None
    """The one that is compared with the time before and after it."""
    external: tuple[ExternalSeries, ...] = ()
    """Other people's figures."""
    sealed: tuple[FileSeal, ...] = ()
    """The newest file of each vantage, and every file of an evidence row."""
    width: int = 100
    """Columns of the screen that a status is fitted to."""


def shared_fields(kind: type, source: object) -> dict[str, Any]:
    """Return the fields of a dataclass that another object has under the same name."""
    names = (field.name for field in fields(kind))
    return {name: getattr(source, name) for name in names if hasattr(source, name)}
