"""What the parts of a probe hand to each other: endpoints, attempts, outcomes, facts, results.

Facts are what one stage adds to its row; their fields are named as the row's
(:class:`keepiton.storage.rows.Measurement`). All but :class:`Progress` are frozen.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import ClassVar, Generic, Literal, TypeVar

from keepiton.base.connectivity import Connectivity, ControlTally
from keepiton.base.types import RowState, SideMeasurement, Stage
from keepiton.lists.types import Target
from keepiton.probe.dns import Transport
from keepiton.storage.rows import Certificate, EndReason

WORST_FIRST = (
    *(Connectivity.DOWN, Connectivity.PORTAL, Connectivity.UNKNOWN),
    *(Connectivity.BORDER, Connectivity.RESOLVER, Connectivity.UP),
)
"""Of several checks of one run, the first of these that occurs is the run's verdict."""
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port of a target, with the URL asked for there."""

    address: str
    port: int
    transport: str = "tcp"
    url: str = ""
    host: str = ""
    """The URL's."""

    @property
    def secure(self) -> bool:
        """Whether the URL asks for TLS."""
        return self.url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one place: the target itself, or where a redirect leads."""

    number: int = 1
    hop: int | None = None
    host: str | None = None
    """Of a hop: the host it leads to, as rows hold it."""
    visited: frozenset[str] = frozenset()
    """URLs that were asked for on the way here, this place's included."""
    lookup_s: float = 0.0
    """Time that the name look-up of this attempt took."""
    aside: SideMeasurement | None = None
    """Of a side measurement: which."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T_co]):
    """One stage tried once: its value or its failure, and its times."""

    check: int
    """The latest connectivity check when it began."""
    at: datetime
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    value: T_co | None = None
    failure: str | None = None
    reason: str | None = None
    """Why the failure is no evidence about the target: a fault of this machine."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.ended - self.began)


@dataclass(frozen=True, slots=True)
class DnsFacts:
    """What a look-up adds to its row."""

    stage: ClassVar[Stage] = "dns"
    transport: Transport | None = None
    resolver: str | None = None
    query: str | None = None
    rcode: str | None = None
    answers: tuple[str, ...] | None = None
    referral: tuple[str, ...] | None = None
    flags: str | None = None
    cnames: tuple[str, ...] | None = None
    ttl: int | None = None
    ede: tuple[str, ...] | None = None
    edns: bool | None = None
    also: tuple[str, ...] | None = None
    also_rcode: str | None = None
    capped: int | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class TcpFacts:
    """What a connection adds to its row."""

    stage: ClassVar[Stage] = "tcp"
    sni: str | None = None
    """The neutral name that would have been asked for."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake adds to its row, over TCP or QUIC."""

    stage: ClassVar[Stage] = "tls"
    transport: Literal["udp"] | None = None
    tls_version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    certificate_sha256: str | None = None
    certificates: tuple[Certificate, ...] | None = None
    system_verdict: str | None = None
    sni: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """What a request adds to its row."""

    stage: ClassVar[Stage] = "http"
    sni: str | None = None
    unverified: bool | None = None
    http_version: str | None = None
    status: int | None = None
    body_length: int | None = None
    body_sha256: str | None = None
    truncated: bool | None = None
    server: str | None = None
    location_host: str | None = None
    headers: dict[str, str] | None = None
    title: str | None = None
    unmet: Literal["status", "body", "contains"] | None = None
    fingerprint: str | None = None
    note: str | None = None
    received: int | None = None
    phases: dict[str, float] | None = None
    date_offset_ms: int | None = None


Facts = DnsFacts | TcpFacts | TlsFacts | HttpFacts


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """Result of one attempt at one endpoint."""

    state: RowState = "skipped"
    stage: Stage | None = None
    """Of the last stage that did not succeed; so is ``failure``."""
    failure: str | None = None
    next_url: str | None = None
    """Where its answer redirects to."""
    unexpected: bool = False
    """It answered, with something else than it should."""
    date_offset_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TargetResult:
    """Result of one target in one run."""

    target: Target
    state: RowState = "skipped"
    stage: Stage | None = None
    failure: str | None = None
    has_name: bool = False
    """A name had to be looked up."""
    unresolved: bool = False
    unexpected: bool = False
    """It answered, with something else than it should."""
    date_offset_ms: int | None = None
    looked_up: Sequence[tuple[Attempt, str]] = ()
    """Names to ask the servers of their zones about, each with the place it belongs to."""


@dataclass(slots=True)
class Progress:
    """State of a run: what a progress bar or a summary may show."""

    planned: int = 0
    results: list[TargetResult] = field(default_factory=list)
    connectivity: Connectivity = Connectivity.UNKNOWN
    connectivities: list[Connectivity] = field(default_factory=list)
    controls: ControlTally = field(default_factory=ControlTally)
    reason: EndReason = "finished"
    clock_offset_ms: int | None = None
    bytes_received: int = 0
    loop_late_ms: float = 0.0
    uplink_changed: bool = False
    """The default route changed during the run: a VPN that came up, another network."""

    @property
    def verdict(self) -> Connectivity:
        """The run's vantage connectivity: the worst that any check gave."""
        if self.uplink_changed:
            return Connectivity.MIXED
        return min(self.connectivities, key=WORST_FIRST.index, default=Connectivity.UNKNOWN)


@lru_cache(maxsize=1024)
def literal_address(host: str) -> str | None:
    """Return an address in its one spelling, None for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None
