"""One target: resolve, then for every address tcp, tls and http on one connection.

Each stage gives one measurement. A stage that fails ends the chain of that address, except that
an invalid certificate is a finding and not a stop. What failed is tried again after a pause. A
redirect is followed, each hop a chain of its own. Rows beside the chain (``aside``) answer one more
question each: what other resolvers say, whether another name gets through to the same address.
"""

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from keepiton.base.bogons import is_bogon
from keepiton.base.types import RowState, SideMeasurement, Stage, clean
from keepiton.lists.types import Target
from keepiton.probe import certificate, dns, http, net, quic, scrub, tcp, tls
from keepiton.probe.context import (
    ADDRESSES_PER_FAMILY,
    BUDGET_S,
    GRACE_S,
    MAX_HOPS,
    NEUTRAL,
    PATIENCE_S,
    SAMPLE_BYTES,
    STAGE_S,
    RunContext,
    TargetResult,
    skipped_row,
)
from keepiton.probe.failures import BOGON, EOF, NOT_TLS, TIMEOUT, Failed, classify, is_local
from keepiton.storage.rows import Measurement

T = TypeVar("T")

SUSPECT = frozenset({"connection_reset", EOF, TIMEOUT, NOT_TLS})
"""Ways in which a handshake or a request breaks off that a name in it may have caused."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port of a target."""

    address: str
    port: int
    transport: str
    url: str = ""
    host: str = ""
    """The URL's."""
    aside: SideMeasurement | None = None


@dataclass(slots=True)
class _Tried:
    """A stage tried once: its value, or its failure."""

    check: int
    attempt: int
    """Of the chain, when it began: what stands beside the chain goes on while it tries again."""
    at: datetime
    value: Any = None
    failure: str | None = None
    local: bool = False
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.ended - self.began)


@dataclass(slots=True)
class Chain:
    """The chain of one target in one run."""

    world: RunContext
    target: Target
    attempts: int
    check: int | None = None
    """For a control: which look it is part of."""
    seen: TargetResult = field(init=False)
    attempt: int = 1
    looked_up_s: float = 0.0
    hop: int | None = None
    host: str | None = None
    """Of a hop: where it leads."""
    next_url: str | None = None
    """Where the latest answer redirects to."""
    visited: set[str] = field(default_factory=set)
    names: list[tuple[int | None, str | None, str]] = field(default_factory=list)
    """Names that were looked up, each with its hop and host."""

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self.seen = TargetResult(self.target)

    async def run(self) -> TargetResult:
        """Try the target, confirm what failed, and say what became of it."""
        host = urlsplit(self.target.url).hostname if self.target.url else self.target.host
        if self.target.url:
            self.visited.add(self.target.url)
        settled, unresolved = await self._reach(self.target.url, host, self.target.addresses)
        self._conclude(settled, unresolved=unresolved)
        self.seen.has_name = bool(host) and _literal(host or "") is None
        while self.next_url and self.seen.state == "ok" and not self.world.offline:
            self.hop = (self.hop or 0) + 1
            if not await self._follow(self.next_url):
                break
        return self.seen

    async def _follow(self, url: str) -> bool:
        """Go where a redirect leads; whether it answered."""
        self.next_url = None
        self.visited.add(url)
        host = urlsplit(url).hostname or ""
        self.host = clean(
            scrub.value(host, frozenset(self.world.own_addresses), (), "location_host")
        )
        kept = self.seen.state, self.seen.stage, self.seen.failure
        literal = _literal(host)
        if self.world.settings.refused_name(host):
            self._skip("dns", "do_not_probe")
            return False
        if literal and not self._may_go(literal):
            self._emit("dns", self._begin(failure=BOGON))
            return False
        settled, _ = await self._reach(url, host, ())
        if "ok" not in settled.values():
            self.seen.hop_failure = self.seen.failure
        self.seen.state, self.seen.stage, self.seen.failure = kept
        return "ok" in settled.values()

    async def _reach(
        self, url: str | None, host: str | None, pinned: tuple[str, ...]
    ) -> tuple[dict[Endpoint, RowState], bool]:
        """Resolve and try every address, again where it failed.

        Returns what became of each, and whether a name stayed unresolved.
        """
        addresses = list(pinned)
        literal = host and _literal(host)
        if literal:
            addresses.append(literal)
        name = None if literal else host
        if not name or not self.world.settings.compare or self.target.control:
            return await self._attempts(url, name, addresses)
        self.names.append((self.hop, self.host, name))
        async with asyncio.TaskGroup() as beside:
            told = beside.create_task(self._compare(name))
            reached = await self._attempts(url, name, addresses)
        other = [] if set(told.result()) & set(addresses) else told.result()
        if other and not self.world.offline:  # shows whether only the name was in the way
            kept = self.seen.state, self.seen.stage, self.seen.failure, self.next_url
            await self._endpoint(self._endpoints(url, other[:1], aside="compare")[0])
            self.seen.state, self.seen.stage, self.seen.failure, self.next_url = kept
        return reached

    async def _attempts(
        self, url: str | None, name: str | None, addresses: list[str]
    ) -> tuple[dict[Endpoint, RowState], bool]:
        """Look up and try, again what failed; add the addresses that are found to the list."""
        settled: dict[Endpoint, RowState] = {}
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
            ends = self._endpoints(url, addresses)
            todo = [one for one in ends if settled.get(one, "fail") == "fail"]
            settled |= zip(todo, await _together(map(self._endpoint, todo)), strict=True)
            again = (name and self.seen.state == "fail") or "fail" in settled.values()
            if not again or self.world.offline:
                break
        return settled, bool(name)

    def _conclude(self, settled: dict[Endpoint, RowState], *, unresolved: bool) -> None:
        states = set(settled.values())
        self.seen.unresolved = unresolved
        if "ok" in states:
            self.seen.state, self.seen.stage, self.seen.failure = "ok", None, None
        elif "fail" in states:
            self.seen.state = "fail"
        elif states:
            self.seen.state = "inconclusive" if "inconclusive" in states else "skipped"

    def _endpoints(
        self, url: str | None, addresses: list[str], aside: SideMeasurement | None = None
    ) -> list[Endpoint]:
        host = ""
        if url:
            parts = urlsplit(url)
            host = parts.hostname or ""
            ports = [(parts.port or (443 if parts.scheme == "https" else 80), "tcp")]
        else:
            split = (port.split("/") for port in self.target.ports)
            ports = [(int(number), transport) for number, transport in split]
        return [
            Endpoint(one, port, transport, url or "", host, aside)
            for one in addresses
            for port, transport in ports
        ]

    def _emit(self, stage: Stage, tried: _Tried, **facts: Any) -> RowState:  # noqa: ANN401 - row fields
        """Write one row, without anything that names this machine."""
        target = self.target
        state: RowState = "ok" if tried.failure is None else "fail"
        if tried.local:
            state = "inconclusive"
            facts["reason"] = facts.get("reason", "local_fault")
        own, mine = (
            frozenset(self.world.own_addresses),
            (facts.get("address") or "", *target.addresses),
        )
        facts = {
            key: one
            if one is None or isinstance(one, int | float)
            else scrub.value(one, own, mine, "followed" if self.hop and key == "query" else key)
            for key, one in facts.items()
        }
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
                attempt=tried.attempt,
                hop=self.hop,
                host=self.host,
                at=tried.at,
                duration_ms=round(tried.seconds * 1000, 3),
                late_ms=self.world.loop_lag_ms(tried.began),
                state=state,
                failure=tried.failure,
                **facts,
            )
        )
        if state != "ok" and not facts.get("aside"):
            self.seen.state, self.seen.stage, self.seen.failure = state, stage, tried.failure
        return state

    def _now(self) -> int:
        return self.world.check_number if self.check is None else self.check

    def _begin(self, failure: str | None = None, *, local: bool = False) -> _Tried:
        at = self.world.settings.now()
        return _Tried(self._now(), self.attempt, at, failure=failure, local=local)

    async def _try(self, within_s: float, work: Awaitable[Any]) -> _Tried:
        """Run one stage against the clock. A network failure is a value."""
        tried = self._begin()
        try:
            async with asyncio.timeout(within_s):
                tried.value = await work
        except Exception as exc:  # noqa: BLE001 - the edge of a probe: what is unknown is stored as such
            tried.failure = classify(exc)
            tried.local = is_local(exc)
        tried.ended = time.monotonic()
        return tried

    async def _resolve(self, name: str) -> list[str]:
        """Ask every resolver for both families; return usable addresses, capped."""
        questions = [
            (resolver, kind) for resolver in self.world.settings.resolvers for kind in ("A", "AAAA")
        ]
        tries = await self._ask_all(questions, name)
        answered = {
            resolver.label
            for (resolver, _), tried in zip(questions, tries, strict=True)
            if tried.value and tried.value.records
        }
        self.looked_up_s = max(tried.seconds for tried in tries)
        given: dict[str, None] = {}
        kept = {"A": 0, "AAAA": 0}
        for (resolver, kind), tried in zip(questions, tries, strict=True):
            usable = self._judge_answer(tried, one_is_enough=resolver.label in answered)
            fresh = [one for one in usable if one not in given]
            taken = fresh[: max(0, ADDRESSES_PER_FAMILY - kept[kind])]
            kept[kind] += len(taken)
            given |= dict.fromkeys(taken)
            left = len(fresh) - len(taken)
            self._emit_answer(tried, resolver, f"{name} {kind}", capped=left or None)
        return list(given)

    async def _compare(self, name: str) -> list[str]:
        """Ask resolvers that stand beside the own ones; return usable addresses that they give."""
        resolvers = self.world.settings.compare
        told: list[str] = []
        tries = await self._ask_all([(one, "A") for one in resolvers], name)
        for resolver, tried in zip(resolvers, tries, strict=True):
            told += self._judge_answer(tried)
            self._emit_answer(tried, resolver, f"{name} A", aside="compare")
        return told

    async def ask_authorities(self) -> None:
        """Ask servers of the zone that a name lies in, at home and abroad, whom they would ask.

        For every name that was looked up, after the chain: they get one question in two seconds,
        and a chain must not wait for its turn.
        """
        self.attempt = 1
        for hop, host, name in self.names:
            self.hop, self.host = hop, host
            servers = self.world.authorities(name)
            await _together(self._ask_authority(one, name) for one in servers)

    async def _ask_authority(self, server: dns.Resolver, name: str) -> None:
        """Ask over UDP, and over TCP too when that gave anything but the servers to ask instead."""
        end = Endpoint(server.hosts[0], server.port, server.transport, aside="authority")
        until = asyncio.get_running_loop().time() + PATIENCE_S
        for asked in (server, replace(server, transport="tcp")):
            try:
                async with (
                    asyncio.timeout_at(until) as patience,
                    self.world.connection_slot(end.address),
                ):
                    patience.reschedule(None)
                    work = self._asked(asked, name, "A", recurse=False)
                    tried = await self._try(STAGE_S["dns"] + GRACE_S, work)
            except TimeoutError:  # many names wait for this server: another run has another order
                return
            self._judge_answer(tried)
            self._emit_answer(tried, asked, f"{name} A", aside=end.aside, **_where(end))
            if not tried.value or tried.value.referral:
                return

    async def _ask_all(self, questions: list[tuple[dns.Resolver, str]], name: str) -> list[_Tried]:
        """Put questions, each to a resolver and for a type, at the same time."""
        async with self.world.lookup_slot():
            return await _together(self._ask(one, name, kind) for one, kind in questions)

    async def _ask(self, resolver: dns.Resolver, name: str, kind: str) -> _Tried:
        if resolver.transport in ("tcp", "dot", "doh"):  # a new connection, and one of so many
            await self.world.acquire_connection()
        work = self._asked(resolver, name, kind)
        return await self._try(STAGE_S["dns"] + GRACE_S, work)

    def _asked(
        self, server: dns.Resolver, name: str, kind: str, *, recurse: bool = True
    ) -> Coroutine[Any, Any, dns.Answer]:
        listen_s = self.world.settings.listen_s
        return dns.ask(server, name, kind, STAGE_S["dns"], recurse=recurse, listen_s=listen_s)

    def _judge_answer(self, tried: _Tried, *, one_is_enough: bool = False) -> list[str]:
        """Say what an answer is as a failure; return the addresses in it that may be used."""
        answer: dns.Answer | None = tried.value
        if not answer:
            return []
        tried.ended -= answer.waited_s
        tried.failure = answer.failure
        if answer.failure == "dns_no_answer" and one_is_enough:
            tried.failure = None  # one family is enough: no anomaly
        usable = [one for one in answer.records if self._may_go(one)]
        if answer.records and not usable:
            tried.failure = BOGON
        return usable

    def _emit_answer(
        self,
        tried: _Tried,
        resolver: dns.Resolver,
        query: str,
        **facts: Any,  # noqa: ANN401 - row fields
    ) -> None:
        said: dict[str, Any] = {"transport": resolver.transport}
        if tried.value:
            said = self._dns_facts(tried.value)
        if tried.failure and not tried.value and not any(map(_reachable, resolver.hosts)):
            tried.local, said["reason"] = True, "no_route"
        self._emit("dns", tried, query=query, resolver=resolver.label, **said, **facts)

    def _dns_facts(self, answer: dns.Answer) -> dict[str, Any]:
        """Say what is kept of an answer."""
        told = (*answer.records, *(answer.also or ()))
        known = (
            one.id
            for one in self.world.settings.fingerprints
            if one.where == "dns" and any(one.matches(record) for record in told)
        )
        return {
            "transport": answer.transport,
            "rcode": answer.rcode,
            "answers": answer.records,
            "referral": answer.referral or None,
            "flags": answer.flags or None,
            "cnames": answer.cnames or None,
            "ttl": answer.ttl,
            "ede": answer.ede or None,
            "edns": answer.edns,
            "also": answer.also,
            "also_rcode": answer.also_rcode,
            "fingerprint": next(known, None),
        }

    def _may_go(self, address: str) -> bool:
        """Whether an address that a name or a redirect gave may be connected to."""
        if self.world.settings.drill:
            return net.is_loopback(address)
        if self.world.settings.allow_private:
            return True
        return not is_bogon(address) and address not in self.world.own_addresses

    async def _endpoint(self, end: Endpoint) -> RowState:
        """Follow one address to the end of its chain, and ask beside it what its end calls for."""
        where = {"aside": end.aside, **_where(end)}
        stage: Stage = "dns" if end.transport == "udp" else "tcp"
        if self.world.settings.refused(end.address):
            return self._skip(stage, "do_not_probe")
        own = net.route(end.address)
        if own is None:
            failure = "network_unreachable"
            return self._emit(
                stage,
                self._begin(failure=failure, local=True),
                reason="no_route",
                **where,
            )
        if not net.is_loopback(end.address):
            self.world.own_addresses.add(own)
        broke: tuple[Stage, str] | None = None
        async with self.world.connection_slot(end.address):
            if end.transport == "udp":
                return await self._ask_target(end, where)
            tried = await self._try(STAGE_S["tcp"], tcp.connect(end.address, end.port))
            if tried.failure == "permission_denied" and ":" in end.address:
                # Linux: an "administratively prohibited" from the path; there is a route here.
                tried.failure, tried.local = "host_unreachable", False
            state = self._emit("tcp", tried, **where)
            if state != "ok":
                return state
            connection: net.Connection = tried.value
            try:
                if self.target.query and end.port == dns.PORTS["tcp"]:
                    return await self._ask_target(end, where, connection)
                if end.url:
                    spent_s = self.looked_up_s + tried.seconds
                    state, broke = await self._web(end, connection, where, spent_s)
            finally:
                connection.close()
                self.world.count_bytes(connection.received)
        if not self.target.control and end.aside is None and end.url:
            await self._beside(end, state, broke)
        return state

    def _skip(self, stage: Stage, reason: str) -> RowState:
        at = self.world.settings.now()
        row = skipped_row(self.target, self.world.run, at, reason, self._now())
        facts = {"stage": stage, "attempt": self.attempt, "hop": self.hop, "host": self.host}
        return self.world.emit(row.model_copy(update=facts))

    async def _ask_target(
        self, end: Endpoint, where: dict[str, Any], connection: net.Connection | None = None
    ) -> RowState:
        """Put the target's own question to it: a name server or a resolver."""
        query = self.target.query
        assert query  # noqa: S101 - the model asks for a query with a udp port
        if connection:
            work = dns.ask_on(connection, query.name, query.type, recurse=query.recurse)
        else:
            server = dns.Resolver(end.address, "udp", (end.address,), end.port)
            work = self._asked(server, query.name, query.type, recurse=query.recurse)
        tried = await self._try(STAGE_S["dns"] + GRACE_S, work)
        answer: dns.Answer | None = tried.value
        facts: dict[str, Any] = {}
        if answer:
            tried.ended -= answer.waited_s
            tried.failure = answer.failure
            facts = self._dns_facts(answer)
        facts["transport"] = end.transport
        return self._emit(
            "dns",
            tried,
            query=f"{query.name} {query.type}",
            **facts,
            **where,
        )

    async def _web(
        self, end: Endpoint, connection: net.Connection, where: dict[str, Any], spent_s: float
    ) -> tuple[RowState, tuple[Stage, str] | None]:
        """Do tls where the URL asks for it, and http, on the connection there is.

        Returns the state, and the stage and failure that a name in it may have caused.
        """
        url, host = end.url, end.host
        unverified = alpn = None
        worst: RowState = "ok"
        if url.startswith("https:"):
            within_s = min(STAGE_S["tls"], BUDGET_S - spent_s)
            if within_s <= 0:
                return self._skip("tls", "budget"), None
            tried = await self._try(within_s, tls.handshake(connection, host))
            shake: tls.Handshake | None = tried.value
            facts: dict[str, Any] = {}
            if shake:
                tried.failure = certificate.verdict(shake.chain, host, self.world.settings.roots)
                unverified = tried.failure is not None or None
                alpn = shake.alpn
                facts = self._tls_facts(shake, host, tried.failure)
            worst = self._emit("tls", tried, **facts, **where)
            if not shake:
                return worst, ("tls", tried.failure or "")
            spent_s += tried.seconds
        within_s = min(STAGE_S["http"], BUDGET_S - spent_s)
        if within_s <= 0:
            return self._skip("http", "budget"), None
        watch = http.ExchangeTimer()
        before = connection.received
        tried = await self._try(
            within_s,
            http.fetch(connection, url, self.world.settings.headers, alpn=alpn, watch=watch),
        )
        reply: http.Reply | None = tried.value
        facts = self._http_facts(reply, url, tried) if reply else {}
        if tried.failure and not reply:
            facts["received"] = connection.received - before
        state = self._emit(
            "http",
            tried,
            unverified=unverified,
            phases=watch.phases(tried.began, tried.ended, failed=not reply),
            **facts,
            **where,
        )
        cleartext = url.startswith("http:") and not reply
        broke: tuple[Stage, str] | None = ("http", tried.failure or "") if cleartext else None
        return (state if worst == "ok" else worst), broke

    def _tls_facts(self, shake: tls.Handshake, host: str, failure: str | None) -> dict[str, Any]:
        """Say what is kept of a handshake."""
        # Own trust anchors stand for both stores.
        alone = self.world.settings.roots is not None
        system = None if alone else certificate.system_verdict(shake.chain, host)
        shown = certificate.summary(shake.chain)
        issuers = " ".join(one.issuer for one in shown)
        known = (
            one.id
            for one in self.world.settings.fingerprints
            if one.where == "certificate" and failure and one.matches(issuers)
        )
        return {
            "tls_version": shake.version,
            "cipher": shake.cipher,
            "alpn": shake.alpn,
            "certificate_sha256": shake.leaf_sha256,
            "certificates": shown or None,
            "system_verdict": system if system not in (None, failure or "ok") else None,
            "fingerprint": next(known, None),
        }

    def _http_facts(self, reply: http.Reply, url: str, tried: _Tried) -> dict[str, Any]:
        """Judge an answer and say what is kept of it; remember where it redirects to."""
        note, unmet = reply.note, None
        # What a list expects is said of the target itself, not of where it sends us.
        if self.target.expect and self.hop is None:
            unmet = http.unmet_expectation(self.target.expect, reply)
            if unmet:
                tried.failure = http.UNMET[unmet]
                self.seen.unexpected = True
        fingerprint = reply.fingerprint(self.world.settings.fingerprints)
        if not self.target.control and not tried.failure:
            try:
                following = reply.next_url(url)
            except Failed as exc:
                following, tried.failure = None, exc.failure
            if following in self.visited:
                note, following = "redirect_loop", None
            elif fingerprint:
                following = None  # who answers is known; there is no need to be seen there
            elif following and self.hop == MAX_HOPS:
                note, following = "too_many_redirects", None
            self.next_url = following or self.next_url
        offset_ms = None
        if self.target.control:
            offset_ms = reply.date_offset_ms(_middle_ms(tried))
            self.seen.date_offset_ms = offset_ms
        kept = {
            name: clean(reply.headers[name], 100) for name in http.KEPT if name in reply.headers
        }
        server = reply.headers.get("server")
        return {
            "http_version": reply.version,
            "status": reply.status,
            "body_length": len(reply.body),
            "body_sha256": reply.body_sha256,
            "truncated": reply.truncated or None,
            "server": clean(server, 100) if server is not None else None,
            "headers": kept or None,
            "location_host": reply.location_host(url),
            "title": (reply.title or None) if fingerprint or unmet else None,
            "unmet": unmet,
            "fingerprint": fingerprint,
            "note": note,
            "date_offset_ms": offset_ms,
        }

    async def _beside(
        self, end: Endpoint, state: RowState, broke: tuple[Stage, str] | None
    ) -> None:
        """Ask what the end of a chain calls for, once, on connections of its own."""
        settings = self.world.settings
        last = self.attempt == self.attempts
        if settings.sparse:
            return
        if state == "fail" and broke and broke[1] in SUSPECT and last:
            await self._ask_neutral(end, broke[0])
        if state == "ok" and settings.throughput and self.target.throughput and self.hop is None:
            await self._sample(end)
        secure = end.url.startswith("https:")
        if settings.quic and self.hop is None and secure and self.attempt == 1:
            work = quic.handshake(end.address, end.port, end.host, settings.roots, STAGE_S["tls"])
            async with self.world.connection_slot(end.address):
                tried = await self._try(STAGE_S["tls"] + GRACE_S, work)
            shake: quic.QuicHandshake | None = tried.value
            facts: dict[str, Any] = {}
            if shake:
                tried.failure = shake.verdict.failure
                facts = self._tls_facts(shake, end.host, tried.failure)
                self.world.count_bytes(shake.received)
            self._emit("tls", tried, aside="quic", transport="udp", **facts, **_where(end))

    async def _ask_neutral(self, end: Endpoint, stage: Stage) -> None:
        """Ask the same address for another name, to learn whether the name is in the way."""
        async with self.world.connection_slot(end.address):
            tried = await self._try(STAGE_S["tcp"], tcp.connect(end.address, end.port))
            facts = {"aside": "neutral", "sni": NEUTRAL, **_where(end)}
            if tried.failure:
                self._emit("tcp", tried, **facts)
                return
            connection: net.Connection = tried.value
            watch = http.ExchangeTimer()
            try:
                if stage == "tls":
                    work: Awaitable[Any] = tls.handshake(connection, NEUTRAL)
                else:
                    headers = self.world.settings.headers
                    work = http.fetch(connection, f"http://{NEUTRAL}/", headers, watch=watch)
                tried = await self._try(STAGE_S[stage], work)
            finally:
                connection.close()
                self.world.count_bytes(connection.received)
            if isinstance(tried.value, http.Reply):
                facts["status"] = tried.value.status
            if stage == "http":
                failed = tried.failure is not None
                facts["phases"] = watch.phases(tried.began, tried.ended, failed=failed)
            self._emit(stage, tried, **facts)

    async def _sample(self, end: Endpoint) -> None:
        """Take a sample of the rate at which a target gives its page."""
        url, watch = end.url, http.ExchangeTimer()

        async def work() -> http.Reply:
            connection = await tcp.connect(end.address, end.port)
            try:
                shake = await tls.handshake(connection, end.host) if url[:6] == "https:" else None
                alpn = shake.alpn if shake else None
                headers = self.world.settings.headers
                return await http.fetch(
                    connection, url, headers, alpn, watch=watch, cap=SAMPLE_BYTES
                )
            finally:
                connection.close()
                self.world.count_bytes(connection.received)

        async with self.world.connection_slot(end.address):
            tried = await self._try(STAGE_S["http"], work())
        self._emit(
            "http",
            tried,
            aside="throughput",
            received=watch.received,
            phases=watch.phases(tried.began, tried.ended, failed=tried.failure is not None),
            **_where(end),
        )


async def _together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do works at the same time. One alone is no task of its own: long lists have very many."""
    given = list(works)
    if len(given) == 1:
        return [await given[0]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in given]
    return [task.result() for task in tasks]


def _where(end: Endpoint) -> dict[str, Any]:
    return {"family": 6 if ":" in end.address else 4, "address": end.address, "port": end.port}


def _middle_ms(tried: _Tried) -> int:
    return round(tried.at.timestamp() * 1000 + tried.seconds * 500)


@lru_cache(maxsize=1024)
def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _reachable(host: str) -> bool:
    """Whether there is a route to a resolver's host, as far as can be told: names may have one."""
    return _literal(host) is None or net.route(host) is not None
