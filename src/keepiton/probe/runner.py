"""One run: controls first and last, all targets at once within the limits, one deadline."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence

from keepiton.base.types import Perspective
from keepiton.lists.types import Target
from keepiton.probe import certificate, dns
from keepiton.probe.connectivity import VantageConnectivity
from keepiton.probe.context import RunContext, TargetContext
from keepiton.probe.limits import Limits
from keepiton.probe.settings import Settings
from keepiton.probe.side import ask_authorities
from keepiton.probe.target import probe_target
from keepiton.probe.types import Progress, TargetResult, literal_address
from keepiton.storage.rows import EndReason, Measurement

BURST_TARGETS = 10
"""Latest targets in which a burst of failures is looked for; half of them make one."""
RECHECK_S = 10.0
"""Least time between two connectivity checks while failures go on."""


class Runner:
    """One run from one vantage."""

    def __init__(
        self,
        run: str,
        targets: Sequence[Target],
        perspective: Perspective,
        settings: Settings,
        store: Callable[[Measurement], None],
    ) -> None:
        """Prepare; nothing is sent before :meth:`run_all` or :meth:`check_connectivity`."""
        fitting = [target for target in targets if target.perspective in ("any", perspective)]
        self.elsewhere = [target for target in targets if target not in fitting]
        self.controls = [target for target in fitting if target.control]
        self.targets = [target for target in fitting if not target.control]
        self._servers = [target for target in fitting if target.serves and settings.compare]
        self._asked: Counter[str] = Counter()
        """Questions that each server of a zone has been given."""
        self.settings = settings
        self.progress = Progress(planned=len(self.targets))
        self.limits = Limits(settings, lambda: self.stop("byte_cap"))
        self.vantage = VantageConnectivity(perspective, self.progress)
        self.context = RunContext(
            run, settings, self.limits, self.vantage, self._store_row, self.authorities
        )
        self._store = store
        self._broken: OSError | None = None
        self._checking = False
        self._latest: deque[bool] = deque(maxlen=BURST_TARGETS)
        self._stop: EndReason | None = None
        self._work: asyncio.Task[None] | None = None

    def _store_row(self, row: Measurement) -> None:
        if self._broken:
            return
        try:
            self._store(row)
        except OSError as exc:  # a full or failing disk ends the run, not each target by itself
            self._broken = exc
            self.stop("interrupted")

    def authorities(self, name: str) -> list[dns.Resolver]:
        """Name the servers to ask of the zone that a name lies in: one of each role.

        The one that has been asked least, so that all are asked alike.
        """
        least: dict[str, str] = {}
        for server in random.sample(self._servers, len(self._servers)):
            address = server.addresses[0]
            if f".{name}".endswith(f".{server.serves}") and not self.settings.refused(address):
                before = least.setdefault(server.role, address)
                least[server.role] = min(before, address, key=self._asked.__getitem__)
        self._asked.update(least.values())
        return [dns.Resolver(role, "udp", (address,)) for role, address in least.items()]

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
        """Probe the controls once, and nothing else; raises as :meth:`run_all` does."""
        return await self._run_task(self._check_connectivity())

    async def _run_task(self, work: Coroutine[None, None, None]) -> Progress:
        certificate.bundle(self.settings.roots)  # both read before anything is timed
        certificate.system_store()
        hosts = [host for resolver in self.settings.resolvers for host in resolver.hosts]
        self.vantage.learn_own_addresses([host for host in hosts if literal_address(host)])
        self._work = asyncio.create_task(work)
        watch = asyncio.create_task(self.vantage.watch())
        try:
            await self._work
        except asyncio.CancelledError:
            if self._stop is None:
                raise
        finally:
            watch.cancel()
        if self._stop:
            self.progress.reason = self._stop
        self.progress.bytes_received = self.limits.bytes_received
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
            # Else only side measurements were left.
            if len(self.progress.results) < len(self.targets):
                self.progress.reason = "deadline"
        await self._check_connectivity()

    async def _probe_target(self, target: Target, step: Callable[[Progress], None]) -> None:
        context = TargetContext(self.context, target, 1 + self.settings.confirm)
        result = await probe_target(context)
        self.progress.results.append(result)
        self._latest.append(result.state in ("fail", "inconclusive"))
        step(self.progress)
        burst = len(self._latest) == BURST_TARGETS and sum(self._latest) * 2 >= BURST_TARGETS
        due = time.monotonic() - self.vantage.checked_at > RECHECK_S
        if burst and due and not self._checking:
            await self._check_connectivity()
        if not self.vantage.offline:
            await ask_authorities(context, result.looked_up)

    async def _check_connectivity(self) -> None:
        """Probe the controls once and judge the vantage connectivity."""
        self._checking = True
        number = self.vantage.check_number + 1
        contexts = [TargetContext(self.context, target, 1, number) for target in self.controls]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(probe_target(context)) for context in contexts]
        finally:
            self._checking = False
        self.vantage.note_check(number, [task.result() for task in tasks])

    def _account_for_all(self) -> None:
        """Write a row, with the reason, for every target that was not probed."""
        done = {result.target.id for result in self.progress.results}
        for target in self.targets:
            if target.id not in done:
                self.context.skip(target, self.progress.reason)
                self.progress.results.append(TargetResult(target))
        for target in self.elsewhere:
            self.context.skip(target, "perspective")
