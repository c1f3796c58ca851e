"""Servers that misbehave on purpose, each with what must be said of it.

Stage and failure are those of the last row of the target's chain. Run as a program it serves them
all on loopback, so that its own work and memory are not taken for the probe's.
"""

import asyncio
import gzip
import itertools
import json
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

import loopback
from keepiton.probe import failures
from loopback import Talk, page

TIMEOUT, EOF, RESET = failures.TIMEOUT, failures.EOF, "connection_reset"
ESCAPE = "\x1b]0;pwned\x07\x1b[2J\x1b[31m\u202egnp.exe"
ESCAPE_BYTES = b"\x1b]0;pwned\x07\x1b[2J\x9b31m"
FORMULA = '=cmd|"/c calc"!A0'
MARKUP = "<script>alert(1)</script>|`x`"

Pieces = Iterable[bytes]


@dataclass(frozen=True)
class Web:
    """What is done over TCP: over plain HTTP, in a TLS handshake, or after one."""

    talk: Talk
    failure: str | None
    stage: Literal["dns", "tls", "http"] = "http"
    over: Literal["plain", "own TLS", "TLS", "h2", "odd names", "large chain"] = "plain"
    note: str | None = None


def sending(pieces: Callable[[], Pieces], *, every_s: float = 0.0, then: str = "close") -> Talk:
    """Read once, then send piece after piece, so far apart, and close, reset or hold."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        for piece in pieces():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)
        if then == "reset":
            sock: socket.socket = writer.get_extra_info("socket")
            await asyncio.sleep(0.05)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif then == "hold":
            while await reader.read(65_536):
                pass
        else:
            if writer.can_write_eof():
                writer.write_eof()
            while await reader.read(65_536):
                pass

    return talk


def once(raw: bytes, then: str = "close") -> Talk:
    return sending(lambda: [raw], then=then)


def forever(head: bytes, piece: bytes) -> Talk:
    return sending(lambda: itertools.chain([head], itertools.repeat(piece)))


def drip(raw: bytes, every_s: float = 0.3) -> Talk:
    return sending(lambda: (raw[at : at + 1] for at in range(len(raw))), every_s=every_s)


async def speaks_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet as another protocol does."""
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
    while await reader.read(65_536):
        pass


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1", "replace")


def redirect(place: str) -> Talk:
    return once(head(f"Location: {place}", "Content-Length: 0", status="302 Found"))


def bomb() -> bytes:
    """Write 64 MiB of nothing in 64 kB."""
    return gzip.compress(bytes(64 << 20), 9, mtime=0)


def zstd_bomb() -> bytes:
    """Write the same by hand (RFC 8878): 512 blocks that each repeat one byte 128 Ki times."""
    blocks = [((128 << 10) << 3 | 1 << 1 | last).to_bytes(3, "little") + b"\0" for last in (0, 1)]
    return b"\x28\xb5\x2f\xfd\x00\x58" + blocks[0] * 511 + blocks[1]


# HTTP/2 by hand.


def frame(kind: int, payload: bytes, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4) + payload


SETTINGS = frame(4, b"")
OK_200 = b"\x88"  # :status 200, from HPACK's static table
GOAWAY = frame(7, bytes(8))


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(body).to_bytes(2, "big") + body


ALERT_WARNING = record(21, b"\x01\x5a")

WEB: dict[str, Web] = {
    "accepts and says nothing": Web(loopback.silent, TIMEOUT),
    "closes at once": Web(loopback.polite_close, EOF),
    "resets at once": Web(loopback.reset, RESET),
    "head by drips": Web(drip(page()), TIMEOUT),
    "body by drips": Web(
        sending(
            lambda: itertools.chain([head("Content-Length: 9999")], itertools.repeat(b"x")),
            every_s=0.3,
        ),
        TIMEOUT,
    ),
    "chunks by drips": Web(
        sending(
            lambda: itertools.chain(
                [head("Transfer-Encoding: chunked")], itertools.repeat(b"1\r\nx\r\n")
            ),
            every_s=0.3,
        ),
        TIMEOUT,
    ),
    "endless headers": Web(
        forever(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 50), failures.NOT_HTTP
    ),
    "one endless header": Web(forever(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096), failures.NOT_HTTP),
    "endless status line": Web(forever(b"HTTP/1.1 200 ", b"x" * 4096), failures.NOT_HTTP),
    "endless body": Web(forever(head(), b"x" * 4096), None),
    "chunked for ever": Web(
        forever(head("Transfer-Encoding: chunked"), b"400\r\n" + b"x" * 1024 + b"\r\n"), None
    ),
    "endless chunk extension": Web(
        forever(head("Transfer-Encoding: chunked") + b"1;", b"x" * 4096), failures.NOT_HTTP
    ),
    "endless trailers": Web(
        forever(head("Transfer-Encoding: chunked") + b"0\r\n", b"X-More: and more\r\n" * 50),
        failures.NOT_HTTP,
    ),
    "endless interim answers": Web(
        forever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 50), failures.TOO_LARGE
    ),
    "chunk larger than any machine": Web(
        once(head("Transfer-Encoding: chunked") + b"fffffffffffffffff\r\nx"), EOF
    ),
    "chunk size in words": Web(
        once(head("Transfer-Encoding: chunked") + b"many\r\nx"), failures.NOT_HTTP
    ),
    "negative length": Web(once(head("Content-Length: -1") + b"x"), failures.NOT_HTTP),
    "length of thirty digits": Web(
        once(head("Content-Length: " + "9" * 30) + b"x"), failures.NOT_HTTP
    ),
    "two lengths": Web(
        once(head("Content-Length: 1", "Content-Length: 2") + b"xx"), failures.NOT_HTTP
    ),
    "length and chunks": Web(
        once(head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n"), None
    ),
    "more than it said": Web(once(page() + b"x" * 9999), None),
    "less than it said": Web(once(head("Content-Length: 99") + b"x"), EOF),
    "closes in the head": Web(once(b"HTTP/1.1 200 OK\r\nServer: x"), EOF),
    "resets in the body": Web(once(head("Content-Length: 99") + b"x", "reset"), RESET),
    "holds after part of the body": Web(once(head("Content-Length: 99") + b"x", "hold"), TIMEOUT),
    "HTTP/0.9": Web(once(b"<html>hello</html>"), failures.NOT_HTTP),
    "status line without a number": Web(once(b"HTTP/1.1 fine\r\n\r\n"), failures.NOT_HTTP),
    "status 999": Web(once(head(status="999 Odd")), None),
    "status 20": Web(once(b"HTTP/1.1 20 OK\r\n\r\n"), failures.NOT_HTTP),
    "status of a thousand digits": Web(
        once(b"HTTP/1.1 " + b"2" * 1000 + b" OK\r\n\r\n"), failures.NOT_HTTP
    ),
    "HTTP/7.3": Web(once(b"HTTP/7.3 200 OK\r\n\r\n"), None),
    "speaks first, something else": Web(speaks_first, failures.NOT_HTTP),
    "HTTP/2 without being asked": Web(once(SETTINGS), failures.NOT_HTTP),
    "random bytes": Web(once(bytes(range(256)) * 4), failures.NOT_HTTP),
    "nothing but line ends": Web(forever(b"", b"\r\n" * 2000), failures.NOT_HTTP),
    "escapes in headers": Web(
        once(b"HTTP/1.1 200 OK\r\nServer: " + ESCAPE_BYTES + b"\r\nContent-Length: 0\r\n\r\n"), None
    ),
    "NUL in a header": Web(
        once(b"HTTP/1.1 200 OK\r\nServer: a\0b\r\nContent-Length: 0\r\n\r\n"), failures.NOT_HTTP
    ),
    "high control characters in a header": Web(
        once(b"HTTP/1.1 200 OK\r\nServer: a\x9b31m\xad\r\nContent-Length: 0\r\n\r\n"), None
    ),
    "header that continues": Web(
        once(b"HTTP/1.1 200 OK\r\nServer: a\r\n\tb\r\nContent-Length: 0\r\n\r\n"), None
    ),
    "header name with a space": Web(
        once(b"HTTP/1.1 200 OK\r\nSer ver: a\r\n\r\n"), failures.NOT_HTTP
    ),
    "header without a colon": Web(once(b"HTTP/1.1 200 OK\r\nServer\r\n\r\n"), failures.NOT_HTTP),
    "header of 60 kB": Web(once(head("Server: " + "x" * 60_000, "Content-Length: 0")), None),
    "a thousand cookies": Web(once(head(*["Set-Cookie: id=1"] * 1000, "Content-Length: 0")), None),
    "formula in a header": Web(once(head(f"Server: {FORMULA}", "Content-Length: 0")), None),
    "markup in a header": Web(once(head(f"Server: {MARKUP}", "Content-Length: 0")), None),
    "reason with escapes": Web(
        once(b"HTTP/1.1 403 " + ESCAPE_BYTES + b"\r\nContent-Length: 0\r\n\r\n"), None
    ),
    "reason that looks like a failure": Web(
        once(head("Content-Length: 0", status="200 connection_reset")), None
    ),
    "escapes in the title": Web(
        once(page(f"<title>{ESCAPE}{MARKUP}</title>".encode(), "403 No")), None
    ),
    "formula in the title": Web(once(page(f"<title>{FORMULA}</title>".encode())), None),
    "a title without end": Web(once(page(b"<title>" + b"x" * 100_000)), None),
    "many titles without end": Web(once(page(b"<title" * 40_000)), None),
    "date of year 99999": Web(
        once(head("Date: Mon, 01 Jan 99999 00:00:00 GMT", "Content-Length: 0")), None
    ),
    "gzip bomb": Web(sending(lambda: [page(bomb(), extra="Content-Encoding: gzip\r\n")]), None),
    "zstd bomb": Web(once(page(zstd_bomb(), extra="Content-Encoding: zstd\r\n")), None),
    "zstd that is none": Web(
        once(page(b"\x28\xb5\x2f\xfd" + bytes(99), extra="Content-Encoding: zstd\r\n")), None
    ),
    "gzip that is none": Web(once(page(extra="Content-Encoding: gzip\r\n")), None),
    "every encoding at once": Web(
        once(page(extra="Content-Encoding: " + "gzip, " * 1000 + "br\r\n")), None
    ),
    "redirect to itself": Web(redirect("/"), None, note="redirect_loop"),
    "redirect to a file": Web(redirect("file:///etc/passwd"), failures.OTHER_SCHEME),
    "redirect to a script": Web(redirect("javascript:alert(1)"), failures.OTHER_SCHEME),
    "redirect to nowhere": Web(redirect("http://"), failures.BAD_LOCATION),
    "redirect to loopback": Web(redirect("http://127.0.0.1:1/"), failures.BOGON, "dns"),
    "redirect to loopback, in IPv6": Web(redirect("http://[::1]:1/"), failures.BOGON, "dns"),
    "redirect to loopback, mapped": Web(
        redirect("http://[::ffff:127.0.0.1]:1/"), failures.BOGON, "dns"
    ),
    "redirect to the metadata service": Web(
        redirect("http://169.254.169.254/latest/"), failures.BOGON, "dns"
    ),
    "redirect to a router": Web(redirect("http://192.168.1.1/"), failures.BOGON, "dns"),
    "redirect to loopback as a number": Web(redirect("http://2130706433/"), failures.BAD_LOCATION),
    "redirect to loopback in octal": Web(redirect("http://0177.0.0.1/"), failures.BAD_LOCATION),
    "redirect with a password": Web(redirect("http://a:b@127.0.0.1:1/"), failures.BAD_LOCATION),
    "redirect with escapes": Web(
        once(b"HTTP/1.1 302 F\r\nLocation: http://\x1b[31mx.example/\r\nContent-Length: 0\r\n\r\n"),
        failures.BAD_LOCATION,
    ),
    "redirect of 50 kB": Web(
        redirect("http://x.example/" + "x" * 50_000), "dns_nxdomain_error", "dns"
    ),
    "redirect with a port of six digits": Web(
        redirect("http://x.example:999999/"), failures.BAD_LOCATION
    ),
    # TLS.
    "TLS: says nothing": Web(loopback.silent, TIMEOUT, "tls", "own TLS"),
    "TLS: closes": Web(loopback.polite_close, EOF, "tls", "own TLS"),
    "TLS: resets": Web(loopback.reset, RESET, "tls", "own TLS"),
    "TLS: a web page": Web(loopback.plain_page, failures.NOT_TLS, "tls", "own TLS"),
    "TLS: another protocol": Web(speaks_first, failures.NOT_TLS, "tls", "own TLS"),
    "TLS: random bytes": Web(once(bytes(range(256)) * 4), failures.NOT_TLS, "tls", "own TLS"),
    "TLS: drips": Web(drip(record(22, bytes(200)), 0.2), TIMEOUT, "tls", "own TLS"),
    "TLS: a storm of alerts": Web(
        forever(b"", ALERT_WARNING * 500),
        "unknown_failure: tls: too many ignored records",
        "tls",
        "own TLS",
    ),
    "TLS: a storm of empty records": Web(
        forever(b"", record(22, b"") * 500),
        "unknown_failure: tls: too many ignored records",
        "tls",
        "own TLS",
    ),
    "TLS: a storm of hello requests": Web(
        forever(b"", record(22, bytes(4)) * 500), failures.TLS_TOO_LARGE, "tls", "own TLS"
    ),
    "TLS: a record that never ends": Web(
        once(b"\x16\x03\x03\x40\x00" + bytes(99), "hold"), TIMEOUT, "tls", "own TLS"
    ),
    "TLS: a record too large": Web(
        once(b"\x16\x03\x03\xff\xff" + bytes(99), "hold"), failures.NOT_TLS, "tls", "own TLS"
    ),
    "TLS: fatal alert": Web(
        once(record(21, b"\x02\x28")),
        "unknown_failure: remote error: tls: handshake failure",
        "tls",
        "own TLS",
    ),
    "TLS: unrecognized name": Web(
        once(record(21, b"\x02\x70")), "ssl_invalid_hostname", "tls", "own TLS"
    ),
    "TLS: close notify": Web(once(record(21, b"\x01\x00")), EOF, "tls", "own TLS"),
    "TLS: server hello, then silence": Web(
        once(record(22, b"\x02\x00\x00\x26\x03\x03" + bytes(33) + b"\x00\x9c\x00"), "hold"),
        "unknown_failure: tls: server chose an unconfigured cipher suite",
        "tls",
        "own TLS",
    ),
    "TLS: a message of 16 MiB": Web(
        forever(record(22, b"\x02\xff\xff\xff"), record(22, bytes(16_000))),
        failures.TLS_TOO_LARGE,
        "tls",
        "own TLS",
    ),
    "after TLS: says nothing": Web(loopback.silent, TIMEOUT, over="TLS"),
    "after TLS: resets": Web(loopback.reset, RESET, over="TLS"),
    "after TLS: endless body": Web(forever(head(), b"x" * 4096), None, over="TLS"),
    "certificate with escapes in its names": Web(once(page()), None, over="odd names"),
    "chain of a megabyte": Web(once(page()), failures.TLS_TOO_LARGE, "tls", over="large chain"),
    # HTTP/2.
    "h2: says nothing": Web(once(b"", "hold"), TIMEOUT, over="h2"),
    "h2: goes away": Web(
        once(SETTINGS + GOAWAY), "unknown_failure: http2: server sent GOAWAY", over="h2"
    ),
    "h2: resets the stream": Web(
        once(SETTINGS + frame(3, bytes(4), stream=1)),
        "unknown_failure: http2: stream reset",
        over="h2",
    ),
    "h2: settings without end": Web(forever(b"", SETTINGS * 100), failures.TOO_LARGE, over="h2"),
    "h2: pings without end": Web(
        forever(SETTINGS, frame(6, bytes(8)) * 100), failures.TOO_LARGE, over="h2"
    ),
    "h2: continuations without end": Web(
        forever(SETTINGS + frame(1, b"", stream=1), frame(9, b"\x88" * 1000, stream=1)),
        failures.NOT_HTTP,
        over="h2",
    ),
    "h2: a frame of 16 MiB": Web(
        forever(SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", bytes(4096)),
        failures.TOO_LARGE,
        over="h2",
    ),
    "h2: HPACK that points nowhere": Web(
        once(SETTINGS + frame(1, b"\xff\xff\xff\x0f", 4, 1)), failures.NOT_HTTP, over="h2"
    ),
    "h2: HPACK bomb": Web(
        once(
            SETTINGS + frame(1, b"\x88\x40\x01x\x7f\xe1\x1e" + b"x" * 4000 + b"\xbe" * 12_000, 4, 1)
        ),
        failures.NOT_HTTP,
        over="h2",
    ),
    "h2: endless data": Web(
        forever(SETTINGS + frame(1, OK_200, 4, 1), frame(0, bytes(4096), stream=1)), None, over="h2"
    ),
    "h2: empty data without end": Web(
        forever(SETTINGS + frame(1, OK_200, 4, 1), frame(0, b"", stream=1) * 100),
        failures.TOO_LARGE,
        over="h2",
    ),
    "h2: an answer to another request": Web(
        once(SETTINGS + frame(1, OK_200, 5, 3)), failures.NOT_HTTP, over="h2"
    ),
    "h2: no status": Web(once(SETTINGS + frame(1, b"\x40\x01x\x01y", 5, 1)), None, over="h2"),
    "h2: escapes in a header": Web(
        once(SETTINGS + frame(1, OK_200 + b"\x40\x06server\x07\x1b[31mxx", 5, 1)), None, over="h2"
    ),
    "h2: HTTP/1.1 after all": Web(once(page()), failures.NOT_HTTP, over="h2"),
    "h2: pushes what nobody asked for": Web(
        once(SETTINGS + frame(5, b"\x00\x00\x00\x02" + b"\x82", 4, 1)), failures.NOT_HTTP, over="h2"
    ),
    "h2: drips": Web(drip(SETTINGS + frame(1, OK_200, 5, 1)), None, over="h2"),
}


# Name servers.


@dataclass(frozen=True)
class Names:
    """What a name server does with a question, over UDP and, where asked to, over TCP."""

    udp: Callable[[bytes], list[bytes]]
    failure: str | None
    tcp: Callable[[bytes], Pieces] | None = None
    """Pieces to send over TCP, 0.2 s apart."""


def answer(query: bytes, *lines: str, rcode: int = 0, flags: int = 0, kind: str = "A") -> bytes:
    """Answer with lines of a zone file whose owner is the name that was asked for."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    message.set_rcode(dns.rcode.Rcode(rcode))
    message.flags |= flags
    own = message.question[0].name.to_text()
    for line in lines:
        owner, kind, text = line.replace("@", own).split(maxsplit=2)
        message.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, text))
    return message.to_wire(max_size=65_535)


def raw_answer(query: bytes, tail: bytes, count: int = 1) -> bytes:
    """Answer with bytes of our own after the question."""
    whole = answer(query)
    asked = 12
    while whole[asked]:
        asked += 1 + whole[asked]
    return whole[:6] + count.to_bytes(2, "big") + bytes(4) + whole[12 : asked + 5] + tail


def a_record(
    owner: bytes, data: bytes = b"\x05\x2d\x40\x01", kind: int = 1, size: int | None = None
) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, 60, len(data) if size is None else size) + data


def framed(wire: bytes) -> list[bytes]:
    return [len(wire).to_bytes(2, "big") + wire]


def cut(query: bytes) -> list[bytes]:
    return [answer(query, flags=dns.flags.TC)]


def chain_of(length: int) -> Callable[[bytes], list[bytes]]:
    def lines(query: bytes) -> list[bytes]:
        names = ["@", *(f"n{number}.example." for number in range(length))]
        given = [f"{one} CNAME {then}" for one, then in itertools.pairwise(names)]
        return [answer(query, *given, f"{names[-1]} A 127.0.0.1")]

    return lines


POINTER = b"\xc0\x0c"
NO_TCP = "connection_refused"
NAMES: dict[str, Names] = {
    "silence": Names(lambda _: [], TIMEOUT),
    "wrong-id": Names(
        lambda q: [bytes([q[0] ^ 1]) + answer(q, "@ A 127.0.0.1")[1:]],
        "dns_reply_with_wrong_query_id",
    ),
    "wrong-id-first": Names(
        lambda q: [bytes([q[0] ^ 1]) + answer(q, "@ A 5.45.64.1")[1:], answer(q, "@ A 127.0.0.1")],
        None,
    ),
    "flood-of-wrong-ids": Names(
        lambda q: [bytes([q[0] ^ 1]) + answer(q)[1:]] * 2000, "dns_reply_with_wrong_query_id"
    ),
    "wrong-question": Names(
        lambda q: [answer(q).replace(b"\x0ewrong-question", b"\x0ewrong-questiom")],
        failures.MISBEHAVING,
    ),
    "no-question": Names(lambda q: [q[:2] + b"\x81\x80" + bytes(8)], failures.MISBEHAVING),
    "question-sent-back": Names(lambda q: [q], failures.MISBEHAVING),
    "one-byte": Names(lambda _: [b"\0"], failures.BAD_REPLY),
    "junk": Names(lambda q: [q[:2] + bytes(range(256))], failures.BAD_REPLY),
    "pointer-to-itself": Names(
        lambda q: [raw_answer(q, a_record(b"\xc0" + bytes([len(answer(q)) - 11])))],
        failures.BAD_REPLY,
    ),
    "pointers-in-a-circle": Names(
        lambda q: [q[:4] + b"\0\1\0\0\0\0\0\0\xc0\x0e\xc0\x0c\0\1\0\1"], failures.BAD_REPLY
    ),
    "pointer-beyond-the-end": Names(
        lambda q: [raw_answer(q, a_record(b"\xff\xff"))], failures.BAD_REPLY
    ),
    "label-of-64": Names(
        lambda q: [raw_answer(q, a_record(b"\x40" + b"x" * 64 + b"\0"))], failures.BAD_REPLY
    ),
    "name-of-a-thousand": Names(
        lambda q: [raw_answer(q, a_record((b"\x09" + b"x" * 9) * 100 + b"\0"))], failures.BAD_REPLY
    ),
    "record-cut-off": Names(
        lambda q: [raw_answer(q, a_record(POINTER, size=99))], failures.BAD_REPLY
    ),
    "more-records-than-there-are": Names(
        lambda q: [raw_answer(q, a_record(POINTER), 65_535)], failures.BAD_REPLY
    ),
    "address-of-three-bytes": Names(
        lambda q: [raw_answer(q, a_record(POINTER, b"\x05\x2d\x40"))], failures.BAD_REPLY
    ),
    "a-thousand-addresses": Names(
        lambda q: [answer(q, *(f"@ A 127.0.{n // 250}.{n % 250 + 1}" for n in range(1000)))], None
    ),
    "another-names-address": Names(
        lambda q: [answer(q, "other.example. A 127.0.0.1")], "dns_no_answer"
    ),
    "alias-to-itself": Names(lambda q: [answer(q, "@ CNAME @")], failures.CNAME_LOOP),
    "aliases-in-a-circle": Names(
        lambda q: [answer(q, "@ CNAME b.example.", "b.example. CNAME @")], failures.CNAME_LOOP
    ),
    "hundred-aliases": Names(chain_of(100), failures.CNAME_LOOP),
    "alias-with-escapes": Names(
        lambda q: [answer(q, r"@ CNAME a\027[31m\000b.example.")], "dns_no_answer"
    ),
    "formula-alias": Names(lambda q: [answer(q, r"@ CNAME =cmd\|calc.example.")], "dns_no_answer"),
    "private-addresses": Names(lambda q: [answer(q, "@ A 10.10.34.35")], None),
    "format-error-always": Names(lambda q: [answer(q, rcode=1)], failures.MISBEHAVING),
    "rcode-of-nobody": Names(lambda q: [answer(q, rcode=15)], failures.MISBEHAVING),
    "two-answers": Names(lambda q: [answer(q, "@ A 127.0.0.1"), answer(q, "@ A 5.45.64.1")], None),
    "thousand-answers": Names(lambda q: [answer(q, "@ A 127.0.0.1")] * 1000, None),
    "cut-and-no-tcp": Names(cut, EOF, lambda _: []),
    "cut-and-tcp-says-nothing": Names(cut, TIMEOUT, lambda _: iter(lambda: b"", None)),
    "cut-and-tcp-drips": Names(
        cut, TIMEOUT, lambda q: (bytes([one]) for one in framed(answer(q))[0] * 9)
    ),
    "cut-again-over-tcp": Names(
        cut, "dns_no_answer", lambda q: framed(answer(q, flags=dns.flags.TC))
    ),
    "tcp-of-64-kilobytes": Names(
        cut,
        None,
        lambda q: framed(
            answer(
                q, *(f"@ A 127.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}" for n in range(4000))
            )
        ),
    ),
    "tcp-length-of-nothing": Names(cut, failures.BAD_REPLY, lambda _: [b"\0\0"]),
    "tcp-ends-early": Names(cut, EOF, lambda q: [framed(answer(q))[0][:-5]]),
    "tcp-of-another-question": Names(
        cut, "dns_reply_with_wrong_query_id", lambda q: framed(bytes([q[0] ^ 1]) + answer(q)[1:])
    ),
}
ELSEWHERE = "answer-from-another-address"
NAMES[ELSEWHERE] = Names(lambda _: [], TIMEOUT)


def behaviour(query: bytes) -> tuple[str, Names]:
    """Find what a question's first label asks for."""
    label = dns.message.from_wire(query).question[0].name.labels[0].decode()
    return label, NAMES.get(label, Names(lambda q: [answer(q, rcode=3)], None))


class OverUdp(asyncio.DatagramProtocol):
    """Answers each name as its case says."""

    def __init__(self, stranger: socket.socket) -> None:
        """Take a socket of another address."""
        self.stranger = stranger

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember how to answer."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        label, case = behaviour(data)
        for reply in case.udp(data):
            self.transport.sendto(reply, addr)
        if label == ELSEWHERE:
            self.stranger.sendto(answer(data, "@ A 127.0.0.1"), addr)


async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer after a truncated answer."""
    query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    _, case = behaviour(query)
    for piece in case.tcp(query) if case.tcp else []:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.2)


def quietly(talk: Talk) -> Talk:
    """End a talk without a word when the other side goes away."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    return accept


async def main(folder: Path) -> None:
    """Serve every case until standard input ends; say first at which port each is."""
    contexts: dict[str, ssl.SSLContext | None] = {"plain": None, "own TLS": None}
    for over in ("TLS", "h2", "odd names", "large chain"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{over}.pem")
        context.set_alpn_protocols(["h2"] if over == "h2" else ["http/1.1"])
        contexts[over] = context
    ports = {}
    for name, case in WEB.items():
        server = await asyncio.start_server(
            quietly(case.talk), "127.0.0.1", 0, ssl=contexts[case.over]
        )
        ports[name] = server.sockets[0].getsockname()[1]
    server = await asyncio.start_server(quietly(over_tcp), "127.0.0.1", 0)
    port = ports[""] = server.sockets[0].getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", port))
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: OverUdp(stranger), local_addr=("127.0.0.1", port)
        )
        print(json.dumps(ports), flush=True)  # noqa: T201 - to who started it
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
