"""One target: resolve its name, try every address, confirm what failed, follow redirects.

Each stage writes one row. A stage that fails ends the attempt at that address, except that an
invalid certificate is recorded and the request made all the same. What failed is tried again after
a pause. Nothing is shared by addresses that are tried at the same time: each attempt has one
result, and the results are joined in the order in which the addresses were given and found.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from keepiton.base.types import RowState, clean
from keepiton.probe import dns, net, scrub, side, stages
from keepiton.probe.context import TargetContext, together
from keepiton.probe.failures import BOGON
from keepiton.probe.settings import BUDGET_S, STAGE_S
from keepiton.probe.types import (
    Attempt,
    DnsFacts,
    Endpoint,
    EndpointResult,
    TargetResult,
    TcpFacts,
    literal_address,
)

STATES: tuple[RowState, ...] = ("ok", "fail", "inconclusive", "skipped")
"""The first of these that any endpoint ends in is the state of the place."""


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """Result of a place, the target itself or one that a redirect leads to, after all attempts."""

    result: EndpointResult
    context: TargetContext
    """That of the last attempt."""
    addresses: Sequence[str]
    name: str | None
    """The name that had to be looked up."""
    unresolved: bool


async def probe_target(context: TargetContext) -> TargetResult:
    """Probe the target and every place that it redirects to."""
    target = context.target
    host = urlsplit(target.url).hostname if target.url else target.host
    context = replace(context, attempt=Attempt(visited=frozenset({target.url or ""})))
    place: PlaceResult | None = await _reach(context, target.url, host, target.addresses)
    places: list[PlaceResult] = []
    while place:
        places.append(place)
        next_url = None if context.offline else place.result.next_url
        place = await _follow(place.context, next_url) if next_url else None
    itself = places[0]
    return TargetResult(
        target,
        itself.result.state,
        itself.result.stage,
        itself.result.failure,
        has_name=itself.name is not None,
        unresolved=itself.unresolved,
        unexpected=itself.result.unexpected,
        date_offset_ms=itself.result.date_offset_ms,
        looked_up=[
            (replace(place.context.attempt, number=1), place.name) for place in places if place.name
        ],
    )


async def _follow(context: TargetContext, url: str) -> PlaceResult | None:
    """Go where a redirect leads; None when that place must not be asked."""
    host = urlsplit(url).hostname or ""
    own = frozenset(context.run.vantage.own_addresses)
    attempt = Attempt(
        hop=(context.attempt.hop or 0) + 1,
        host=clean(scrub.text(host, own, (), "location_host")),
        visited=context.attempt.visited | {url},
    )
    context = replace(context, attempt=attempt)
    literal = literal_address(host)
    if context.settings.refused_name(host):
        context.skip("dns", "do_not_probe")
        return None
    if literal and not context.may_connect(literal):
        context.record(context.failed(BOGON), DnsFacts())
        return None
    return await _reach(context, url, host, ())


async def _reach(
    context: TargetContext, url: str | None, host: str | None, pinned: Sequence[str]
) -> PlaceResult:
    """Resolve and try every address of a place, again what failed.

    Where other resolvers give other addresses, one of those is tried as well: it shows whether
    only the look-up was interfered with.
    """
    literal = host and literal_address(host)
    addresses = [*pinned, literal] if literal else list(pinned)
    name = None if literal else host
    if not name or not context.settings.compare or context.target.control:
        return await _try_all(context, url, name, addresses)
    async with asyncio.TaskGroup() as group:
        comparison = group.create_task(side.compare(context, name))
        place = await _try_all(context, url, name, addresses)
    others = comparison.result()
    if others and not set(others) & set(place.addresses) and not context.offline:
        endpoint = _endpoints(context, url, others[:1])[0]
        await probe_endpoint(place.context.aside("compare"), endpoint)
    return place


async def _try_all(
    context: TargetContext, url: str | None, name: str | None, addresses: list[str]
) -> PlaceResult:
    """Look the name up and try all endpoints, again what failed."""
    settled: dict[Endpoint, EndpointResult] = {}
    unresolved, lookup = name, stages.Lookup()
    for number in range(1, context.attempts + 1):
        if number > 1:
            await asyncio.sleep(context.settings.pause_s * 2 ** (number - 2))
        context = replace(context, attempt=replace(context.attempt, number=number, lookup_s=0.0))
        if unresolved:
            lookup = await stages.resolve(context, unresolved)
            attempt = replace(context.attempt, lookup_s=lookup.seconds)
            context = replace(context, attempt=attempt)
            addresses += [new for new in lookup.addresses if new not in addresses]
            unresolved = None if lookup.addresses else name
        todo = [
            endpoint
            for endpoint in _endpoints(context, url, addresses)
            if endpoint not in settled or settled[endpoint].state == "fail"
        ]
        results = await together(probe_endpoint(context, endpoint) for endpoint in todo)
        settled |= zip(todo, results, strict=True)
        failed = any(result.state == "fail" for result in settled.values())
        again = failed or (unresolved and lookup.result.state == "fail")
        if not again or context.offline:
            break
    result = _joined(list(settled.values())) if settled else lookup.result
    return PlaceResult(result, context, addresses, name, unresolved=unresolved is not None)


def _joined(results: Sequence[EndpointResult]) -> EndpointResult:
    """Return the result of all endpoints of a place, whatever their timing.

    State, stage and failure are those of the first with the best state, and the redirect to follow
    is the first that an endpoint with state ``ok`` gave.
    """
    best = min(results, key=lambda result: STATES.index(result.state))
    redirects = (result.next_url for result in results if result.state == "ok" and result.next_url)
    offsets = (result.date_offset_ms for result in results if result.date_offset_ms is not None)
    return replace(
        best,
        next_url=next(redirects, None),
        unexpected=any(result.unexpected for result in results),
        date_offset_ms=next(offsets, None),
    )


def _endpoints(context: TargetContext, url: str | None, addresses: Sequence[str]) -> list[Endpoint]:
    """Return every address with every port of a URL, or of the target when there is none."""
    host = ""
    if url:
        parts = urlsplit(url)
        host = parts.hostname or ""
        ports = [(parts.port or (443 if parts.scheme == "https" else 80), "tcp")]
    else:
        split = (port.split("/") for port in context.target.ports)
        ports = [(int(number), transport) for number, transport in split]
    return [
        Endpoint(address, port, transport, url or "", host)
        for address in addresses
        for port, transport in ports
    ]


async def probe_endpoint(context: TargetContext, endpoint: Endpoint) -> EndpointResult:
    """Do all stages at one endpoint, then the side measurements that their result calls for."""
    limits, address = context.run.limits, endpoint.address
    facts = DnsFacts() if endpoint.transport == "udp" else TcpFacts()
    if context.settings.refused(address):
        return context.skip(facts.stage, "do_not_probe")
    own = net.route(address)
    if own is None:
        outcome = context.failed("network_unreachable", "no_route")
        return context.record(outcome, facts, endpoint)
    if not net.is_loopback(address):
        context.run.vantage.own_addresses.add(own)
    async with limits.connection_slot(address):
        if endpoint.transport == "udp":
            return await stages.ask_target(context, endpoint)
        connected = await context.run_stage(STAGE_S["tcp"], net.connect(address, endpoint.port))
        if connected.failure == "permission_denied" and ":" in address:
            # Linux: an "administratively prohibited" from the path; there is a route here.
            connected = replace(connected, failure="host_unreachable", reason=None)
        result = context.record(connected, facts, endpoint)
        connection = connected.value
        if not connection:
            return result
        try:
            if context.target.query and endpoint.port == dns.PORTS["tcp"]:
                return await stages.ask_target(context, endpoint, connection)
            if endpoint.url:
                spent_s = context.attempt.lookup_s + connected.seconds
                result = await _web(context, endpoint, connection, spent_s)
        finally:
            connection.close()
            limits.count_bytes(connection.received)
    if endpoint.url and not context.target.control and context.attempt.aside is None:
        await side.measure(context, endpoint, result)
    return result


async def _web(
    context: TargetContext, endpoint: Endpoint, connection: net.Connection, spent_s: float
) -> EndpointResult:
    """Do tls where the URL asks for it, and http, within the attempt's budget."""
    shaken = handshake = None
    if endpoint.secure:
        within_s = min(STAGE_S["tls"], BUDGET_S - spent_s)
        if within_s <= 0:
            return context.skip("tls", "budget")
        shaken, handshake = await stages.secure(context, endpoint, connection, within_s)
        if not handshake.value:
            return shaken
        spent_s += handshake.seconds
    within_s = min(STAGE_S["http"], BUDGET_S - spent_s)
    if within_s <= 0:
        return context.skip("http", "budget")
    replied = await stages.request(context, endpoint, connection, within_s, handshake)
    if not shaken or shaken.state == "ok":
        return replied
    last = shaken if replied.state == "ok" else replied
    return replace(replied, state=shaken.state, stage=last.stage, failure=last.failure)
