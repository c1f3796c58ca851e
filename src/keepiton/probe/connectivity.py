"""Vantage connectivity during a run: control checks, default route, event loop, clock."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from keepiton.base.connectivity import Connectivity, ControlTally, verdict
from keepiton.base.types import Perspective, Stage
from keepiton.probe import net
from keepiton.probe.failures import BAD_CERTIFICATE
from keepiton.probe.types import Progress, TargetResult

BROKEN_CLOCK_MS = 86_400_000
"""A clock a day off cannot judge a certificate's dates."""
LATE_MS = 50.0
"""Lateness of the event loop from which a duration measured meanwhile is marked."""
TICK_S = 0.1
CLOCK_CONTROLS = 3
"""Dates of at least so many controls give the clock offset."""
DEFAULT_ROUTE_TARGETS = ("192.0.2.1", "2001:db8::1")
"""Documentation addresses: what leads there is the default route."""
NETWORK_BITS = 64
"""Of an IPv6 address, what stays when a host gives itself a new temporary one (RFC 8981)."""
REASONS: dict[Connectivity, str] = {
    Connectivity.DOWN: "own_line",
    Connectivity.PORTAL: "captive_portal",
    Connectivity.RESOLVER: "own_resolver",
}


class VantageConnectivity:
    """What is known, while a run goes on, of the machine it runs on; noted in its progress."""

    def __init__(self, perspective: Perspective, progress: Progress) -> None:
        """Start without a check."""
        self.inside = perspective == "inside"
        self.progress = progress
        self.check_number = -1
        self.checked_at = 0.0
        self.own_addresses: set[str] = set()
        self._default_routes: dict[int, IPv4Network | IPv6Network] = {}
        self._late: deque[tuple[float, float]] = deque(maxlen=1000)

    @property
    def offline(self) -> bool:
        """Whether the latest check found this vantage offline, or behind a captive portal."""
        return self.progress.connectivity.is_offline

    def note_check(self, number: int, controls: Sequence[TargetResult]) -> None:
        """Judge a finished connectivity check by its controls."""
        progress = self.progress
        self.check_number = number
        self.checked_at = time.monotonic()
        progress.controls = tally(controls)
        progress.connectivity = verdict(progress.controls, inside=self.inside)
        progress.connectivities.append(progress.connectivity)
        offsets = [
            result.date_offset_ms for result in controls if result.date_offset_ms is not None
        ]
        if len(offsets) >= CLOCK_CONTROLS:
            progress.clock_offset_ms = round(statistics.median(offsets))

    def inconclusive(self, stage: Stage, failure: str) -> str | None:
        """Return the reason why a failure is no evidence about its target, or None."""
        offset_ms = abs(self.progress.clock_offset_ms or 0)
        if failure == BAD_CERTIFICATE and offset_ms > BROKEN_CLOCK_MS:
            return "own_clock"
        if self.check_number >= 0 and self.progress.connectivity.hides(stage):
            return REASONS.get(self.progress.connectivity, "no_controls")
        return None

    def loop_lag_ms(self, since: float) -> float | None:
        """Return how late the event loop was since a monotonic instant, None when it was not."""
        latest = 0.0
        for at, late_ms in reversed(self._late):
            if at < since:
                break
            latest = max(latest, late_ms)
        return round(latest, 1) or None

    async def watch(self) -> None:
        """Note when the event loop is late, and when the default route changes; never returns.

        Durations measured by a late loop are too long.
        """
        while True:
            self._check_default_route()
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            late_ms = (now - due) * 1000
            self.progress.loop_late_ms = max(self.progress.loop_late_ms, round(late_ms, 1))
            if late_ms >= LATE_MS:
                self._late.append((now, late_ms))

    def _check_default_route(self) -> None:
        """Compare the network of the default route with the first that was seen."""
        for towards in DEFAULT_ROUTE_TARGETS:
            own = net.route(towards)
            if own:
                network = ip_network(own) if "." in own else ip_network((own, NETWORK_BITS), False)
                first = self._default_routes.setdefault(network.version, network)
                self.progress.uplink_changed |= first != network

    def learn_own_addresses(self, hosts: Sequence[str]) -> None:
        """Ask the routing table for the addresses used towards hosts; these never reach a file.

        Sends nothing.
        """
        used = {net.route(host) for host in (*DEFAULT_ROUTE_TARGETS, *hosts)}
        self.own_addresses |= {own for own in used if own and not net.is_loopback(own)}


def tally(controls: Sequence[TargetResult]) -> ControlTally:
    """Count the results of the controls of one connectivity check."""
    foreign = [result for result in controls if result.target.control == "foreign"]
    domestic = [result for result in controls if result.target.control == "domestic"]
    named = [result for result in foreign if result.has_name]
    return ControlTally(
        foreign=len(foreign),
        foreign_ok=sum(result.state == "ok" for result in foreign),
        domestic=len(domestic),
        domestic_ok=sum(result.state == "ok" for result in domestic),
        named=len(named),
        unresolved=sum(result.unresolved for result in named),
        unexpected=sum(result.unexpected for result in foreign),
    )
