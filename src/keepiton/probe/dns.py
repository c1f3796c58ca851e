"""The dns stage: one question to one server, over UDP, TCP, TLS or HTTPS.

The question goes to the server itself, without a stub resolver's search list, retries or cache.
UDP sockets are connected, so that a port-unreachable is a refusal and not a silence.
"""

import asyncio
import base64
import errno
import secrets
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

from keepiton.base.bogons import is_bogon
from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.probe import certificate, http, tls
from keepiton.probe.failures import BAD_REPLY, BY_RCODE, CNAME_LOOP, LAME, MISBEHAVING, Failed
from keepiton.probe.net import Connection, connect, family

RESEND_S = 2.0
"""A lost datagram is sent once more, as any stub resolver does."""
LISTEN_S = 0.3
"""How long an answer over UDP may be followed by another: a forged one outruns the true one, which
then comes a round trip later."""
SOFT = {
    errno.EHOSTUNREACH: "host_unreachable",
    errno.ENETUNREACH: "network_unreachable",
    errno.EACCES: "host_unreachable",
}
"""What a router on the way says (ICMP), as sockets of Linux show it; the last one is an
"administratively prohibited" over IPv6."""
MAX_LATER = 256
"""Datagrams after an answer that are looked at: more than a socket's buffer holds of real ones."""
MAX_ANSWERS = 64
MAX_CNAMES = 16
MAX_EDE = 8
MAX_REFERRAL = 16
MAX_WIRE = 65_535
MAX_NAME = 253
NOT_MINE = (dns.rcode.NOERROR, dns.rcode.REFUSED)
"""What a name server says of a zone that it does not serve, without an answer."""
NO_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
"""What servers say that do not know EDNS (RFC 6891, section 7)."""
PAYLOAD = 1232
"""EDNS buffer size that never fragments (DNS Flag Day 2020)."""
EDNS = struct.pack("!B2HIH", 0, dns.rdatatype.OPT, PAYLOAD, 0, 0)
WITHOUT_QUESTION = frozenset(
    {dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED}
)

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
    """The aliases led in a circle, or too far."""
    ttl: int | None = None
    """Least TTL of the records, seconds."""
    ede: tuple[str, ...] = ()
    """Extended errors (RFC 8914)."""
    edns: bool | None = None
    """False: the server took the question only without EDNS."""
    lame: bool = False
    """A name server that does not know of the zone it was asked about."""
    referral: tuple[str, ...] = ()
    """The name servers to ask instead, as one without recursion says: an answer of its kind."""
    also: tuple[str, ...] | None = None
    """Records of a second answer to the same question that differs from the first."""
    also_rcode: str | None = None
    waited_s: float = 0.0
    """Time after the answer that went into listening and asking again, seconds: not its own."""

    @property
    def failure(self) -> str | None:
        """The failure this answer is, or None."""
        if self.lame:
            return LAME
        if self.rcode != "NOERROR":
            return BY_RCODE.get(self.rcode, MISBEHAVING)
        if self.looped:
            return CNAME_LOOP
        return None if self.records or self.referral else "dns_no_answer"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, as it goes over the wire."""

    name: dns.name.Name
    kind: dns.rdatatype.RdataType
    recurse: bool
    wire: bytes

    @property
    def id(self) -> int:
        """The number that an answer repeats."""
        return int.from_bytes(self.wire[:2], "big")

    def fits(self, reply: dns.message.Message) -> bool:
        """Whether a message answers this question; an error may leave the question out."""
        if not reply.flags & dns.flags.QR or reply.opcode() != dns.opcode.QUERY:
            return False
        if not reply.question:
            return reply.rcode() in WITHOUT_QUESTION
        (asked, *more) = reply.question
        kind = (asked.rdtype, asked.rdclass)
        return not more and asked.name == self.name and kind == (self.kind, dns.rdataclass.IN)

    def plain(self) -> "Question":
        """Return the same question without EDNS."""
        return replace(self, wire=self.wire[:10] + bytes(2) + self.wire[12 : -len(EDNS)])


@lru_cache(maxsize=1024)
def _owner(name: str) -> tuple[dns.name.Name, bytes]:
    """Read a name, and write it as it goes over the wire."""
    owner = dns.name.from_text(name)
    return owner, owner.to_digestable()


def question(name: str, kind: str, *, recurse: bool) -> Question:
    """Write a question with EDNS (RFC 1035, section 4.1; RFC 6891).

    By hand: a quarter of a measurement's CPU time went into the library's message of two fields.
    Raises dns.exception.DNSException for what is no name.
    """
    owner, written = _owner(name)
    number = dns.rdatatype.from_text(kind)
    flags = int(dns.flags.RD) if recurse else 0
    head = struct.pack("!6H", secrets.randbits(16), flags, 1, 0, 0, 1)
    asked = struct.pack("!2H", number, dns.rdataclass.IN)
    return Question(owner, number, recurse, b"".join((head, written, asked, EDNS)))


@dataclass(slots=True)
class _Heard:
    """A reply, and what came after it."""

    reply: dns.message.Message
    transport: Transport
    second: dns.message.Message | None = None
    """Another reply to the same question that says something else."""
    waited_s: float = 0.0
    edns: bool | None = None


def system_resolver() -> Resolver:
    """Return the resolver this machine is set to; where no file says, the system's own look-up."""
    try:
        configured = dns.resolver.Resolver(configure=True)
    except (dns.resolver.NoResolverConfiguration, ValueError):  # none, or no address among it
        return Resolver("os", "os")
    return Resolver(
        "system", "udp", tuple(str(host) for host in configured.nameservers), configured.port
    )


def parse_resolver(text: str, number: int, roots: Path | None) -> Resolver:
    """Read a ``--resolver``: an address, or udp://, tcp://, tls:// or https:// with a host.

    Raises UserError with what would be right.
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
        raise UserError(
            f"--resolver {clean(text)}: not a resolver; write an address (9.9.9.9), tcp://9.9.9.9,"
            " tls://dns.quad9.net or https://dns.quad9.net/dns-query"
        ) from None
    if parts.username or parts.password:
        raise UserError(f"--resolver number {number}: leave user name and password out of the URL")
    url = f"https://{parts.netloc}{parts.path or '/dns-query'}" if transport == "doh" else ""
    # Not the path: with some services it names their customer.
    shown = f"{parts.scheme}://{parts.netloc}" if has_scheme else text
    label = clean(shown) if public else f"resolver-{number}"
    name = host if transport in ("dot", "doh") else ""
    return Resolver(label, transport, (host,), port, name, url, roots)


def _parse(query: Question, wire: bytes) -> dns.message.Message:
    if len(wire) > MAX_WIRE:
        raise Failed(BAD_REPLY)
    try:
        reply = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError) as exc:
        raise Failed(BAD_REPLY) from exc
    if reply.id != query.id:
        raise Failed("dns_reply_with_wrong_query_id")
    if not query.fits(reply):
        raise Failed(MISBEHAVING)
    return reply


async def _udp(query: Question, host: str, port: int, ends_at: float, listen_s: float) -> _Heard:
    """Ask over UDP until an instant of the loop's clock, and listen a little longer.

    What does not fit the question is passed over, and named if nothing else came: a stranger can
    always send such a datagram, so it must not end the wait for the true one. Nor does a router
    that says it knows no way: there may be another. Where the question
    was sent twice, two answers are no wonder, and nobody listens.
    """
    loop = asyncio.get_running_loop()
    odd: Failed | None = None
    with socket.socket(family(host), socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        _hear_errors(sock)
        sock.connect((host, port))
        wire = query.wire
        await loop.sock_sendall(sock, wire)
        until = min(loop.time() + RESEND_S, ends_at)
        resent = False
        while True:
            try:
                first = _parse(query, await _datagram(sock, until))
                break
            except Failed as exc:
                odd = exc
            except TimeoutError:
                if until == ends_at:
                    raise odd or TimeoutError from None
                until, resent = ends_at, True
                await loop.sock_sendall(sock, wire)
            except OSError as exc:
                if exc.errno not in SOFT:
                    raise
                odd = Failed(SOFT[exc.errno])
                _forget_errors(sock)
        heard, heard_at = _Heard(first, "udp"), loop.time()
        if not resent:
            await asyncio.sleep(listen_s)
            heard.second = _later(query, sock, first)
        heard.waited_s = loop.time() - heard_at
    return heard


def _hear_errors(sock: socket.socket) -> None:
    """Ask Linux to tell of unreachable hosts and networks too, and not of closed ports alone."""
    if sys.platform == "linux":
        v6 = sock.family == socket.AF_INET6
        sock.setsockopt(*((socket.IPPROTO_IPV6, 25, 1) if v6 else (socket.IPPROTO_IP, 11, 1)))


def _forget_errors(sock: socket.socket) -> None:
    """Empty the queue of errors: while one is in it, the socket counts as ready."""
    with suppress(OSError):
        while sys.platform == "linux":
            sock.recvmsg(0, 1024, socket.MSG_ERRQUEUE)


def _later(
    query: Question, sock: socket.socket, first: dns.message.Message
) -> dns.message.Message | None:
    """Return a reply that has come since the first and says something else, or None."""
    for _ in range(MAX_LATER):
        try:
            reply = _parse(query, sock.recv(MAX_WIRE))
        except Failed:
            continue
        except OSError:  # nothing more, or a refusal, which takes nothing back
            break
        if _rcode_failure(query, reply) != _rcode_failure(query, first):
            return reply
    return None


async def _datagram(sock: socket.socket, until: float) -> bytes:
    """Receive one datagram. Raises TimeoutError at that instant, even in a flood of datagrams."""
    loop = asyncio.get_running_loop()
    if loop.time() >= until:
        raise TimeoutError
    await asyncio.sleep(0)  # what lies ready is read without a pause: others must have a turn
    async with asyncio.timeout_at(until):
        return await loop.sock_recv(sock, MAX_WIRE)


async def _over_stream(query: Question, connection: Connection) -> dns.message.Message:
    wire = query.wire
    await connection.write(len(wire).to_bytes(2, "big") + wire)
    got = b""
    while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):  # noqa: PLR2004 - RFC 1035
        chunk = await connection.read()
        if not chunk:
            raise Failed("eof_error")
        got += chunk
    return _parse(query, got[2 : 2 + int.from_bytes(got[:2], "big")])


async def _over_https(
    query: Question, resolver: Resolver, connection: Connection, alpn: str | None
) -> dns.message.Message:
    # GET, as everything that is sent (SAFETY S12; RFC 8484, section 4.1: id 0, base64url).
    asked = base64.urlsafe_b64encode(query.wire).rstrip(b"=").decode()
    url = f"{resolver.url}?dns={asked}"
    headers = (("Accept", "application/dns-message"),)
    reply = await http.fetch(connection, url, headers, alpn)
    if reply.status != 200:  # noqa: PLR2004 - RFC 8484, section 4.2.1
        raise Failed("http_unexpected_status_code")
    return _parse(query, reply.body)


async def _exchange(
    query: Question, resolver: Resolver, host: str, ends_at: float, listen_s: float
) -> _Heard:
    """Ask one host. Raises OSError, TimeoutError or Failed; of a truncated answer, TCP's."""
    if resolver.transport == "udp":
        heard = await _udp(query, host, resolver.port, ends_at, listen_s)
        if not heard.reply.flags & dns.flags.TC:
            return heard
        async with asyncio.timeout_at(ends_at + heard.waited_s):
            connection = await connect(host, resolver.port)
            try:
                heard.reply = await _over_stream(query, connection)
            finally:
                connection.close()
        heard.transport = "tcp"
        return heard
    async with asyncio.timeout_at(ends_at):
        connection = await connect(host, resolver.port)
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
            return _Heard(await _over_stream(query, connection), resolver.transport)
        finally:
            connection.close()


async def _settled(query: Question, exchange: Callable[[Question], Awaitable[_Heard]]) -> _Heard:
    """Ask, and once more without EDNS if that is what the server stumbled over (RFC 6891)."""
    loop = asyncio.get_running_loop()
    heard = await exchange(query)
    if heard.second or heard.reply.rcode() not in NO_EDNS:
        return heard
    heard_at = loop.time()
    try:
        async with asyncio.timeout(RESEND_S):
            again = await exchange(query.plain())
    except (OSError, Failed):
        again = heard
    if again.reply.rcode() in NO_EDNS:
        heard.waited_s += loop.time() - heard_at
        return heard
    again.waited_s += heard.waited_s
    again.edns = False
    return again


async def _os_lookup(name: str, kind: str) -> Answer:
    """Ask the operating system, where there is no resolver file (Android)."""
    wanted = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
    entries = await asyncio.get_running_loop().getaddrinfo(
        name, None, family=wanted, type=socket.SOCK_STREAM
    )
    records = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))[:MAX_ANSWERS]
    return Answer("NOERROR", records, "os")


def _found(
    query: Question, reply: dns.message.Message
) -> tuple[list[dns.name.Name], bool, list[dns.rrset.RRset]]:
    """Follow the aliases from the name that was asked for, MAX_CNAMES at the most.

    Returns them, whether they led in a circle or too far, and what their end owns.
    """
    name, kind = query.name, query.kind
    own = [rrset for rrset in reply.answer if rrset.rdclass == dns.rdataclass.IN]
    aliases = {rrset.name: rrset[0].target for rrset in own if rrset.rdtype == dns.rdatatype.CNAME}
    passed: list[dns.name.Name] = []
    while name in aliases and name not in passed and len(passed) < MAX_CNAMES:
        passed.append(name)
        name = aliases[name]
    mine = [rrset for rrset in own if rrset.rdtype == kind and rrset.name == name]
    return [aliases[alias] for alias in passed], name in aliases, mine


def _rcode_failure(query: Question, reply: dns.message.Message) -> tuple[int, frozenset[str]]:
    """Return what replies to one question share, unless one of them is injected."""
    mine = _found(query, reply)[2]
    return reply.rcode(), frozenset(record.to_text() for rrset in mine for record in rrset)


def _records(mine: list[dns.rrset.RRset]) -> tuple[str, ...]:
    return tuple(clean(record.to_text()) for rrset in mine for record in rrset)[:MAX_ANSWERS]


_flags = lru_cache(maxsize=256)(dns.flags.to_text)
_rcode = lru_cache(maxsize=256)(dns.rcode.to_text)


def _answer(query: Question, heard: _Heard) -> Answer:
    """Read what came as the answer to the question."""
    reply = heard.reply
    cnames, looped, mine = _found(query, reply)
    errors = [option for option in reply.options if isinstance(option, dns.edns.EDEOption)]
    unknowing = not (query.recurse or reply.flags & dns.flags.AA or reply.answer)
    referral = _referral(query, reply) if unknowing else ()
    second = heard.second
    if second and _rcode_failure(query, second) == _rcode_failure(
        query, reply
    ):  # as TCP has it, too
        second = None
    return Answer(
        rcode=_rcode(reply.rcode()),
        records=_records(mine),
        transport=heard.transport,
        flags=_flags(reply.flags),
        cnames=tuple(clean(alias.to_text(omit_final_dot=True), MAX_NAME) for alias in cnames),
        looped=looped,
        ttl=min((rrset.ttl for rrset in mine), default=None),
        ede=tuple(
            clean(f"{int(error.code)} {error.text or ''}".strip()) for error in errors[:MAX_EDE]
        ),
        edns=heard.edns,
        lame=unknowing and not referral and reply.rcode() in NOT_MINE,
        referral=referral,
        also=_records(_found(query, second)[2]) if second else None,
        also_rcode=_rcode(second.rcode()) if second else None,
        waited_s=heard.waited_s,
    )


def _referral(query: Question, reply: dns.message.Message) -> tuple[str, ...]:
    """Name the servers of a zone nearer to the name: itself or above it, and below the top."""
    name = query.name
    nearer = [
        rrset
        for rrset in reply.authority
        if rrset.rdtype == dns.rdatatype.NS
        and rrset.rdclass == dns.rdataclass.IN
        and len(rrset.name) > 2  # noqa: PLR2004 - one label, and the root's empty one
        and name.is_subdomain(rrset.name)
    ]
    names = [clean(record.target.to_text(), MAX_NAME) for rrset in nearer for record in rrset]
    return tuple(name.rstrip(".") for name in names[:MAX_REFERRAL])


async def ask_on(connection: Connection, name: str, kind: str, *, recurse: bool) -> Answer:
    """Put one question on an open TCP connection, to the server that is itself the target.

    Raises OSError or Failed; the caller holds the timer.
    """
    query = question(name, kind, recurse=recurse)

    async def exchange(asked: Question) -> _Heard:
        return _Heard(await _over_stream(asked, connection), "tcp")

    return _answer(query, await _settled(query, exchange))


async def ask(
    resolver: Resolver,
    name: str,
    kind: str,
    within_s: float,
    *,
    recurse: bool = True,
    listen_s: float = LISTEN_S,
) -> Answer:
    """Put one question; the hosts of the resolver share the time.

    Raises OSError, TimeoutError or Failed when none answered: the last host's reason.
    """
    if resolver.transport == "os":
        async with asyncio.timeout(within_s):
            return await _os_lookup(name, kind)
    query = question(name, kind, recurse=recurse)
    last: Exception = Failed(MISBEHAVING)
    for host in resolver.hosts:
        ends_at = asyncio.get_running_loop().time() + within_s / len(resolver.hosts)
        exchange = partial(
            _exchange, resolver=resolver, host=host, ends_at=ends_at, listen_s=listen_s
        )
        try:
            return _answer(query, await _settled(query, exchange))
        except (OSError, Failed) as exc:
            last = exc
    raise last
