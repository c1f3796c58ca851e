"""What detection returns: windows, statuses, trends and coverage."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keepiton.base.connectivity import Connectivity
from keepiton.base.types import Perspective, Stage
from keepiton.storage.rows import EvidenceRow

Scope = Literal["own_line", "country", "operator", "target"]
Side = Literal["inside", "outside", "both"]
Severity = Literal["full", "partial", "degraded"]


@dataclass(frozen=True, slots=True)
class Window:
    """A time during which a scope did not answer as it does. Edges are intervals."""

    id: str
    """Made of scope, subject and a coarse time: it stays when more data moves an edge a little."""
    scope: Scope
    subject: str
    perspective: Side
    start: datetime
    """The likeliest instant; what is known is the interval."""
    start_earliest: datetime | None
    """None when nothing good was seen before."""
    start_latest: datetime
    end: datetime | None
    """None while it goes on, or when nobody looked afterwards."""
    end_earliest: datetime
    end_latest: datetime | None
    ongoing: bool
    severity: Severity
    flapping: bool
    """It came and went: three pieces in two hours, or more (docs/method/detection.md)."""
    layer: Stage | None
    """The first stage that failed in most failures; None where nothing failed (slowness)."""
    stages: dict[str, int]
    failures: dict[str, int]
    """``stage failure`` and in how many rounds."""
    targets: tuple[str, ...]
    """Those that mostly failed."""
    operators: tuple[str, ...]
    share: float
    """Affected share of the scope's targets, 0 to 1."""
    vantages_for: tuple[str, ...]
    vantages_against: tuple[str, ...]
    vantages_without_data: tuple[str, ...]
    rounds: int
    rounds_bad: int
    coverage: float
    """Observed runs over expected ones inside the window, 0 to 1."""
    gaps: tuple[tuple[datetime, datetime], ...]
    """Silences inside it, longer than three usual intervals."""
    confidence: float
    """Chance that a real disruption of this scope overlaps it, 0 to 1
    (docs/method/detection.md#confidence)."""
    confidence_label: str
    verdict: str
    impact: float
    """Bad share times minutes times affected share, to rank by."""
    starts_on_half_hour: bool
    """The start interval holds a full or half hour, when ordered cuts tend to begin."""
    evidence: tuple[EvidenceRow, ...]


Group = Literal["operator", "target", "stage", "vantage"]
"""What a status may be told by."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Counts of rounds over equal spans of time, one number a span."""

    good: tuple[int, ...]
    bad: tuple[int, ...]
    inconclusive: tuple[int, ...]
    """Rounds that say nothing, since the vantage could not have known."""
    tried: dict[Stage, tuple[int, ...]]
    """Rounds that got as far as a stage, among those that say something."""
    failed: dict[Stage, tuple[int, ...]]
    """And failed there."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known now of one operator, target, stage or vantage."""

    subject: str
    perspective: Perspective
    confidence: float
    """Of the window that it is in; 0 without one."""
    state: Literal["up", "partial", "disrupted", "unknown", "no_data"]
    since: tuple[datetime | None, datetime] | None
    """The state began after the first instant and not after the second."""
    answering: int
    targets: int
    last_seen: datetime | None
    vantages_agree: int
    vantages: int
    trend: Trend


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much one vantage looked."""

    vantage: str
    perspective: Side
    runs: int
    share: float
    """Observed runs over those expected between its first and its last, 0 to 1."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ConnectivityPeriod:
    """A stretch of runs in which one vantage's own line was not simply up."""

    vantage: str
    connectivity: Connectivity
    start: datetime
    end: datetime
    runs: int


@dataclass(frozen=True, slots=True)
class Period:
    """What was seen of a subject, from one side, between two instants."""

    start: datetime
    end: datetime
    runs: int
    rounds: int
    """Those that say anything of it."""
    share: float | None
    """Of them, those that reached it, 0 to 1; None without any."""
    latency_ms: float | None
    """Median over the hours of the median answer in each; None without any."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A later period less an earlier one, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


InsufficientData = Literal[
    "too little seen before",
    "too little seen during",
    "too little seen after",
    "too few answers before",
    "too few answers during",
    "too few answers after",
]
"""Why there is no difference: of shares, and of latencies alone."""


@dataclass(frozen=True, slots=True)
class BeforeDuringAfter:
    """Before, during and after an event, of one operator (or role, of what has none)."""

    subject: str
    perspective: Perspective
    before: Period
    during: Period
    after: Period
    difference: Difference | None
    """Of the share reached, during less before; None where ``thin`` says why."""
    difference_after: Difference | None
    """After less before."""
    latency_difference_ms: Difference | None
    latency_difference_after_ms: Difference | None
    insufficient: tuple[InsufficientData, ...]


@dataclass(frozen=True, slots=True)
class Detection:
    """What detection makes of the rounds: all that a report or a status may say."""

    windows: tuple[Window, ...]
    vantage_outages: tuple[Window, ...]
    """Times in which a vantage's own line was down; no evidence about anything else."""
    connectivity_periods: tuple[ConnectivityPeriod, ...]
    statuses: tuple[Status, ...]
    trend_start: datetime
    """Where the first span of every trend begins."""
    trend_step_s: float
    comparisons: tuple[BeforeDuringAfter, ...]
    """Of an event with the time around it, where one was asked for."""
    never_answered: tuple[str, ...]
    vantages: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    step_s: float
    """The usual interval between two runs of one vantage."""
    runs: int
    rounds: int
    first_at: datetime | None
    last_at: datetime | None
