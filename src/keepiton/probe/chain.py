"""One target: resolve, then for every address tcp, tls and http on one connection.

Each stage gives one measurement. A stage that fails ends the chain of that address, except that
an invalid certificate is a finding and not a stop. What failed is tried again after a pause.
"""

import asyncio
import re
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from keepiton.bogons import is_bogon
from keepiton.model import Measurement, Stage, State, Target, clean
from keepiton.probe import certificate, dns, http, net, tcp, tls
from keepiton.probe.failures import BOGON, classify, is_local
from keepiton.probe.world import (
    ADDRESSES_PER_FAMILY,
    BUDGET_S,
    GRACE_S,
    STAGE_S,
    Seen,
    World,
    skipped,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port of a target."""

    address: str
    port: int
    transport: str


@dataclass(slots=True)
class _Tried:
    """A stage tried once: its value, or its failure."""

    check: int
    value: Any = None
    failure: str | None = None
    local: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    duration_ms: float = 0.0


@dataclass(slots=True)
class Chain:
    """The chain of one target in one run."""

    world: World
    target: Target
    attempts: int
    check: int | None = None
    """For a control: which look it is part of."""
    seen: Seen = field(init=False)
    attempt: int = 1
    looked_up_s: float = 0.0

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self.seen = Seen(self.target)

    async def run(self) -> Seen:
        """Try the target, confirm what failed, and say what became of it."""
        addresses = list(self.target.addresses)
        host = urlsplit(self.target.url).hostname if self.target.url else self.target.host
        literal = host and _literal(host)
        if literal:
            addresses.append(literal)
        name = None if literal else host
        self.seen.named = bool(name)
        settled: dict[Endpoint, State] = {}
        for attempt in range(1, self.attempts + 1):
            self.attempt = attempt
            if attempt > 1:
                await asyncio.sleep(self.world.settings.pause_s * 2 ** (attempt - 2))
            self.looked_up_s = 0.0
            if name:
                found = await self._resolve(name)
                if found:
                    addresses += [one for one in found if one not in addresses]
                    name = None
            todo = [one for one in self._endpoints(addresses) if settled.get(one, "fail") == "fail"]
            async with asyncio.TaskGroup() as group:
                tried = [(one, group.create_task(self._endpoint(one))) for one in todo]
            settled |= {one: task.result() for one, task in tried}
            again = (name and self.seen.state == "fail") or "fail" in settled.values()
            if not again or self.world.line_lost:
                break
        self._conclude(settled, unresolved=bool(name))
        return self.seen

    def _conclude(self, settled: dict[Endpoint, State], *, unresolved: bool) -> None:
        states = set(settled.values())
        self.seen.unresolved = unresolved
        if "ok" in states:
            self.seen.state, self.seen.stage, self.seen.failure = "ok", None, None
        elif "fail" in states:
            self.seen.state = "fail"
        elif states:
            self.seen.state = "inconclusive" if "inconclusive" in states else "skipped"

    def _endpoints(self, addresses: list[str]) -> list[Endpoint]:
        if self.target.url:
            parts = urlsplit(self.target.url)
            ports = [(parts.port or (443 if parts.scheme == "https" else 80), "tcp")]
        else:
            split = (port.split("/") for port in self.target.ports)
            ports = [(int(number), transport) for number, transport in split]
        return [Endpoint(one, port, transport) for one in addresses for port, transport in ports]

    def _emit(self, stage: Stage, tried: _Tried, **facts: Any) -> State:  # noqa: ANN401 - row fields
        """Write one row, without anything that names this machine."""
        target = self.target
        state: State = "ok" if tried.failure is None else "fail"
        if tried.local:
            state = "inconclusive"
            facts["reason"] = facts.get("reason", "local_fault")
        facts = {key: self._scrub(value) for key, value in facts.items()}
        state = self.world.emit(
            Measurement(
                run=self.world.run,
                target=target.id,
                operator=target.operator,
                asn=target.asn,
                role=target.role,
                control=target.control,
                check=tried.check,
                stage=stage,
                attempt=self.attempt,
                at=tried.at,
                duration_ms=round(tried.duration_ms, 3),
                state=state,
                failure=tried.failure,
                **facts,
            )
        )
        if state != "ok":
            self.seen.state, self.seen.stage, self.seen.failure = state, stage, tried.failure
        return state

    def _now(self) -> int:
        return self.world.check if self.check is None else self.check

    def _scrub(self, value: Any) -> Any:  # noqa: ANN401 - row fields
        if isinstance(value, tuple):
            return tuple(self._scrub(one) for one in value)
        if isinstance(value, str):
            for own in self.world.own:
                value = re.sub(rf"(?<![\w.:]){re.escape(own)}(?![\w:])", "[scrubbed]", value)
            if _near(value, self.world.own):
                return "[scrubbed]"
        return value

    async def _try(self, within_s: float, work: Awaitable[Any]) -> _Tried:
        """Run one stage against the clock. A network failure is a value."""
        tried = _Tried(self._now())
        began = time.monotonic()
        try:
            async with asyncio.timeout(within_s):
                tried.value = await work
        except Exception as exc:  # noqa: BLE001 - the edge of a probe: what is unknown is stored as such
            tried.failure = classify(exc)
            tried.local = is_local(exc)
        tried.duration_ms = (time.monotonic() - began) * 1000
        return tried

    async def _resolve(self, name: str) -> list[str]:
        """Ask every resolver for both families; return usable addresses, capped."""
        questions = [
            (resolver, kind) for resolver in self.world.settings.resolvers for kind in ("A", "AAAA")
        ]
        within_s = STAGE_S["dns"] + GRACE_S
        async with self.world.lookup(), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._try(within_s, dns.ask(resolver, name, kind, STAGE_S["dns"]))
                )
                for resolver, kind in questions
            ]
        given: dict[str, None] = {}
        answered = {
            resolver.label
            for (resolver, _), task in zip(questions, tasks, strict=True)
            if task.result().value and task.result().value.records
        }
        self.looked_up_s = max(task.result().duration_ms for task in tasks) / 1000
        kept = {4: 0, 6: 0}
        for (resolver, kind), task in zip(questions, tasks, strict=True):
            tried = task.result()
            answer: dns.Answer | None = tried.value
            usable: list[str] = []
            if answer:
                tried.failure = answer.failure
                if answer.failure == "dns_no_answer" and resolver.label in answered:
                    tried.failure = None  # one family is enough: no anomaly
                usable = [one for one in answer.records if self._may_go(one)]
                if answer.records and not usable:
                    tried.failure = BOGON
            facts: dict[str, Any] = {}
            if tried.failure and not answer and not any(map(_reachable, resolver.hosts)):
                tried.local, facts["reason"] = True, "no_route"
            fresh = [one for one in usable if one not in given]
            family = 6 if kind == "AAAA" else 4
            taken = fresh[: max(0, ADDRESSES_PER_FAMILY - kept[family])]
            kept[family] += len(taken)
            given |= dict.fromkeys(taken)
            self._emit(
                "dns",
                tried,
                query=f"{name} {kind}",
                resolver=resolver.label,
                transport=resolver.transport,
                rcode=answer.rcode if answer else None,
                answers=answer.records if answer else None,
                capped=len(fresh) - len(taken) or None,
                **facts,
            )
        return list(given)

    def _may_go(self, address: str) -> bool:
        """Whether an address that a name gave may be connected to."""
        return self.world.settings.allow_private or not is_bogon(address)

    async def _endpoint(self, end: Endpoint) -> State:
        """Follow one address to the end of its chain."""
        where = {
            "family": 6 if ":" in end.address else 4,
            "address": end.address,
            "port": end.port,
        }
        stage: Stage = "dns" if end.transport == "udp" else "tcp"
        if self.world.settings.refused(end.address):
            return self._skip(stage, "do_not_probe")
        own = net.route(end.address)
        if own is None:
            failure = "network_unreachable"
            return self._emit(
                stage, _Tried(self._now(), failure=failure, local=True), reason="no_route", **where
            )
        if not net.is_loopback(end.address):
            self.world.own.add(own)
        async with self.world.slot(end.address):
            if end.transport == "udp":
                return await self._ask_target(end, where)
            tried = await self._try(STAGE_S["tcp"], tcp.connect(end.address, end.port))
            state = self._emit("tcp", tried, **where)
            if state != "ok":
                return state
            connection: net.Connection = tried.value
            try:
                if self.target.query and end.port == dns.PORTS["tcp"]:
                    return await self._ask_target(end, where, connection)
                if self.target.url:
                    spent_s = self.looked_up_s + tried.duration_ms / 1000
                    return await self._web(self.target.url, connection, where, spent_s)
            finally:
                connection.close()
                self.world.took(connection.received)
            return state

    def _skip(self, stage: Stage, reason: str) -> State:
        row = skipped(self.target, self.world.run, reason, self._now())
        return self.world.emit(row.model_copy(update={"stage": stage, "attempt": self.attempt}))

    async def _ask_target(
        self, end: Endpoint, where: dict[str, Any], connection: net.Connection | None = None
    ) -> State:
        """Put the target's own question to it: a name server or a resolver."""
        query = self.target.query
        assert query  # noqa: S101 - the model asks for a query with a udp port
        if connection:
            work = dns.ask_on(connection, query.name, query.type, recurse=query.recurse)
        else:
            server = dns.Resolver(end.address, "udp", (end.address,), end.port)
            work = dns.ask(server, query.name, query.type, STAGE_S["dns"], recurse=query.recurse)
        tried = await self._try(STAGE_S["dns"] + GRACE_S, work)
        answer: dns.Answer | None = tried.value
        if answer:
            tried.failure = answer.failure
        return self._emit(
            "dns",
            tried,
            query=f"{query.name} {query.type}",
            transport=end.transport,
            rcode=answer.rcode if answer else None,
            answers=answer.records if answer else None,
            **where,
        )

    async def _web(
        self, url: str, connection: net.Connection, where: dict[str, Any], spent_s: float
    ) -> State:
        """Do tls where the URL asks for it, and http, on the connection there is."""
        host = urlsplit(url).hostname or ""
        unverified = alpn = None
        worst: State = "ok"
        if url.startswith("https:"):
            within_s = min(STAGE_S["tls"], BUDGET_S - spent_s)
            if within_s <= 0:
                return self._skip("tls", "budget")
            tried = await self._try(within_s, tls.handshake(connection, host))
            shake: tls.Handshake | None = tried.value
            facts: dict[str, Any] = {}
            if shake:
                tried.failure = certificate.verdict(shake.chain, host, self.world.settings.roots)
                unverified = tried.failure is not None or None
                alpn = shake.alpn
                facts = {
                    "tls_version": shake.version,
                    "cipher": shake.cipher,
                    "alpn": shake.alpn,
                    "certificate_sha256": shake.leaf_sha256,
                }
            worst = self._emit("tls", tried, **facts, **where)
            if not shake:
                return worst
            spent_s += tried.duration_ms / 1000
        within_s = min(STAGE_S["http"], BUDGET_S - spent_s)
        if within_s <= 0:
            return self._skip("http", "budget")
        tried = await self._try(
            within_s, http.fetch(connection, url, self.world.settings.headers, alpn=alpn)
        )
        reply: http.Reply | None = tried.value
        facts = {}
        if reply:
            if self.target.expect:
                tried.failure = http.unmet(self.target.expect, reply)
            if self.target.control:
                facts["date_offset_ms"] = reply.date_offset_ms(_middle_ms(tried))
                self.seen.date_offset_ms = facts["date_offset_ms"]
            facts |= {
                "http_version": reply.version,
                "status": reply.status,
                "body_length": len(reply.body),
                "body_sha256": reply.body_sha256,
                "truncated": reply.truncated or None,
                "server": clean(reply.headers["server"], 100)
                if "server" in reply.headers
                else None,
                "location_host": reply.location_host(url),
            }
        state = self._emit("http", tried, unverified=unverified, **facts, **where)
        return state if worst == "ok" else worst


def _middle_ms(tried: _Tried) -> int:
    return round(tried.at.timestamp() * 1000 + tried.duration_ms / 2)


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _reachable(host: str) -> bool:
    """Whether there is a route to a resolver's host, as far as can be told: names may have one."""
    return _literal(host) is None or net.route(host) is not None


def _near(text: str, own: set[str]) -> bool:
    """Whether a private address lies in this machine's own network: a router, a neighbour."""
    address = _literal(text)
    if not address or not is_bogon(address) or net.is_loopback(address):
        return False
    for one in own:
        if _literal(one) and (":" in one) == (":" in address):
            ours, theirs = ip_address(one), ip_address(address)
            shift = 64 if ours.version == 6 else 8  # noqa: PLR2004 - an IP version
            if int(ours) >> shift == int(theirs) >> shift:
                return True
    return False
