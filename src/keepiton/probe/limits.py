"""Limits of a run: rates, one connection at a time to an address, open sockets, received bytes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from keepiton.probe import net
from keepiton.probe.settings import Settings

SPACING_S = 2.0
"""Least time between two connections to one address (SAFETY S11)."""


@dataclass(slots=True)
class HostThrottle:
    """One connection at a time to one address, and the time of the next."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_at: float = 0.0


class RateLimiter:
    """Turns at a fixed rate; no connection is held while a caller waits for one."""

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


class Limits:
    """The limits that all probes of a run share."""

    def __init__(self, settings: Settings, over_cap: Callable[[], None]) -> None:
        """Apply the settings; ``over_cap`` is called once the byte cap is passed."""
        self.connections = RateLimiter(settings.rate)
        """Turns to open a connection."""
        self.bytes_received = 0
        self._max_bytes = settings.max_bytes
        self._over_cap = over_cap
        self._hosts: dict[str, HostThrottle] = {}
        self._lookups = RateLimiter(settings.rate)
        room = net.room_for_sockets()
        self._sockets = asyncio.Semaphore(max(1, room * 3 // 4))
        # A look-up holds two sockets a resolver, one for each address family.
        per_lookup = 2 * max(1, len(settings.resolvers)) + len(settings.compare)
        self._questions = asyncio.Semaphore(max(1, room // 4 // per_lookup))

    @asynccontextmanager
    async def lookup_slot(self) -> AsyncIterator[None]:
        """Wait for a turn to look a name up."""
        async with self._questions:
            await self._lookups.acquire()
            yield

    @asynccontextmanager
    async def connection_slot(self, address: str) -> AsyncIterator[None]:
        """Wait until the limits allow a connection to this address."""
        if net.is_loopback(address):  # nobody else's machine
            async with self._sockets:
                await self.connections.acquire()
                yield
            return
        host = self._hosts.setdefault(address, HostThrottle())
        async with host.lock:
            await asyncio.sleep(max(0.0, host.next_at - time.monotonic()))
            async with self._sockets:
                await self.connections.acquire()
                host.next_at = time.monotonic() + SPACING_S
                yield

    def count_bytes(self, received: int) -> None:
        """Count bytes towards the run's cap."""
        self.bytes_received += received
        if self.bytes_received > self._max_bytes:
            self._over_cap()
