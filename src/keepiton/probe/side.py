"""Side measurements: each answers one more question about a target, and none changes its result.

Their rows say which they are (``aside``): what other resolvers and the servers of a zone answer,
whether another name gets through to the same address, QUIC, the rate at which a page comes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from keepiton.base.failures import SUSPECT
from keepiton.probe import dns, http, net, quic, tls
from keepiton.probe.context import TargetContext, together
from keepiton.probe.settings import GRACE_S, NEUTRAL, PATIENCE_S, SAMPLE_BYTES, STAGE_S
from keepiton.probe.stages import (
    ask_all,
    ask_server,
    judge_answer,
    question,
    record_answer,
    tls_facts,
)
from keepiton.probe.types import Attempt, Endpoint, EndpointResult, HttpFacts, TcpFacts, TlsFacts


async def compare(context: TargetContext, name: str) -> list[str]:
    """Ask the resolvers of ``compare`` for a name; return the usable addresses that they give."""
    context = context.aside("compare")
    resolvers = context.settings.compare
    addresses: list[str] = []
    outcomes = await ask_all(context, [(resolver, "A") for resolver in resolvers], name)
    for resolver, unjudged in zip(resolvers, outcomes, strict=True):
        outcome, usable = judge_answer(context, unjudged)
        addresses += usable
        record_answer(context, outcome, resolver, f"{name} A")
    return addresses


async def ask_authorities(context: TargetContext, looked_up: Sequence[tuple[Attempt, str]]) -> None:
    """Ask servers of the zone that a name lies in, at home and abroad, for their referral.

    For every name that was looked up, after its target: a server gets one question in two seconds,
    and a target must not wait for its turn.
    """
    for place, name in looked_up:
        of_place = replace(context, attempt=place).aside("authority")
        servers = context.run.authorities(name)
        await together(_ask_authority(of_place, server, name) for server in servers)


async def _ask_authority(context: TargetContext, server: dns.Resolver, name: str) -> None:
    """Ask over UDP, and over TCP too when that gave anything but a referral."""
    endpoint = Endpoint(server.hosts[0], server.port, server.transport)
    until = asyncio.get_running_loop().time() + PATIENCE_S
    for asked in (server, replace(server, transport="tcp")):
        try:
            async with (
                asyncio.timeout_at(until) as patience,
                context.run.limits.connection_slot(endpoint.address),
            ):
                patience.reschedule(None)
                unjudged = await ask_server(
                    context, question(context, asked, name, "A", recurse=False)
                )
        except TimeoutError:  # many names wait for this server: another run has another order
            return
        outcome, _ = judge_answer(context, unjudged)
        record_answer(context, outcome, asked, f"{name} A", endpoint=endpoint)
        if not outcome.value or outcome.value.referral:
            return


async def measure(context: TargetContext, endpoint: Endpoint, result: EndpointResult) -> None:
    """Do what the result of an endpoint's attempt calls for, on connections of its own."""
    settings = context.settings
    if settings.sparse:
        return
    # A name in the request may have caused this; over TLS it is hidden once the handshake is done.
    named = result.stage == "tls" or (result.stage == "http" and not endpoint.secure)
    confirmed = result.state == "fail" and context.attempt.number == context.attempts
    if confirmed and named and result.stage and result.failure in SUSPECT:
        await _ask_neutral(context, endpoint, over_tls=result.stage == "tls")
    if context.attempt.hop is not None:
        return
    if result.state == "ok" and settings.throughput and context.target.throughput:
        await _sample(context, endpoint)
    if settings.quic and endpoint.secure and context.attempt.number == 1:
        await _quic(context, endpoint)


async def _quic(context: TargetContext, endpoint: Endpoint) -> None:
    """Try a QUIC handshake with the same address and port."""
    settings, limits = context.settings, context.run.limits
    work = quic.handshake(
        endpoint.address, endpoint.port, endpoint.host, settings.roots, STAGE_S["tls"]
    )
    async with limits.connection_slot(endpoint.address):
        outcome = await context.run_stage(STAGE_S["tls"] + GRACE_S, work)
    facts, handshake = TlsFacts(), outcome.value
    if handshake:
        limits.count_bytes(handshake.received)
        outcome = replace(outcome, failure=handshake.verdict.failure)
        facts = tls_facts(settings, handshake, endpoint.host, outcome.failure)
    context.aside("quic").record(outcome, replace(facts, transport="udp"), endpoint)


async def _ask_neutral(context: TargetContext, endpoint: Endpoint, *, over_tls: bool) -> None:
    """Ask the same address for another name, to learn whether the name is interfered with."""
    context, limits = context.aside("neutral"), context.run.limits
    async with limits.connection_slot(endpoint.address):
        connected = await context.run_stage(
            STAGE_S["tcp"], net.connect(endpoint.address, endpoint.port)
        )
        connection = connected.value
        if not connection:
            context.record(connected, TcpFacts(sni=NEUTRAL), endpoint)
            return
        timer = http.ExchangeTimer()
        try:
            if over_tls:
                shaken = await context.run_stage(STAGE_S["tls"], tls.handshake(connection, NEUTRAL))
                context.record(shaken, TlsFacts(sni=NEUTRAL), endpoint)
                return
            headers = context.settings.headers
            work = http.fetch(connection, f"http://{NEUTRAL}/", headers, timer=timer)
            replied = await context.run_stage(STAGE_S["http"], work)
        finally:
            connection.close()
            limits.count_bytes(connection.received)
        facts = HttpFacts(
            sni=NEUTRAL,
            status=replied.value.status if replied.value else None,
            phases=timer.phases(replied.began, replied.ended, failed=replied.value is None),
        )
        context.record(replied, facts, endpoint)


async def _sample(context: TargetContext, endpoint: Endpoint) -> None:
    """Take a sample of the rate at which a target sends its page."""
    timer, limits = http.ExchangeTimer(), context.run.limits

    async def work() -> http.Reply:
        connection = await net.connect(endpoint.address, endpoint.port)
        try:
            alpn = None
            if endpoint.secure:
                alpn = (await tls.handshake(connection, endpoint.host)).alpn
            headers = context.settings.headers
            return await http.fetch(
                connection, endpoint.url, headers, alpn, timer=timer, cap=SAMPLE_BYTES
            )
        finally:
            connection.close()
            limits.count_bytes(connection.received)

    async with limits.connection_slot(endpoint.address):
        outcome = await context.run_stage(STAGE_S["http"], work())
    failed = outcome.failure is not None
    phases = timer.phases(outcome.began, outcome.ended, failed=failed)
    facts = HttpFacts(received=timer.received, phases=phases)
    context.aside("throughput").record(outcome, facts, endpoint)
