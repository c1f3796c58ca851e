"""Stages that rows are made of: each asks one thing, judges the reply and writes its row."""

from collections.abc import Coroutine
from dataclasses import dataclass, replace

from keepiton.base.types import clean
from keepiton.probe import certificate, dns, http, net, tls
from keepiton.probe.context import TargetContext, together
from keepiton.probe.failures import BOGON, Failed
from keepiton.probe.settings import ADDRESSES_PER_FAMILY, GRACE_S, MAX_HOPS, STAGE_S, Settings
from keepiton.probe.types import (
    DnsFacts,
    Endpoint,
    EndpointResult,
    HttpFacts,
    Outcome,
    TlsFacts,
    literal_address,
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Result of asking every resolver for a name."""

    addresses: tuple[str, ...] = ()
    """Usable ones, capped, in the order of resolvers and answers."""
    result: EndpointResult = EndpointResult()  # noqa: RUF009 - frozen
    """Of the last question, in that order, that was not answered as it should."""
    seconds: float = 0.0


async def resolve(context: TargetContext, name: str) -> Lookup:
    """Ask every resolver for both families."""
    questions = [
        (resolver, kind) for resolver in context.settings.resolvers for kind in ("A", "AAAA")
    ]
    outcomes = await ask_all(context, questions, name)
    answered = {
        resolver.label
        for (resolver, _), outcome in zip(questions, outcomes, strict=True)
        if outcome.value and outcome.value.records
    }
    addresses: dict[str, None] = {}
    left = dict.fromkeys(("A", "AAAA"), ADDRESSES_PER_FAMILY)
    last = EndpointResult()
    for (resolver, kind), unjudged in zip(questions, outcomes, strict=True):
        outcome, usable = judge_answer(context, unjudged, one_is_enough=resolver.label in answered)
        fresh = [address for address in usable if address not in addresses]
        taken = fresh[: left[kind]]
        left[kind] -= len(taken)
        addresses |= dict.fromkeys(taken)
        capped = len(fresh) - len(taken) or None
        result = record_answer(context, outcome, resolver, f"{name} {kind}", capped=capped)
        last = last if result.state == "ok" else result
    return Lookup(tuple(addresses), last, max(outcome.seconds for outcome in outcomes))


async def ask_all(
    context: TargetContext, questions: list[tuple[dns.Resolver, str]], name: str
) -> list[Outcome[dns.Answer]]:
    """Put questions, each to a resolver and for a type, at the same time."""

    async def ask(resolver: dns.Resolver, kind: str) -> Outcome[dns.Answer]:
        if resolver.transport in ("tcp", "dot", "doh"):  # a new connection, and one of so many
            await context.run.limits.connections.acquire()
        return await ask_server(context, question(context, resolver, name, kind))

    async with context.run.limits.lookup_slot():
        return await together(ask(resolver, kind) for resolver, kind in questions)


def question(
    context: TargetContext, server: dns.Resolver, name: str, kind: str, *, recurse: bool = True
) -> Coroutine[None, None, dns.Answer]:
    """Return a question to one server, not yet put."""
    listen_s = context.settings.listen_s
    return dns.ask(server, name, kind, STAGE_S["dns"], recurse=recurse, listen_s=listen_s)


async def ask_server(
    context: TargetContext, work: Coroutine[None, None, dns.Answer]
) -> Outcome[dns.Answer]:
    """Put a question; the outcome's failure is that of the answer, where there is one."""
    outcome = await context.run_stage(STAGE_S["dns"] + GRACE_S, work)
    return replace(outcome, failure=outcome.value.failure) if outcome.value else outcome


def judge_answer(
    context: TargetContext, outcome: Outcome[dns.Answer], *, one_is_enough: bool = False
) -> tuple[Outcome[dns.Answer], list[str]]:
    """Return the outcome with the failure that its answer is, and the addresses to be used."""
    answer = outcome.value
    if not answer:
        return outcome, []
    failure = outcome.failure
    if failure == "dns_no_answer" and one_is_enough:  # one family is enough: no anomaly
        failure = None
    usable = [address for address in answer.records if context.may_connect(address)]
    if answer.records and not usable:
        failure = BOGON
    return replace(outcome, failure=failure), usable


def record_answer(
    context: TargetContext,
    outcome: Outcome[dns.Answer],
    resolver: dns.Resolver,
    query: str,
    *,
    endpoint: Endpoint | None = None,
    capped: int | None = None,
) -> EndpointResult:
    """Write the row of a question to a resolver or a server of a zone."""
    if not outcome.value and not any(map(_reachable, resolver.hosts)):
        outcome = replace(outcome, reason="no_route")
    facts = _dns_facts(context.settings, outcome, resolver.transport)
    facts = replace(facts, resolver=resolver.label, query=query, capped=capped)
    return context.record(_without_listening(outcome), facts, endpoint)


def _reachable(host: str) -> bool:
    """Whether there is a route to a resolver's host; always so for a name, which may have one."""
    return literal_address(host) is None or net.route(host) is not None


def _without_listening(outcome: Outcome[dns.Answer]) -> Outcome[dns.Answer]:
    """Take the time out that went into listening after the answer."""
    waited_s = outcome.value.waited_s if outcome.value else 0.0
    return replace(outcome, ended=outcome.ended - waited_s)


def _dns_facts(
    settings: Settings, outcome: Outcome[dns.Answer], transport: dns.Transport
) -> DnsFacts:
    """Return what is kept of an answer; without one, the transport alone."""
    answer = outcome.value
    if not answer:
        return DnsFacts(transport=transport)
    records = (*answer.records, *(answer.also or ()))
    known = (
        fingerprint.id
        for fingerprint in settings.fingerprints
        if fingerprint.where == "dns" and any(map(fingerprint.matches, records))
    )
    return DnsFacts(
        transport=answer.transport,
        rcode=answer.rcode,
        answers=answer.records,
        referral=answer.referral or None,
        flags=answer.flags or None,
        cnames=answer.cnames or None,
        ttl=answer.ttl,
        ede=answer.ede or None,
        edns=answer.edns,
        also=answer.also,
        also_rcode=answer.also_rcode,
        fingerprint=next(known, None),
    )


async def ask_target(
    context: TargetContext, endpoint: Endpoint, connection: net.Connection | None = None
) -> EndpointResult:
    """Put the target's own question to it: a name server or a resolver."""
    query = context.target.query
    assert query  # noqa: S101 - the model asks for a query with a udp port
    transport: dns.Transport = "tcp" if connection else "udp"
    if connection:
        work = dns.ask_on(connection, query.name, query.type, recurse=query.recurse)
    else:
        server = dns.Resolver(endpoint.address, "udp", (endpoint.address,), endpoint.port)
        work = question(context, server, query.name, query.type, recurse=query.recurse)
    outcome = await ask_server(context, work)
    facts = _dns_facts(context.settings, outcome, transport)
    facts = replace(facts, transport=transport, query=f"{query.name} {query.type}")
    return context.record(_without_listening(outcome), facts, endpoint)


def tls_facts(
    settings: Settings, handshake: tls.Handshake, host: str, failure: str | None
) -> TlsFacts:
    """Return what is kept of a handshake whose chain was judged."""
    # Own trust anchors stand for both stores.
    alone = settings.roots is not None
    system = None if alone else certificate.system_verdict(handshake.chain, host)
    shown = certificate.summary(handshake.chain)
    issuers = " ".join(part.issuer for part in shown)
    known = (
        fingerprint.id
        for fingerprint in settings.fingerprints
        if fingerprint.where == "certificate" and failure and fingerprint.matches(issuers)
    )
    return TlsFacts(
        tls_version=handshake.version,
        cipher=handshake.cipher,
        alpn=handshake.alpn,
        certificate_sha256=handshake.leaf_sha256,
        certificates=shown or None,
        system_verdict=system if system not in (None, failure or "ok") else None,
        fingerprint=next(known, None),
    )


async def secure(
    context: TargetContext, endpoint: Endpoint, connection: net.Connection, within_s: float
) -> tuple[EndpointResult, Outcome[tls.Handshake]]:
    """Do the tls stage. An invalid certificate is a failure, with a handshake all the same."""
    work = tls.handshake(connection, endpoint.host)
    outcome = await context.run_stage(within_s, work)
    facts, handshake = TlsFacts(), outcome.value
    if handshake:
        failure = certificate.verdict(handshake.chain, endpoint.host, context.settings.roots)
        outcome = replace(outcome, failure=failure)
        facts = tls_facts(context.settings, handshake, endpoint.host, failure)
    return context.record(outcome, facts, endpoint), outcome


async def request(
    context: TargetContext,
    endpoint: Endpoint,
    connection: net.Connection,
    within_s: float,
    handshake: Outcome[tls.Handshake] | None,
) -> EndpointResult:
    """Do the http stage: one request, its answer judged by the list, and where it redirects to."""
    timer, before = http.ExchangeTimer(), connection.received
    alpn = handshake.value.alpn if handshake and handshake.value else None
    work = http.fetch(connection, endpoint.url, context.settings.headers, alpn, timer=timer)
    outcome = await context.run_stage(within_s, work)
    reply, next_url = outcome.value, None
    if reply:
        facts, failure, next_url = _judge_reply(context, endpoint, outcome, reply)
        outcome = replace(outcome, failure=failure)
    else:
        facts = HttpFacts(received=connection.received - before)
    facts = replace(
        facts,
        unverified=True if handshake and handshake.failure else None,
        phases=timer.phases(outcome.began, outcome.ended, failed=not reply),
    )
    return replace(
        context.record(outcome, facts, endpoint),
        next_url=next_url,
        unexpected=facts.unmet is not None,
        date_offset_ms=facts.date_offset_ms,
    )


def _judge_reply(
    context: TargetContext, endpoint: Endpoint, outcome: Outcome[http.Reply], reply: http.Reply
) -> tuple[HttpFacts, str | None, str | None]:
    """Return what is kept of an answer, the failure it is, and the URL to follow."""
    target, settings = context.target, context.settings
    note, unmet, failure, following = reply.note, None, None, None
    # What a list expects applies to the target itself, not to where it redirects.
    if target.expect and context.attempt.hop is None:
        unmet = http.unmet_expectation(target.expect, reply)
        failure = http.UNMET[unmet] if unmet else None
    fingerprint = reply.fingerprint(settings.fingerprints)
    if not target.control and not failure:
        try:
            following = reply.next_url(endpoint.url)
        except Failed as exc:
            failure = exc.failure
        if following in context.attempt.visited:
            note, following = "redirect_loop", None
        elif fingerprint:
            following = None  # who answers is known; there is no need to be seen there
        elif following and context.attempt.hop == MAX_HOPS:
            note, following = "too_many_redirects", None
    middle_ms = round(outcome.at.timestamp() * 1000 + outcome.seconds * 500)
    headers = {name: clean(reply.headers[name], 100) for name in http.KEPT if name in reply.headers}
    server = reply.headers.get("server")
    facts = HttpFacts(
        http_version=reply.version,
        status=reply.status,
        body_length=len(reply.body),
        body_sha256=reply.body_sha256,
        truncated=reply.truncated or None,
        server=clean(server, 100) if server is not None else None,
        headers=headers or None,
        location_host=reply.location_host(endpoint.url),
        title=(reply.title or None) if fingerprint or unmet else None,
        unmet=unmet,
        fingerprint=fingerprint,
        note=note,
        date_offset_ms=reply.date_offset_ms(middle_ms) if target.control else None,
    )
    return facts, failure, following
