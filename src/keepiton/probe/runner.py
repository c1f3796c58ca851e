"""Many chains at once, politely: controls first and last, a turn for everyone, one deadline."""

import asyncio
import random
import statistics
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from keepiton.base.bogons import is_bogon
from keepiton.base.connectivity import Connectivity, ControlTally, verdict
from keepiton.base.types import Perspective, RowState
from keepiton.lists.types import Target
from keepiton.probe import certificate, dns, net
from keepiton.probe.context import Settings, TargetResult, skipped_row
from keepiton.probe.target import Chain
from keepiton.storage.rows import EndReason, Measurement

SPACING_S = 2.0
"""Least time between two connections to one address (SAFETY S11)."""
BURST_TARGETS = 10
"""How many latest targets are looked at to see a burst of failures; half of them make one."""
RECHECK_S = 10.0
"""Least time between two looks at the own line while failures go on."""
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
WORST_FIRST = (
    *(Connectivity.DOWN, Connectivity.PORTAL, Connectivity.UNKNOWN),
    *(Connectivity.BORDER, Connectivity.RESOLVER, Connectivity.UP),
)
"""Of several checks of one run, the first of these that occurs is the run's verdict."""
REASONS: dict[Connectivity, str] = {
    Connectivity.DOWN: "own_line",
    Connectivity.PORTAL: "captive_portal",
    Connectivity.RESOLVER: "own_resolver",
}


@dataclass(slots=True)
class HostThrottle:
    """Manners towards one address."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_at: float = 0.0


class RateLimiter:
    """Turns at a fixed rate; waiting for one's turn costs nobody anything."""

    def __init__(self, rate: float) -> None:
        """Give ``rate`` turns a second."""
        self.step_s = 1 / rate
        self.next_at = 0.0

    async def acquire(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        at = max(now, self.next_at)
        self.next_at = at + self.step_s
        if at > now:
            await asyncio.sleep(at - now)


@dataclass(slots=True)
class Progress:
    """What a progress bar or a summary may show."""

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
    """The way out changed meanwhile: a VPN that came up, another network."""

    @property
    def verdict(self) -> Connectivity:
        """The run's verdict on its own line: the worst that any look found."""
        if self.uplink_changed:
            return Connectivity.MIXED
        return min(self.connectivities, key=WORST_FIRST.index, default=Connectivity.UNKNOWN)


class Runner:
    """One run from one vantage; the world its chains live in."""

    def __init__(
        self,
        run: str,
        targets: Sequence[Target],
        perspective: Perspective,
        settings: Settings,
        store: Callable[[Measurement], None],
    ) -> None:
        """Prepare; nothing is sent before :meth:`go`."""
        self.run = run
        self.settings = settings
        self.perspective = perspective
        fitting = [one for one in targets if one.perspective in ("any", perspective)]
        self.elsewhere = [one for one in targets if one.perspective not in ("any", perspective)]
        self.controls = [one for one in fitting if one.control]
        self.targets = [one for one in fitting if not one.control]
        self._servers = [one for one in fitting if one.serves and settings.compare]
        self._asked: Counter[str] = Counter()
        """Questions that each server of a zone has been given."""
        self.own_addresses: set[str] = set()
        self.progress = Progress(planned=len(self.targets))
        self._store = store
        self._hosts: dict[str, HostThrottle] = {}
        self._connections = RateLimiter(settings.rate)
        self._lookups = RateLimiter(settings.rate)
        room = net.room_for_sockets()
        self._sockets = asyncio.Semaphore(max(1, room * 3 // 4))
        # A look-up holds two sockets a resolver, one for each address family.
        each = 2 * max(1, len(settings.resolvers)) + len(settings.compare)
        self._questions = asyncio.Semaphore(max(1, room // 4 // each))
        self.check_number = -1
        self._broken: OSError | None = None
        self._default_routes: dict[int, IPv4Network | IPv6Network] = {}
        self._late: deque[tuple[float, float]] = deque(maxlen=1000)
        self._checked_at = 0.0
        self._checking = False
        self._latest: deque[bool] = deque(maxlen=BURST_TARGETS)
        self._stop: EndReason | None = None
        self._work: asyncio.Task[None] | None = None

    # The world, as a chain sees it.

    @property
    def offline(self) -> bool:
        """Whether the latest look found the own line down."""
        return self.progress.connectivity.is_offline

    def loop_lag_ms(self, since: float) -> float | None:
        """Return how late the event loop was since an instant, None when it was not."""
        latest = 0.0
        for at, late_ms in reversed(self._late):
            if at < since:
                break
            latest = max(latest, late_ms)
        return round(latest, 1) or None

    async def _watch_loop(self) -> None:
        """Note when the event loop is late, and when the way out changes.

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
        """Compare the default route's own network with the first that was seen."""
        for towards in DEFAULT_ROUTE_TARGETS:
            own = net.route(towards)
            if own:
                way = ip_network(own) if "." in own else ip_network((own, NETWORK_BITS), False)
                self.progress.uplink_changed |= (
                    self._default_routes.setdefault(way.version, way) != way
                )

    def emit(self, row: Measurement) -> RowState:
        """Store a row; a failure that this line could not have told apart is inconclusive."""
        line = self.progress.connectivity
        if row.state == "fail" and self.check_number >= 0 and line.hides(row.stage):
            reason = REASONS.get(line, "no_controls")
            row = row.model_copy(update={"state": "inconclusive", "reason": reason})
        offset_ms = abs(self.progress.clock_offset_ms or 0)
        if row.failure == certificate.INVALID and offset_ms > BROKEN_CLOCK_MS:
            row = row.model_copy(update={"state": "inconclusive", "reason": "own_clock"})
        if self._broken:
            return row.state
        try:
            self._store(row)
        except OSError as exc:  # a full or failing disk ends the run, not each chain by itself
            self._broken = exc
            self.stop("interrupted")
        return row.state

    def authorities(self, name: str) -> list[dns.Resolver]:
        """Name the servers to ask of the zone that a name lies in: one of each role.

        The one that has been asked least, so that all are asked alike.
        """
        least: dict[str, str] = {}
        for one in random.sample(self._servers, len(self._servers)):
            address = one.addresses[0]
            if f".{name}".endswith(f".{one.serves}") and not self.settings.refused(address):
                before = least.setdefault(one.role, address)
                least[one.role] = min(before, address, key=self._asked.__getitem__)
        self._asked.update(least.values())
        return [dns.Resolver(role, "udp", (address,)) for role, address in least.items()]

    def count_bytes(self, received: int) -> None:
        """Count bytes towards the run's cap; over it, the run ends."""
        self.progress.bytes_received += received
        if self.progress.bytes_received > self.settings.max_bytes:
            self.stop("byte_cap")

    async def acquire_connection(self) -> None:
        """Wait for a turn to open a connection to a resolver."""
        await self._connections.acquire()

    def lookup_slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to look a name up."""
        return self._lookup_slot()

    @asynccontextmanager
    async def _lookup_slot(self) -> AsyncIterator[None]:
        async with self._questions:
            await self._lookups.acquire()
            yield

    def connection_slot(self, address: str) -> AbstractAsyncContextManager[None]:
        """Wait until manners and open files allow a connection to this address."""
        return self._connection_slot(address)

    @asynccontextmanager
    async def _connection_slot(self, address: str) -> AsyncIterator[None]:
        if net.is_loopback(address):  # nobody else's machine
            async with self._sockets:
                await self._connections.acquire()
                yield
            return
        host = self._hosts.setdefault(address, HostThrottle())
        async with host.lock:
            await asyncio.sleep(max(0.0, host.next_at - time.monotonic()))
            async with self._sockets:
                await self._connections.acquire()
                host.next_at = time.monotonic() + SPACING_S
                yield

    # The run.

    def stop(self, reason: EndReason) -> None:
        """Ask the run to end now, keeping what was measured."""
        self._stop = reason
        if self._work:
            self._work.cancel()

    async def run_all(self, step: Callable[[Progress], None] = lambda _: None) -> Progress:
        """Do the whole run; ``step`` is called whenever a target is done.

        Raises OSError when a row could not be stored; what was stored before stays.
        """
        return await self._run_task(self._probe_all(step))

    async def check_connectivity(self) -> Progress:
        """Look once at the controls, and at nothing else; raises as :meth:`go` does."""
        return await self._run_task(self._check_connectivity())

    async def _run_task(self, work: Coroutine[Any, Any, None]) -> Progress:
        certificate.bundle(self.settings.roots)  # both read before anything is timed
        certificate.system_store()
        self._learn_own_addresses()
        self._work = asyncio.create_task(work)
        watch = asyncio.create_task(self._watch_loop())
        try:
            await self._work
        except asyncio.CancelledError:
            if self._stop is None:
                raise
        finally:
            watch.cancel()
        if self._stop:
            self.progress.reason = self._stop
        self._account_for_all()
        if self._broken:
            raise self._broken
        return self.progress

    async def _probe_all(self, step: Callable[[Progress], None]) -> None:
        await self._check_connectivity()
        try:
            async with asyncio.timeout(self.settings.deadline_s), asyncio.TaskGroup() as group:
                order = random.sample(self.targets, len(self.targets))  # a cut-off hits all alike
                for target in order:
                    group.create_task(self._probe_target(target, step))
        except TimeoutError:
            if len(self.progress.results) < len(
                self.targets
            ):  # else only servers of a zone were left
                self.progress.reason = "deadline"
        await self._check_connectivity()

    async def _probe_target(self, target: Target, step: Callable[[Progress], None]) -> None:
        chain = Chain(self, target, 1 + self.settings.confirm)
        seen = await chain.run()
        self.progress.results.append(seen)
        self._latest.append(seen.state in ("fail", "inconclusive"))
        step(self.progress)
        burst = len(self._latest) == BURST_TARGETS and sum(self._latest) * 2 >= BURST_TARGETS
        due = time.monotonic() - self._checked_at > RECHECK_S
        if burst and due and not self._checking:
            await self._check_connectivity()
        if not self.offline:
            await chain.ask_authorities()

    async def _check_connectivity(self) -> None:
        """Probe the controls once and judge the own line."""
        self._checking = True
        number = self.check_number + 1
        try:
            chains = [Chain(self, one, 1, number) for one in self.controls]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(chain.run()) for chain in chains]
            seen = [task.result() for task in tasks]
        finally:
            self._checking = False
        self.check_number = number
        self._checked_at = time.monotonic()
        self.progress.controls = tally(seen)
        self.progress.connectivity = verdict(
            self.progress.controls, inside=self.perspective == "inside"
        )
        self.progress.connectivities.append(self.progress.connectivity)
        offsets = [one.date_offset_ms for one in seen if one.date_offset_ms is not None]
        if len(offsets) >= CLOCK_CONTROLS:
            self.progress.clock_offset_ms = round(statistics.median(offsets))

    def _account_for_all(self) -> None:
        """Give every target that was not got to its line, with the reason."""
        done = {one.target.id for one in self.progress.results}
        at = self.settings.now()
        for target in self.targets:
            if target.id not in done:
                self.emit(skipped_row(target, self.run, at, self.progress.reason))
                self.progress.results.append(TargetResult(target))
        for target in self.elsewhere:
            self.emit(skipped_row(target, self.run, at, "perspective"))

    def _learn_own_addresses(self) -> None:
        """Ask the routing table, so that these never reach a file. Sends nothing."""
        hosts = (host for one in self.settings.resolvers for host in one.hosts)
        found = {net.route(one) for one in (*DEFAULT_ROUTE_TARGETS, *filter(_is_address, hosts))}
        self.own_addresses |= {one for one in found if one and not net.is_loopback(one)}


def _is_address(text: str) -> bool:
    try:
        is_bogon(text)
    except ValueError:
        return False
    return True


def tally(seen: Sequence[TargetResult]) -> ControlTally:
    """Count how the controls of one look fared."""
    foreign = [one for one in seen if one.target.control == "foreign"]
    domestic = [one for one in seen if one.target.control == "domestic"]
    named = [one for one in foreign if one.has_name]
    return ControlTally(
        foreign=len(foreign),
        foreign_ok=sum(one.state == "ok" for one in foreign),
        domestic=len(domestic),
        domestic_ok=sum(one.state == "ok" for one in domestic),
        named=len(named),
        unresolved=sum(one.unresolved for one in named),
        unexpected=sum(one.unexpected for one in foreign),
    )
