"""Context of a probe: what the targets of a run share, and how a stage becomes a row."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from keepiton.base.bogons import is_bogon
from keepiton.base.types import RowState, SideMeasurement, Stage
from keepiton.lists.types import Target
from keepiton.probe import net, scrub
from keepiton.probe.connectivity import VantageConnectivity
from keepiton.probe.dns import Resolver
from keepiton.probe.failures import LOCAL, classify
from keepiton.probe.limits import Limits
from keepiton.probe.settings import Settings
from keepiton.probe.types import Attempt, Endpoint, EndpointResult, Facts, Outcome
from keepiton.storage.rows import Measurement, MeasurementRow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all targets of a run share."""

    run: str
    settings: Settings
    limits: Limits
    vantage: VantageConnectivity
    store: Callable[[Measurement], None]
    authorities: Callable[[str], list[Resolver]]
    """Servers to ask of the zone that a name lies in: one at home, one abroad."""

    def skip(
        self,
        target: Target,
        reason: str,
        *,
        check: int | None = None,
        stage: Stage | None = None,
        attempt: Attempt = Attempt(),  # noqa: B008 - frozen
    ) -> None:
        """Write the row of a target, or of a stage of it, that was left out."""
        self.store(
            MeasurementRow(
                run=self.run,
                target=target.id,
                operator=target.operator,
                asn=target.asn,
                role=target.role,
                control=target.control,
                check=check,
                stage=stage,
                attempt=attempt.number,
                hop=attempt.hop,
                host=attempt.host,
                aside=attempt.aside,
                at=self.settings.now(),
                state="skipped",
                reason=reason,
            )
        )


@dataclass(frozen=True, slots=True)
class TargetContext:
    """A target, and the run it is probed in."""

    run: RunContext
    target: Target
    attempts: int = 1
    """Most attempts at what fails."""
    check: int | None = None
    """For a control: number of the connectivity check that it belongs to."""
    attempt: Attempt = Attempt()  # noqa: RUF009 - frozen

    @property
    def settings(self) -> Settings:
        """The run's settings."""
        return self.run.settings

    @property
    def offline(self) -> bool:
        """Whether the vantage is known to be offline."""
        return self.run.vantage.offline

    def check_number(self) -> int:
        """Return the number that rows beginning now are marked with."""
        return self.run.vantage.check_number if self.check is None else self.check

    def failed(self, failure: str, reason: str | None = None) -> Outcome[None]:
        """Return the outcome of a stage that fails before anything is sent."""
        return Outcome(self.check_number(), self.settings.now(), failure=failure, reason=reason)

    async def run_stage(self, within_s: float, work: Awaitable[T]) -> Outcome[T]:
        """Run one stage against the clock. A network failure is a value."""
        check, at, began = self.check_number(), self.settings.now(), time.monotonic()
        value = failure = None
        try:
            async with asyncio.timeout(within_s):
                value = await work
        except Exception as exc:  # noqa: BLE001 - the edge of a probe: what is unknown is stored as such
            failure = classify(exc)
        reason = "local_fault" if failure in LOCAL else None
        return Outcome(check, at, began, time.monotonic(), value, failure, reason)

    def aside(self, aside: SideMeasurement) -> "TargetContext":
        """Return the context of a side measurement."""
        return replace(self, attempt=replace(self.attempt, aside=aside))

    def record(
        self, outcome: Outcome[object], facts: Facts, endpoint: Endpoint | None = None
    ) -> EndpointResult:
        """Write one row, without anything that names this machine; return what it shows."""
        target, attempt, failure = self.target, self.attempt, outcome.failure
        vantage = self.run.vantage
        reason = outcome.reason
        if failure and not reason:
            reason = vantage.inconclusive(facts.stage, failure)
        state: RowState = "ok" if failure is None else "inconclusive" if reason else "fail"
        fields: dict[str, object] = {name: getattr(facts, name) for name in type(facts).__slots__}
        if endpoint:
            fields["family"] = 6 if ":" in endpoint.address else 4
            fields["address"], fields["port"] = endpoint.address, endpoint.port
        own = frozenset(vantage.own_addresses)
        kept = (endpoint.address if endpoint else "", *target.addresses)
        scrubbed = {
            name: scrub.value(
                fact, own, kept, "followed" if attempt.hop and name == "query" else name
            )
            for name, fact in fields.items()
        }
        self.run.store(
            MeasurementRow(
                run=self.run.run,
                target=target.id,
                operator=target.operator,
                asn=target.asn,
                role=target.role,
                control=target.control,
                check=outcome.check,
                stage=facts.stage,
                attempt=attempt.number,
                hop=attempt.hop,
                host=attempt.host,
                aside=attempt.aside,
                at=outcome.at,
                duration_ms=round(outcome.seconds * 1000, 3),
                late_ms=vantage.loop_lag_ms(outcome.began),
                state=state,
                failure=failure,
                reason=reason,
                **scrubbed,  # type: ignore[arg-type] # by name; checked when the row is made
            )
        )
        return (
            EndpointResult(state) if state == "ok" else EndpointResult(state, facts.stage, failure)
        )

    def skip(self, stage: Stage, reason: str) -> EndpointResult:
        """Write the row of a stage that was left out."""
        check = self.check_number()
        self.run.skip(self.target, reason, check=check, stage=stage, attempt=self.attempt)
        return EndpointResult()

    def may_connect(self, address: str) -> bool:
        """Whether an address that a name or a redirect gave may be connected to."""
        if self.settings.drill:
            return net.is_loopback(address)
        if self.settings.allow_private:
            return True
        return not is_bogon(address) and address not in self.run.vantage.own_addresses


async def together(works: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Do works at the same time. One alone is no task of its own: long lists have very many."""
    waiting = list(works)
    if len(waiting) == 1:
        return [await waiting[0]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in waiting]
    return [task.result() for task in tasks]
