"""Settings of a probe run, and the limits that no option changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from keepiton.base.types import Stage
from keepiton.lists.types import Fingerprint
from keepiton.probe import dns, http

STAGE_S: dict[Stage, float] = {"dns": 5.0, "tcp": 5.0, "tls": 5.0, "http": 10.0}
"""Longest time of one stage: several times the slowest intercontinental round trips."""
GRACE_S = 0.5
"""Grace for a stage that keeps its own time, to report what it received instead of an answer."""
BUDGET_S = 15.0
"""Longest time all stages of one attempt at one address may take together, look-up included."""
ADDRESSES_PER_FAMILY = 2
MAX_HOPS = 10
"""Redirects followed (SAFETY S13)."""
NEUTRAL = "example.net"
"""Asked for instead of the target's name, to distinguish interference with a name from trouble with
an address: a name kept free of any content by RFC 2606."""
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
    """Asked for every name as well, for comparison; their addresses are not the target's."""
    fingerprints: tuple[Fingerprint, ...] = ()
    throughput: bool = False
    quic: bool = False
    sparse: bool = False
    """The disk is nearly full: no side measurements."""
    listen_s: float = dns.LISTEN_S
    drill: bool = False
    """Practice: noted in the run line, and no name or redirect leads off this machine."""
    now: Callable[[], datetime] = wall_clock
    """What rows, run lines and end lines are stamped with; durations are not measured by it."""

    def reduced(self) -> "Settings":
        """Leave out what is not needed to say whether a target answers."""
        return replace(self, compare=(), throughput=False, quic=False, sparse=True)
