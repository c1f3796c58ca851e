"""What a chain is given by the run around it: settings, limits, and whom to tell."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from keepiton.base.types import RowState, Stage
from keepiton.lists.types import Fingerprint, Target
from keepiton.probe import dns, http
from keepiton.storage.rows import Measurement

STAGE_S: dict[Stage, float] = {"dns": 5.0, "tcp": 5.0, "tls": 5.0, "http": 10.0}
"""Longest time of one stage: several times the slowest intercontinental round trips."""
GRACE_S = 0.5
"""What a stage that keeps its own time gets beyond it, to say what it saw instead of an answer."""
BUDGET_S = 15.0
"""Longest time all stages of one attempt at one address may take together, look-up included."""
ADDRESSES_PER_FAMILY = 2
MAX_HOPS = 10
"""Redirects followed (SAFETY S13)."""
NEUTRAL = "example.net"
"""Asked for instead of the target's name, to tell trouble with a name from trouble with an address:
a name kept free of any content by RFC 2606."""
SAMPLE_BYTES = 1_000_000
"""Most that a throughput sample takes."""
PATIENCE_S = 45.0
"""Longest wait for a turn at a server of a zone: the names of the default lists get theirs in it,
and a long list does not hold up a run."""


def wall_clock() -> datetime:
    """Read the one clock that stamps what is written."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to probe; written into every run line."""

    resolvers: tuple[dns.Resolver, ...]
    headers: http.Headers
    roots: Path | None = None
    confirm: int = 1
    pause_s: float = 5.0
    rate: float = 20.0
    deadline_s: float = 600.0
    max_bytes: int = 50_000_000
    allow_private: bool = False
    refused: Callable[[str], bool] = lambda _: False
    """Whether an address is on the do-not-probe list."""
    refused_name: Callable[[str], bool] = lambda _: False
    """Whether a host name is."""
    compare: tuple[dns.Resolver, ...] = ()
    """Asked for every name as well, to be compared; their addresses are no way to the target."""
    fingerprints: tuple[Fingerprint, ...] = ()
    throughput: bool = False
    quic: bool = False
    sparse: bool = False
    """The disk is nearly full: nothing is asked that only stands beside a chain."""
    listen_s: float = dns.LISTEN_S
    drill: bool = False
    """Practice: said in the run line, and no name or redirect leads off this machine."""
    now: Callable[[], datetime] = wall_clock
    """What rows, run lines and end lines are stamped with; durations are not measured by it."""

    def reduced(self) -> "Settings":
        """Leave out what is not needed to say whether a target answers."""
        return replace(self, compare=(), throughput=False, quic=False, sparse=True)


@dataclass(slots=True)
class TargetResult:
    """What became of one target."""

    target: Target
    state: RowState = "skipped"
    stage: Stage | None = None
    failure: str | None = None
    has_name: bool = False
    """A name had to be looked up."""
    unresolved: bool = False
    unexpected: bool = False
    """It answered, with something else than it should."""
    hop_failure: str | None = None
    """Why the place that it redirects to was not reached."""
    date_offset_ms: int | None = None


class RunContext(Protocol):
    """What a chain needs from the run around it."""

    settings: Settings
    run: str
    own_addresses: set[str]

    def emit(self, row: Measurement) -> RowState:
        """Store a row; return the state it was stored with."""
        ...

    def connection_slot(self, address: str) -> AbstractAsyncContextManager[None]:
        """Wait until manners allow a connection to this address."""
        ...

    def lookup_slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to look a name up."""
        ...

    async def acquire_connection(self) -> None:
        """Wait for a turn to open a connection to a resolver."""
        ...

    def authorities(self, name: str) -> list[dns.Resolver]:
        """Name the servers to ask of the zone that a name lies in: one at home, one abroad."""
        ...

    def count_bytes(self, received: int) -> None:
        """Count bytes towards the run's cap."""
        ...

    def loop_lag_ms(self, since: float) -> float | None:
        """Return how late the event loop was since a monotonic instant, None when it was not."""
        ...

    @property
    def check_number(self) -> int:
        """The latest look at the own line."""
        ...

    @property
    def offline(self) -> bool:
        """Whether this vantage's own line is known to be down."""
        ...


def skipped_row(
    target: Target, run: str, at: datetime, reason: str, check: int | None = None
) -> Measurement:
    """Return the row of a target that this run did not get to."""
    return Measurement(
        run=run,
        target=target.id,
        operator=target.operator,
        asn=target.asn,
        role=target.role,
        control=target.control,
        check=check,
        at=at,
        state="skipped",
        reason=reason,
    )
