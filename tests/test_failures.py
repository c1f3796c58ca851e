"""Each way a connection breaks keeps its own name, from real sockets."""

import asyncio
import base64
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
import trustme

import loopback
from keepiton.probe import dns as dns_stage
from keepiton.probe import failures, http, net, tcp, tls
from keepiton.probe.failures import Failed, classify, is_local


def failure_of(work: Callable[[], Awaitable[object]], within_s: float = 1.0) -> str | None:
    async def run() -> str | None:
        try:
            async with asyncio.timeout(within_s):
                await work()
        except Exception as exc:  # noqa: BLE001 - whatever it is, it must have a name
            return classify(exc)
        return None

    return asyncio.run(run())


def web(talk: loopback.Talk) -> str | None:
    with loopback.serving(talk) as server:

        async def work() -> None:
            url = f"http://127.0.0.1:{server.port}/"
            await http.fetch(await tcp.connect("127.0.0.1", server.port), url, http.ORDINARY)

        return failure_of(work)


def handshake_with(port: int) -> str | None:
    async def work() -> None:
        connection = await tcp.connect("127.0.0.1", port)
        try:
            await tls.handshake(connection, "name.example")
        finally:
            connection.close()

    return failure_of(work)


def test_refused() -> None:
    port = loopback.closed_port()
    assert failure_of(lambda: tcp.connect("127.0.0.1", port)) == "connection_refused"


@pytest.mark.parametrize(
    ("talk", "name"),
    [
        (loopback.reset, "connection_reset"),
        (loopback.polite_close, "eof_error"),
        (loopback.silent, "generic_timeout_error"),
        (loopback.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "eof_error"),
        (loopback.answering(b"SSH-2.0-OpenSSH\r\n\r\n"), failures.NOT_HTTP),
        (loopback.answering(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000), failures.NOT_HTTP),
        (loopback.answering(loopback.page()), None),
        (loopback.answering(loopback.page(b"x" * 9_000_000)), None),
    ],
    ids=["reset", "closed", "silent", "cut off", "not http", "endless head", "well", "huge"],
)
def test_http(talk: loopback.Talk, name: str | None) -> None:
    assert web(talk) == name


@pytest.mark.parametrize(
    ("talk", "name"),
    [
        (loopback.reset, "connection_reset"),
        (loopback.polite_close, "eof_error"),
        (loopback.silent, "generic_timeout_error"),
        (loopback.plain_page, failures.NOT_TLS),
    ],
    ids=["reset", "closed", "silent", "plain page"],
)
def test_tls(talk: loopback.Talk, name: str) -> None:
    """A polite close in the handshake is not a reset, and a web page is no handshake."""
    with loopback.serving(talk) as server:
        assert handshake_with(server.port) == name


@pytest.mark.parametrize(
    ("talk", "name"),
    [
        (loopback.silent, "generic_timeout_error"),
        (loopback.reset, "connection_reset"),
        (loopback.polite_close, "eof_error"),
        (loopback.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "eof_error"),
    ],
    ids=["silent", "reset", "closed", "cut off"],
)
def test_http_over_tls(talk: loopback.Talk, name: str) -> None:
    """What breaks inside TLS has the same name as outside it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with loopback.serving(talk, context) as server:

        async def work() -> None:
            connection = await tcp.connect("127.0.0.1", server.port)
            await tls.handshake(connection, "127.0.0.1", ())
            url = f"https://127.0.0.1:{server.port}/"
            await http.fetch(connection, url, http.ORDINARY)

        assert failure_of(work) == name


def test_alerts_keep_their_kind() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("name.example").configure_cert(context)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2

    def unrecognized(*_: object) -> int:
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    context.sni_callback = unrecognized
    with loopback.alerting(context) as port:
        assert handshake_with(port) == "ssl_invalid_hostname"
    context.sni_callback = lambda *_: int(ssl.ALERT_DESCRIPTION_INTERNAL_ERROR)
    with loopback.alerting(context) as port:
        assert handshake_with(port) == "unknown_failure: remote error: tls: internal error"


def asked(reply: Callable[[bytes], list[bytes]], within_s: float = 0.5) -> str | None:
    """Ask a name server of our own that answers so."""

    async def work() -> dns_stage.Answer:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: loopback.NameServer(reply), local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        try:
            resolver = dns_stage.Resolver("x", "udp", ("127.0.0.1",), port)
            return await dns_stage.ask(resolver, "name.example", "A", within_s)
        finally:
            transport.close()

    async def run() -> str | None:
        try:
            return (await work()).failure
        except Exception as exc:  # noqa: BLE001 - whatever it is, it must have a name
            return classify(exc)

    return asyncio.run(run())


def response(query: bytes, rcode: int = 0, record: str | None = None) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(query))
    message.set_rcode(dns.rcode.Rcode(rcode))
    if record:
        message.answer.append(dns.rrset.from_text("name.example.", 60, "IN", "A", record))
    return message.to_wire()


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (lambda query: [response(query, record="5.45.64.9")], None),
        (lambda query: [response(query)], "dns_no_answer"),
        (lambda query: [response(query, 3)], "dns_nxdomain_error"),
        (lambda query: [response(query, 2)], "dns_servfail_error"),
        (lambda query: [response(query, 5)], "dns_refused_error"),
        (lambda query: [response(query, 4)], "dns_server_misbehaving"),
        (lambda _: [], "generic_timeout_error"),
        (lambda query: [b"\0\0" + response(query)[2:]], "dns_reply_with_wrong_query_id"),
        (lambda _: [b"garbage"], "unknown_failure: malformed DNS reply"),
        (
            lambda query: [
                b"junk",
                b"\0\0" + response(query)[2:],
                response(query, record="5.45.64.9"),
            ],
            None,
        ),
    ],
    ids=[
        "well",
        "empty",
        "nxdomain",
        "servfail",
        "refused",
        "notimp",
        "silent",
        "wrong id",
        "garbage",
        "true one after junk",
    ],
)
def test_dns(reply: Callable[[bytes], list[bytes]], name: str | None) -> None:
    """A stranger's datagram neither ends the wait nor hides what came."""
    assert asked(reply) == name


def test_a_resolver_that_nobody_runs_is_a_refusal_and_not_a_silence() -> None:
    port = loopback.closed_port()
    resolver = dns_stage.Resolver("x", "udp", ("127.0.0.1",), port)
    work = lambda: dns_stage.ask(resolver, "name.example", "A", 1.0)  # noqa: E731 - a shorthand
    assert failure_of(work) == "connection_refused"


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = response(await reader.readexactly(length), record="5.45.64.9")
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()

    def truncated(query: bytes) -> list[bytes]:
        message = dns.message.make_response(dns.message.from_wire(query))
        message.flags |= dns.flags.TC
        return [message.to_wire()]

    with loopback.serving(over_tcp) as server:

        async def work() -> dns_stage.Answer:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: loopback.NameServer(truncated), local_addr=("127.0.0.1", server.port)
            )
            try:
                resolver = dns_stage.Resolver("x", "udp", ("127.0.0.1",), server.port)
                return await dns_stage.ask(resolver, "name.example", "A", 2.0)
            finally:
                transport.close()

        assert asyncio.run(work()).records == ("5.45.64.9",)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("2620:fe::fe", "2620:fe::fe"),
        ("tcp://9.9.9.9:5353", "tcp://9.9.9.9:5353"),
        ("tls://dns.quad9.net", "tls://dns.quad9.net"),
        ("https://dns.nextdns.io/abc123", "https://dns.nextdns.io"),
        ("192.168.1.1", "resolver-3"),
        ("[fe80::1]:53", "resolver-3"),
        ("https://10.0.0.1/dns-query", "resolver-3"),
    ],
)
def test_a_resolvers_label_names_no_customer_and_no_home(text: str, label: str) -> None:
    assert dns_stage.parse_resolver(text, 3, None).label == label


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_encrypted_resolvers_are_asked_and_their_certificate_is_checked(
    transport: str, tmp_path: Path
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    authority.cert_pem.write_to_path(str(good))
    stranger.cert_pem.write_to_path(str(bad))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def over_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if transport == "https":
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("GET /dns-query?dns=")
            asked = head.split("dns=")[1].split()[0]
            query = base64.urlsafe_b64decode(asked + "=" * (-len(asked) % 4))
            answer = response(query, record="5.45.64.9")
            writer.write(loopback.page(answer))
        else:
            length = int.from_bytes(await reader.readexactly(2), "big")
            answer = response(await reader.readexactly(length), record="5.45.64.9")
            writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()

    with loopback.serving(over_tls, context) as server:
        text = f"{transport}://127.0.0.1:{server.port}"
        resolver = dns_stage.parse_resolver(text, 1, good)
        assert resolver.label == "resolver-1", "a private address is never a label"
        answer = asyncio.run(dns_stage.ask(resolver, "name.example", "A", 3.0))
        assert answer.records == ("5.45.64.9",)
        hijacked = dns_stage.parse_resolver(text, 1, bad)
        work = lambda: dns_stage.ask(hijacked, "name.example", "A", 3.0)  # noqa: E731 - a shorthand
        assert failure_of(work, 5.0) == "ssl_unknown_authority"


def test_numbers_of_the_wrong_kind_are_not_read_as_system_errors() -> None:
    """ssl.SSLError is an OSError whose number means something else."""
    assert not is_local(ssl.SSLError(1, "read as EPERM"))
    assert classify(ssl.SSLError(1, "read as EPERM")).startswith("unknown_failure: tls")
    assert classify(socket.gaierror(socket.EAI_NONAME, "x")) == "dns_nxdomain_error"
    assert classify(TimeoutError()) == "generic_timeout_error"
    assert classify(OSError(errno.ETIMEDOUT, "x")) == "timed_out"
    assert is_local(OSError(errno.EMFILE, "x"))
    assert not is_local(OSError(errno.ECONNRESET, "x"))


def test_the_innermost_named_cause_wins_and_unknown_text_is_scrubbed() -> None:
    outer = RuntimeError("outer")
    outer.__cause__ = ConnectionResetError(errno.ECONNRESET, "inner")
    assert classify(outer) == "connection_reset"
    assert classify(ValueError("from 192.168.7.9 and fe80::1")) == (
        "unknown_failure: ValueError: from [scrubbed] and [scrubbed]"
    )
    assert classify(Failed("eof_error")) == "eof_error"


def test_no_way_there_is_told_from_the_routing_table_alone() -> None:
    assert net.route("127.0.0.1") == "127.0.0.1"
