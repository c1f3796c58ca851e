"""The dns stage: one question to one server, over UDP, TCP, TLS or HTTPS.

The question goes to the server itself, without a stub resolver's search list, retries or cache.
UDP sockets are connected, so that a port-unreachable is a refusal and not a silence.
"""

import asyncio
import base64
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

from keepiton.bogons import is_bogon
from keepiton.errors import Mistake
from keepiton.model import clean
from keepiton.probe import certificate, http, tcp, tls
from keepiton.probe.failures import BY_RCODE, CNAME_LOOP, LAME, Failed
from keepiton.probe.net import Connection, family

RESEND_S = 2.0
"""A lost datagram is sent once more, as any stub resolver does."""
LISTEN_S = 0.3
"""How long an answer over UDP may be followed by another: a forged one outruns the true one, which
then comes a round trip later."""
MAX_ANSWERS = 64
MAX_CNAMES = 16
MAX_EDE = 8
NO_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
"""What servers say that do not know EDNS (RFC 6891, section 7)."""
PAYLOAD = 1232
"""EDNS buffer size that never fragments (DNS Flag Day 2020)."""

Transport = Literal["udp", "tcp", "dot", "doh", "os"]
PORTS: dict[Transport, int] = {"udp": 53, "tcp": 53, "dot": 853, "doh": 443}
SCHEMES: dict[str, Transport] = {"udp": "udp", "tcp": "tcp", "tls": "dot", "https": "doh"}


@dataclass(frozen=True, slots=True)
class Resolver:
    """Where questions go."""

    label: str
    """What result files call it: never a private address."""
    transport: Transport
    hosts: tuple[str, ...] = ()
    """Tried in this order until one answers."""
    port: int = 53
    name: str = ""
    """Whose certificate it must show, when it is asked over TLS."""
    url: str = ""
    roots: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    rcode: str
    records: tuple[str, ...]
    transport: Transport = "udp"
    """The one that answered in the end: tcp after a truncated answer over udp."""
    flags: str = ""
    cnames: tuple[str, ...] = ()
    """The aliases passed on the way to the records, in order."""
    looped: bool = False
    """The aliases led in a circle."""
    ttl: int | None = None
    """Least TTL of the records, seconds."""
    ede: tuple[str, ...] = ()
    """Extended errors (RFC 8914)."""
    edns: bool | None = None
    """False: the server took the question only without EDNS."""
    lame: bool = False
    """A name server that does not know of the zone it was asked about."""
    also: tuple[str, ...] | None = None
    """Records of a second answer to the same question that differs from the first."""
    also_rcode: str | None = None
    waited_s: float = 0.0
    """How long it was listened for such a second answer."""

    @property
    def failure(self) -> str | None:
        """The failure this answer is, or None."""
        if self.rcode != "NOERROR":
            return BY_RCODE.get(self.rcode, "dns_server_misbehaving")
        if self.looped:
            return CNAME_LOOP
        if self.lame:
            return LAME
        return None if self.records else "dns_no_answer"


@dataclass(slots=True)
class _Heard:
    """A reply, and what came after it."""

    reply: dns.message.Message
    transport: Transport
    second: dns.message.Message | None = None
    waited_s: float = 0.0
    edns: bool | None = None


def system_resolver() -> Resolver:
    """Return the resolver this machine is set to; where no file says, the system's own look-up."""
    try:
        found = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration:
        return Resolver("os", "os")
    return Resolver("system", "udp", tuple(str(host) for host in found.nameservers), found.port)


def parse_resolver(text: str, number: int, roots: Path | None) -> Resolver:
    """Read a ``--resolver``: an address, or udp://, tcp://, tls:// or https:// with a host.

    Raises Mistake with what would be right.
    """
    has_scheme = "://" in text
    bare_v6 = not has_scheme and text.count(":") > 1 and not text.startswith("[")
    try:
        parts = urlsplit(text if has_scheme else f"udp://[{text}]" if bare_v6 else f"udp://{text}")
        transport = SCHEMES[parts.scheme]
        port = parts.port or PORTS[transport]
        host = parts.hostname or ""
        try:
            public = not is_bogon(host)
        except ValueError:  # a name
            public = True
            if transport in ("udp", "tcp"):
                raise
    except (KeyError, ValueError):
        raise Mistake(
            f"--resolver {clean(text)}: not a resolver; write an address (9.9.9.9), tcp://9.9.9.9,"
            " tls://dns.quad9.net or https://dns.quad9.net/dns-query"
        ) from None
    if parts.username or parts.password:
        raise Mistake(f"--resolver number {number}: leave user name and password out of the URL")
    url = f"https://{parts.netloc}{parts.path or '/dns-query'}" if transport == "doh" else ""
    # Not the path: with some services it names their customer.
    shown = f"{parts.scheme}://{parts.netloc}" if has_scheme else text
    label = clean(shown) if public else f"resolver-{number}"
    name = host if transport in ("dot", "doh") else ""
    return Resolver(label, transport, (host,), port, name, url, roots)


def _parse(query: dns.message.Message, wire: bytes) -> dns.message.Message:
    try:
        reply = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError) as exc:
        raise Failed("unknown_failure: malformed DNS reply") from exc
    if reply.id != query.id:
        raise Failed("dns_reply_with_wrong_query_id")
    if not query.is_response(reply):
        raise Failed("dns_server_misbehaving")
    return reply


async def _udp(query: dns.message.Message, host: str, port: int, within_s: float) -> _Heard:
    """Ask over UDP, and listen a little longer for another answer to the same question.

    What does not fit the question is passed over, and named if nothing else came: a stranger can
    always send such a datagram, so it must not end the wait for the true one.
    """
    loop = asyncio.get_running_loop()
    odd: Failed | None = None
    first: dns.message.Message | None = None
    heard_at = 0.0
    with socket.socket(family(host), socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((host, port))
        wire = query.to_wire()
        ends_at = loop.time() + within_s
        resend_at: float | None = loop.time() + RESEND_S
        await loop.sock_sendall(sock, wire)
        while True:
            until = ends_at if resend_at is None else min(ends_at, resend_at)
            try:
                async with asyncio.timeout_at(heard_at + LISTEN_S if first else until):
                    taken = await loop.sock_recv(sock, 65_535)
                reply = _parse(query, taken)
            except TimeoutError:
                if first:
                    break
                if resend_at is None or loop.time() >= ends_at:
                    raise odd or TimeoutError from None
                resend_at = None
                await loop.sock_sendall(sock, wire)
            except Failed as exc:
                odd = exc
            except OSError:  # a refusal that follows an answer takes nothing back
                if first is None:
                    raise
                break
            else:
                if first is None:
                    first, heard_at = reply, loop.time()
                elif _differs(query, first, reply):
                    return _Heard(first, "udp", reply, loop.time() - heard_at)
                elif loop.time() > heard_at + LISTEN_S:
                    break
        return _Heard(first, "udp", None, loop.time() - heard_at)


def _differs(
    query: dns.message.Message, first: dns.message.Message, second: dns.message.Message
) -> bool:
    """Whether two replies to one question say different things."""
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    one, two = _answer(_Heard(first, "udp"), kind), _answer(_Heard(second, "udp"), kind)
    return one.rcode != two.rcode or set(one.records) != set(two.records)


async def _over_stream(query: dns.message.Message, connection: Connection) -> dns.message.Message:
    wire = query.to_wire()
    await connection.write(len(wire).to_bytes(2, "big") + wire)
    got = b""
    while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):  # noqa: PLR2004 - RFC 1035
        chunk = await connection.read()
        if not chunk:
            raise Failed("eof_error")
        got += chunk
    return _parse(query, got[2 : 2 + int.from_bytes(got[:2], "big")])


async def _over_https(
    query: dns.message.Message, resolver: Resolver, connection: Connection, alpn: str | None
) -> dns.message.Message:
    # GET, as everything that is sent (SAFETY S12; RFC 8484, section 4.1: id 0, base64url).
    asked = base64.urlsafe_b64encode(query.to_wire()).rstrip(b"=").decode()
    url = f"{resolver.url}?dns={asked}"
    headers = (("Accept", "application/dns-message"),)
    reply = await http.fetch(connection, url, headers, alpn)
    if reply.status != 200:  # noqa: PLR2004 - RFC 8484, section 4.2.1
        raise Failed("http_unexpected_status_code")
    return _parse(query, reply.body)


async def _exchange(
    query: dns.message.Message, resolver: Resolver, host: str, within_s: float
) -> _Heard:
    """Ask one host. Raises OSError, TimeoutError or Failed."""
    if resolver.transport == "udp":
        heard = await _udp(query, host, resolver.port, within_s)
        if not heard.reply.flags & dns.flags.TC:
            return heard
    async with asyncio.timeout(within_s):
        connection = await tcp.connect(host, resolver.port)
        try:
            alpn = None
            if resolver.name:
                offered = ("h2", "http/1.1") if resolver.transport == "doh" else ()
                shake = await tls.handshake(connection, resolver.name, offered)
                bad = certificate.verdict(shake.chain, resolver.name, resolver.roots)
                if bad:
                    raise Failed(bad)
                alpn = shake.alpn
            if resolver.transport == "doh":
                return _Heard(await _over_https(query, resolver, connection, alpn), "doh")
            transport: Transport = "tcp" if resolver.transport == "udp" else resolver.transport
            return _Heard(await _over_stream(query, connection), transport)
        finally:
            connection.close()


async def _settled(
    query: dns.message.Message, resolver: Resolver, host: str, within_s: float
) -> _Heard:
    """Ask one host, once more without EDNS if that is what it stumbled over (RFC 6891)."""
    heard = await _exchange(query, resolver, host, within_s)
    if heard.reply.rcode() in NO_EDNS:
        plain = dns.message.from_wire(query.to_wire())
        plain.use_edns(False)
        again = await _exchange(plain, resolver, host, within_s)
        if again.reply.rcode() not in NO_EDNS:
            again.edns = False
            return again
    return heard


async def _os_lookup(name: str, kind: str) -> Answer:
    """Ask the operating system, where there is no resolver file (Android)."""
    wanted = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
    found = await asyncio.get_running_loop().getaddrinfo(
        name, None, family=wanted, type=socket.SOCK_STREAM
    )
    records = tuple(dict.fromkeys(str(one[4][0]) for one in found))[:MAX_ANSWERS]
    return Answer("NOERROR", records, "os")


def _question(name: str, kind: str, *, recurse: bool) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD)
    if not recurse:
        query.flags &= ~dns.flags.RD
    return query


def _answer(heard: _Heard, kind: str) -> Answer:
    """Read a reply: the records of the name that was asked for, by way of its aliases."""
    reply, wanted = heard.reply, dns.rdatatype.from_text(kind)
    name = reply.question[0].name
    aliases = {
        rrset.name: rrset[0].target for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME
    }
    passed = {name: None}
    cnames: list[str] = []
    while wanted != dns.rdatatype.CNAME and name in aliases and len(cnames) < MAX_CNAMES:
        name = aliases[name]
        cnames.append(clean(name.to_text(omit_final_dot=True), 253))
        if name in passed:
            break
        passed[name] = None
    mine = [one for one in reply.answer if one.rdtype == wanted and one.name == name]
    records = tuple(clean(record.to_text()) for rrset in mine for record in rrset)
    told = [one for one in reply.options if isinstance(one, dns.edns.EDEOption)]
    return Answer(
        rcode=dns.rcode.to_text(reply.rcode()),
        records=records[:MAX_ANSWERS],
        transport=heard.transport,
        flags=dns.flags.to_text(reply.flags),
        cnames=tuple(cnames),
        looped=len(cnames) != len(passed) - 1,
        ttl=min((one.ttl for one in mine), default=None),
        ede=tuple(
            clean(f"{int(one.code)} {one.text or ''}".strip(), 100) for one in told[:MAX_EDE]
        ),
        edns=heard.edns,
        lame=_lame(reply),
        waited_s=heard.waited_s,
    )


def _lame(reply: dns.message.Message) -> bool:
    """Whether a server that was asked without recursion does not know of the zone.

    A referral to the name itself, or to a zone above it that is not the top, is an answer.
    """
    flags = reply.flags
    if flags & (dns.flags.RD | dns.flags.AA) or reply.answer or reply.rcode() != dns.rcode.NOERROR:
        return False
    name = reply.question[0].name
    return not any(
        one.rdtype == dns.rdatatype.NS and len(one.name) > 2 and name.is_subdomain(one.name)  # noqa: PLR2004 - a label and the root
        for one in reply.authority
    )


def _whole(heard: _Heard, kind: str) -> Answer:
    """Read a reply and what came after it."""
    answer = _answer(heard, kind)
    if heard.second is None:
        return answer
    second = _answer(_Heard(heard.second, "udp"), kind)
    return replace(answer, also=second.records, also_rcode=second.rcode)


async def ask_on(connection: Connection, name: str, kind: str, *, recurse: bool) -> Answer:
    """Put one question on an open TCP connection, to the server that is itself the target.

    Raises OSError or Failed; the caller holds the timer.
    """
    query = _question(name, kind, recurse=recurse)
    return _whole(_Heard(await _over_stream(query, connection), "tcp"), kind)


async def ask(
    resolver: Resolver, name: str, kind: str, within_s: float, *, recurse: bool = True
) -> Answer:
    """Put one question; the hosts of the resolver share the time.

    Raises OSError, TimeoutError or Failed when none answered: the last host's reason.
    """
    if resolver.transport == "os":
        async with asyncio.timeout(within_s):
            return await _os_lookup(name, kind)
    query = _question(name, kind, recurse=recurse)
    last: Exception = Failed("dns_server_misbehaving")
    for host in resolver.hosts:
        try:
            heard = await _settled(query, resolver, host, within_s / len(resolver.hosts))
        except (OSError, Failed, TimeoutError) as exc:
            last = exc
            continue
        return _whole(heard, kind)
    raise last
