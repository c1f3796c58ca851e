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
from keepiton.base.connectivity import Tally, masks, verdict
from keepiton.base.types import Line, Perspective, State
from keepiton.lists.types import Target
from keepiton.probe import certificate, dns, net
from keepiton.probe.context import Seen, Settings, skipped
from keepiton.probe.target import Chain
from keepiton.storage.rows import Measurement, Reason

SPACING_S = 2.0
"""Least time between two connections to one address (SAFETY S11)."""
BURST = 10
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


TOWARDS = ("192.0.2.1", "2001:db8::1")
"""Documentation addresses: what leads there is the default route."""
NETWORK_BITS = 64
"""Of an IPv6 address, what stays when a host gives itself a new temporary one (RFC 8981)."""
REASONS: dict[Line, str] = {
    "down": "own_line",
    "portal": "captive_portal",
    "resolver": "own_resolver",
}


@dataclass(slots=True)
class Host:
    """Manners towards one address."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_at: float = 0.0


class Pace:
    """Turns at a fixed rate; waiting for one's turn costs nobody anything."""

    def __init__(self, rate: float) -> None:
        """Give ``rate`` turns a second."""
        self.step_s = 1 / rate
        self.next_at = 0.0

    async def turn(self) -> None:
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
    done: list[Seen] = field(default_factory=list)
    line: Line = "unknown"
    lines: list[Line] = field(default_factory=list)
    controls: Tally = field(default_factory=Tally)
    reason: Reason = "finished"
    clock_offset_ms: int | None = None
    bytes_received: int = 0
    loop_late_ms: float = 0.0
    mixed: bool = False
    """The way out changed meanwhile: a VPN that came up, another network."""

    @property
    def verdict(self) -> Line:
        """The run's verdict on its own line: the worst that any look found."""
        if self.mixed:
            return "mixed"
        order: tuple[Line, ...] = ("down", "portal", "unknown", "border", "resolver", "up")
        return min(self.lines, key=order.index, default="unknown")


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
        self.own: set[str] = set()
        self.progress = Progress(planned=len(self.targets))
        self._store = store
        self._hosts: dict[str, Host] = {}
        self._connections = Pace(settings.rate)
        self._lookups = Pace(settings.rate)
        room = net.room_for_sockets()
        self._sockets = asyncio.Semaphore(max(1, room * 3 // 4))
        # A look-up holds two sockets a resolver, one for each address family.
        each = 2 * max(1, len(settings.resolvers)) + len(settings.compare)
        self._questions = asyncio.Semaphore(max(1, room // 4 // each))
        self.check = -1
        self._broken: OSError | None = None
        self._ways: dict[int, IPv4Network | IPv6Network] = {}
        self._late: deque[tuple[float, float]] = deque(maxlen=1000)
        self._checked_at = 0.0
        self._checking = False
        self._latest: deque[bool] = deque(maxlen=BURST)
        self._stop: Reason | None = None
        self._work: asyncio.Task[None] | None = None

    # The world, as a chain sees it.

    @property
    def line_lost(self) -> bool:
        """Whether the latest look found the own line down."""
        return self.progress.line in ("down", "portal")

    def late_ms(self, since: float) -> float | None:
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
            self._look_at_way()
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            late_ms = (now - due) * 1000
            self.progress.loop_late_ms = max(self.progress.loop_late_ms, round(late_ms, 1))
            if late_ms >= LATE_MS:
                self._late.append((now, late_ms))

    def _look_at_way(self) -> None:
        """Compare the default route's own network with the first that was seen."""
        for towards in TOWARDS:
            own = net.route(towards)
            if own:
                way = ip_network(own) if "." in own else ip_network((own, NETWORK_BITS), False)
                self.progress.mixed |= self._ways.setdefault(way.version, way) != way

    def emit(self, row: Measurement) -> State:
        """Store a row; a failure that this line could not have told apart is inconclusive."""
        line = self.progress.line
        if row.state == "fail" and self.check >= 0 and masks(line, row.stage):
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

    def took(self, received: int) -> None:
        """Count bytes towards the run's cap; over it, the run ends."""
        self.progress.bytes_received += received
        if self.progress.bytes_received > self.settings.max_bytes:
            self.stop("byte_cap")

    async def turn(self) -> None:
        """Wait for a turn to open a connection to a resolver."""
        await self._connections.turn()

    def lookup(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to look a name up."""
        return self._lookup()

    @asynccontextmanager
    async def _lookup(self) -> AsyncIterator[None]:
        async with self._questions:
            await self._lookups.turn()
            yield

    def slot(self, address: str) -> AbstractAsyncContextManager[None]:
        """Wait until manners and open files allow a connection to this address."""
        return self._slot(address)

    @asynccontextmanager
    async def _slot(self, address: str) -> AsyncIterator[None]:
        if net.is_loopback(address):  # nobody else's machine
            async with self._sockets:
                await self._connections.turn()
                yield
            return
        host = self._hosts.setdefault(address, Host())
        async with host.lock:
            await asyncio.sleep(max(0.0, host.next_at - time.monotonic()))
            async with self._sockets:
                await self._connections.turn()
                host.next_at = time.monotonic() + SPACING_S
                yield

    # The run.

    def stop(self, reason: Reason) -> None:
        """Ask the run to end now, keeping what was measured."""
        self._stop = reason
        if self._work:
            self._work.cancel()

    async def go(self, step: Callable[[Progress], None] = lambda _: None) -> Progress:
        """Do the whole run; ``step`` is called whenever a target is done.

        Raises OSError when a row could not be stored; what was stored before stays.
        """
        return await self._do(self._all(step))

    async def look(self) -> Progress:
        """Look once at the controls, and at nothing else; raises as :meth:`go` does."""
        return await self._do(self._look_at_line())

    async def _do(self, work: Coroutine[Any, Any, None]) -> Progress:
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

    async def _all(self, step: Callable[[Progress], None]) -> None:
        await self._look_at_line()
        try:
            async with asyncio.timeout(self.settings.deadline_s), asyncio.TaskGroup() as group:
                order = random.sample(self.targets, len(self.targets))  # a cut-off hits all alike
                for target in order:
                    group.create_task(self._one(target, step))
        except TimeoutError:
            if len(self.progress.done) < len(self.targets):  # else only servers of a zone were left
                self.progress.reason = "deadline"
        await self._look_at_line()

    async def _one(self, target: Target, step: Callable[[Progress], None]) -> None:
        chain = Chain(self, target, 1 + self.settings.confirm)
        seen = await chain.run()
        self.progress.done.append(seen)
        self._latest.append(seen.state in ("fail", "inconclusive"))
        step(self.progress)
        burst = len(self._latest) == BURST and sum(self._latest) * 2 >= BURST
        due = time.monotonic() - self._checked_at > RECHECK_S
        if burst and due and not self._checking:
            await self._look_at_line()
        if not self.line_lost:
            await chain.ask_authorities()

    async def _look_at_line(self) -> None:
        """Probe the controls once and judge the own line."""
        self._checking = True
        number = self.check + 1
        try:
            chains = [Chain(self, one, 1, number) for one in self.controls]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(chain.run()) for chain in chains]
            seen = [task.result() for task in tasks]
        finally:
            self._checking = False
        self.check = number
        self._checked_at = time.monotonic()
        self.progress.controls = tally(seen)
        self.progress.line = verdict(self.progress.controls, self.perspective)
        self.progress.lines.append(self.progress.line)
        offsets = [one.date_offset_ms for one in seen if one.date_offset_ms is not None]
        if len(offsets) >= CLOCK_CONTROLS:
            self.progress.clock_offset_ms = round(statistics.median(offsets))

    def _account_for_all(self) -> None:
        """Give every target that was not got to its line, with the reason."""
        done = {one.target.id for one in self.progress.done}
        at = self.settings.now()
        for target in self.targets:
            if target.id not in done:
                self.emit(skipped(target, self.run, at, self.progress.reason))
                self.progress.done.append(Seen(target))
        for target in self.elsewhere:
            self.emit(skipped(target, self.run, at, "perspective"))

    def _learn_own_addresses(self) -> None:
        """Ask the routing table, so that these never reach a file. Sends nothing."""
        hosts = (host for one in self.settings.resolvers for host in one.hosts)
        found = {net.route(one) for one in (*TOWARDS, *filter(_is_address, hosts))}
        self.own |= {one for one in found if one and not net.is_loopback(one)}


def _is_address(text: str) -> bool:
    try:
        is_bogon(text)
    except ValueError:
        return False
    return True


def tally(seen: Sequence[Seen]) -> Tally:
    """Count how the controls of one look fared."""
    foreign = [one for one in seen if one.target.control == "foreign"]
    domestic = [one for one in seen if one.target.control == "domestic"]
    named = [one for one in foreign if one.named]
    return Tally(
        foreign=len(foreign),
        foreign_ok=sum(one.state == "ok" for one in foreign),
        domestic=len(domestic),
        domestic_ok=sum(one.state == "ok" for one in domestic),
        named=len(named),
        unresolved=sum(one.unresolved for one in named),
        unexpected=sum(one.unexpected for one in foreign),
    )
