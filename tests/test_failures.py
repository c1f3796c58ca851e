"""Each way a connection breaks keeps its own name, from real sockets."""

import _ssl
import asyncio
import base64
import builtins
import errno
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import h2.events
import h2.exceptions
import h11
import hpack
import httpcore2
import hyperframe.exceptions
import pytest
import trustme

import loopback
from keepiton.probe import certificate, failures, http, net, tls
from keepiton.probe import dns as dns_stage
from keepiton.probe.failures import Failed, classify


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
            await http.fetch(await net.connect("127.0.0.1", server.port), url, http.ORDINARY)

        return failure_of(work)


def handshake_with(port: int) -> str | None:
    async def work() -> None:
        connection = await net.connect("127.0.0.1", port)
        try:
            await tls.handshake(connection, "name.example")
        finally:
            connection.close()

    return failure_of(work)


def test_refused() -> None:
    port = loopback.closed_port()
    assert failure_of(lambda: net.connect("127.0.0.1", port)) == "connection_refused"


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
            connection = await net.connect("127.0.0.1", server.port)
            await tls.handshake(connection, "127.0.0.1", ())
            url = f"https://127.0.0.1:{server.port}/"
            await http.fetch(connection, url, http.ORDINARY)

        assert failure_of(work) == name


def asking_tls(raw: bytes) -> str | None:
    """Answer a client's hello with these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(raw)
        await writer.drain()
        await reader.read(65_536)

    with loopback.serving(talk) as server:
        return handshake_with(server.port)


ALERTS = {one.alert: one.failure for one in failures.TABLE if one.alert is not None}


def test_every_fatal_alert_of_tls_keeps_its_kind() -> None:
    """RFC 8446, section 6: all but close_notify, which is a polite close; then the older ones."""
    now = {10, 20, 22, 40, *range(42, 52), 70, 71, 80, 86, 90, 109, 110, 112, 113, 115, 116, 120}
    before = {21, 30, 41, 60, 100, 111, 114}
    assert set(ALERTS) == now | before
    assert len(set(ALERTS.values())) == len(ALERTS)
    got = {number: asking_tls(bytes([21, 3, 3, 0, 2, 2, number])) for number in ALERTS}
    assert got == ALERTS
    assert got[112] == "ssl_invalid_hostname"
    assert got[120] == "unknown_failure: remote error: tls: no application protocol"
    assert asking_tls(bytes([21, 3, 3, 0, 2, 1, 0])) == "eof_error"
    assert asking_tls(bytes([21, 3, 3, 0, 2, 2, 255])) == "unknown_failure: tls: unknown_error"


def hello(version: int, cipher: int) -> bytes:
    """Write a ServerHello without extensions."""
    body = bytes([3, version]) + b"r" * 32 + b"\0" + cipher.to_bytes(2, "big") + b"\0"
    return bytes([22, 3, 3, 0, len(body) + 4, 2, 0, 0, len(body)]) + body


LOCAL_ERROR = "unknown_failure: local error: tls: "


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (loopback.page(), failures.NOT_TLS),
        (b"SSH-2.0-x\r\n", failures.NOT_TLS),
        (b"GET / HTTP/1.1\r\n", failures.NOT_TLS),
        (b"CONNECT x:443", failures.NOT_TLS),
        (bytes(20), failures.NOT_TLS),
        (bytes([22, 3, 3, 255, 255]) + bytes(100), failures.NOT_TLS),
        (bytes([23, 3, 3, 0, 5]) + b"aaaaa", LOCAL_ERROR + "unexpected message"),
        (bytes([22, 3, 3, 0, 4, 14, 0, 0, 0]), LOCAL_ERROR + "unexpected message"),
        (bytes([22, 3, 3, 0, 8, 2, 0, 0, 4, 3, 3, 0, 0]), LOCAL_ERROR + "error decoding message"),
        (bytes([21, 3, 3, 0, 2, 7, 40]), LOCAL_ERROR + "error decoding message"),
        (bytes([22, 3, 3, 0, 4, 2, 255, 255, 255]), failures.TLS_TOO_LARGE),
        (bytes([21, 3, 3, 0, 2, 1, 90]) * 9, "unknown_failure: tls: too many ignored records"),
        (hello(1, 0xC02F), "unknown_failure: tls: server selected unsupported protocol version"),
        (hello(3, 0x0005), "unknown_failure: tls: server chose an unconfigured cipher suite"),
    ],
    ids=[
        *("page", "ssh", "request", "proxy", "zeros", "long record", "data first", "done first"),
        *("short hello", "bad alert", "huge hello", "alert storm", "tls 1.0", "other cipher"),
    ],
)
def test_what_is_not_a_handshake_says_how(raw: bytes, name: str) -> None:
    assert asking_tls(raw) == name


def verified(certificate: trustme.LeafCert, roots: trustme.CA) -> str | None:
    """Shake hands with a server that shows this, and let OpenSSL verify it for name.example."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server)
    client = ssl.create_default_context()
    roots.configure_trust(client)
    with (
        loopback.serving(loopback.silent, server) as served,
        socket.create_connection(("127.0.0.1", served.port)) as sock,
    ):
        try:
            client.wrap_socket(sock, server_hostname="name.example").close()
        except ssl.SSLError as exc:
            return classify(exc)
        return None


def test_a_certificates_faults_are_told_by_number() -> None:
    ours, other = trustme.CA(), trustme.CA()
    day = timedelta(days=1)
    now = datetime.now(UTC).replace(tzinfo=None)
    good = ours.issue_cert("name.example")
    assert verified(good, ours) is None
    assert verified(good, other) == "ssl_unknown_authority"
    assert verified(ours.issue_cert("other.example"), ours) == "ssl_invalid_hostname"
    for dates in ({"not_after": now - day}, {"not_before": now + day}):
        certificate = ours.issue_cert("name.example", **dates)  # type: ignore[arg-type]
        assert verified(certificate, ours) == "ssl_invalid_certificate"


def test_both_verifiers_call_a_certificate_the_same() -> None:
    """A kind refines the failure that the one table gives for a code."""
    named = {kind: failures.BY_VERIFY[code] for code, kind in certificate.KINDS.items()}
    assert named == {
        "not_yet_valid": failures.BAD_CERTIFICATE,
        "expired": failures.BAD_CERTIFICATE,
        "self_signed": failures.UNKNOWN_AUTHORITY,
    }


def is_local(exc: BaseException) -> bool:
    return classify(exc) in failures.LOCAL


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


def test_a_timer_is_a_timer_whatever_it_ended() -> None:
    """asyncio's time-out carries the cancellation it used, and what was being handled then."""

    async def handling_another() -> None:
        try:
            ssl.PEM_cert_to_DER_cert("no certificate")
        except ValueError as exc:
            exc.__cause__ = ConnectionResetError(errno.ECONNRESET, "earlier")
            await asyncio.sleep(9)

    assert failure_of(handling_another, 0.01) == "generic_timeout_error"
    assert classify(asyncio.CancelledError()) == "interrupted"
    assert classify(KeyboardInterrupt()) == "interrupted"
    assert classify(asyncio.IncompleteReadError(b"", 2)) == "eof_error"


def made(kind: Callable[..., BaseException], **words: object) -> BaseException:
    """Make an exception of a class that has no types."""
    return kind(**words)


def caused(outer: BaseException, *inner: BaseException) -> BaseException:
    """Chain exceptions, outermost first, as ``raise ... from ...`` does."""
    last = outer
    for one in inner:
        last.__cause__ = one
        last = one
    return outer


def test_a_group_is_named_by_the_first_of_its_members_that_has_a_name() -> None:
    members = [
        ValueError("nameless"),
        caused(httpcore2.ReadError(), ConnectionRefusedError(errno.ECONNREFUSED, "x")),
        OSError(errno.ENETUNREACH, "x"),
    ]
    group = BaseExceptionGroup("several", members)
    assert classify(group) == "connection_refused"
    failed = OSError("All connection attempts failed")
    assert classify(caused(httpcore2.ConnectError(), failed, group)) == "connection_refused"
    nested = BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [Failed("x")]), OSError()])
    assert classify(nested) == "x"
    circle = OSError("one")
    caused(circle, BaseExceptionGroup("two", [circle, circle]), circle)
    assert classify(circle).startswith("unknown_failure: OSError")


@pytest.mark.parametrize(
    ("exc", "name"),
    [
        (caused(httpcore2.ReadTimeout(), TimeoutError()), "generic_timeout_error"),
        (httpcore2.ConnectTimeout(), "generic_timeout_error"),
        (OSError(errno.ETIMEDOUT, "x"), "timed_out"),
        (ConnectionResetError("Connection lost"), "connection_reset"),
        (ConnectionRefusedError(1225, "another system's number"), "connection_refused"),
        (OSError(errno.EHOSTUNREACH, "x"), "host_unreachable"),
        (caused(httpcore2.ReadError(), ssl.SSLEOFError(8, "x")), "eof_error"),
        (ssl.SSLZeroReturnError(6, "x"), "eof_error"),
        (caused(TimeoutError(), ssl.SSLWantReadError(2, "x")), "generic_timeout_error"),
        (h11.LocalProtocolError("x"), "connection_already_closed"),
        (httpcore2.RemoteProtocolError("Server disconnected without sending"), "eof_error"),
        (h11.RemoteProtocolError("peer closed connection without sending complete"), "eof_error"),
        (h11.RemoteProtocolError("illegal status line: Server disconnected"), failures.NOT_HTTP),
        (
            caused(httpcore2.LocalProtocolError("x"), h2.exceptions.ProtocolError("x")),
            failures.NOT_HTTP,
        ),
        (
            httpcore2.RemoteProtocolError(h2.events.StreamReset(stream_id=1)),
            "unknown_failure: http2: stream reset",
        ),
        (
            httpcore2.RemoteProtocolError(h2.events.ConnectionTerminated()),
            "unknown_failure: http2: server sent GOAWAY",
        ),
        (zlib.error("x"), failures.BAD_ENCODING),
        (httpcore2.UnsupportedProtocol("x"), failures.OTHER_SCHEME),
        (made(dns.message.ShortHeader), failures.BAD_REPLY),
        (made(dns.name.BadPointer), failures.BAD_REPLY),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "dns_server_misbehaving"),
        (socket.gaierror(11001, "Windows"), "dns_nxdomain_error"),
        (socket.gaierror(11002, "Windows"), "dns_temporary_failure"),
        (socket.gaierror(11003, "Windows"), "dns_non_recoverable_failure"),
        (socket.gaierror(11004, "Windows"), "dns_no_answer"),
        (
            caused(socket.gaierror(socket.EAI_SYSTEM, "x"), OSError(errno.ENETDOWN, "x")),
            "network_down",
        ),
        (ssl.SSLError(5, "x"), "unknown_failure: tls: no reason given"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_libraries_raise_has_a_name(exc: BaseException, name: str) -> None:
    assert classify(exc) == name


def test_numbers_stand_before_types_and_both_before_text() -> None:
    for number, name in failures.BY_ERRNO.items():
        assert classify(OSError(number, "connection reset by peer")) == name
        assert is_local(OSError(number, "x")) == (name in failures.LOCAL)
    assert not is_local(OSError(errno.ECONNREFUSED, "x"))
    assert is_local(socket.gaierror(socket.EAI_MEMORY, "x"))


def test_an_unknown_failure_cannot_disturb_a_terminal() -> None:
    assert classify(ValueError("\x1b[2J\u202e" + "x" * 9000)) == (
        "unknown_failure: ValueError: \ufffd[2J\ufffd" + "x" * 115
    )


OONI = """
address_family_not_supported address_in_use address_not_available already_connected bad_address
bad_file_descriptor connection_aborted connection_already_closed connection_already_in_progress
connection_refused connection_reset destination_address_required dns_bogon_error dns_no_answer
dns_non_recoverable_failure dns_nxdomain_error dns_refused_error dns_reply_with_wrong_query_id
dns_server_misbehaving dns_servfail_error dns_temporary_failure eof_error generic_timeout_error
host_unreachable http_invalid_redirect_location_host http_unexpected_status_code interrupted
invalid_argument message_size network_down network_reset network_unreachable no_buffer_space
no_protocol_option not_a_socket not_connected operation_would_block permission_denied
protocol_not_supported quic_incompatible_version ssl_failed_handshake ssl_invalid_certificate
ssl_invalid_hostname ssl_unknown_authority timed_out wrong_protocol_type
"""
"""Of df-007 and netxlite/errno.go, all that can come about here."""


def test_names_are_oonis_and_the_rest_say_that_they_are_not() -> None:
    named = {one.failure for one in failures.TABLE}
    assert {name for name in named if not name.startswith("unknown_failure: ")} == set(OONI.split())


def test_one_sign_leads_to_one_name() -> None:
    """Twice in the table would be a row that never matches."""
    for signs in ("errno", "gai", "rcode", "reason", "verify", "types", "prefixes"):
        every = [sign for one in failures.TABLE for sign in getattr(one, signs)]
        assert len(every) == len(set(every)), signs
    rows = [(one.failure, one.stages) for one in failures.TABLE]
    assert len(rows) == len(set(rows))
    local = {one.failure for one in failures.TABLE if not one.local} & failures.LOCAL
    assert not local, "local and not"


NEWER = {"RECORD_LAYER_FAILURE"}
"""Of OpenSSL 3.2 and later."""


def test_every_sign_of_the_table_exists() -> None:
    """A misspelt one would never match."""
    for one in failures.TABLE:
        for name in one.errno:
            assert hasattr(errno, name), name
        for name in one.reason:
            listed = one.alert is not None or name in _ssl.err_names_to_codes
            assert listed or name in NEWER, name
        for name in one.rcode:
            assert name in dns.rcode.Rcode.__members__, name
    places = [asyncio, ssl, zlib, h11, h2.exceptions, h2.events, hpack, httpcore2, builtins]
    places += [hyperframe.exceptions, dns.exception, dns.message]
    known = {
        name
        for place in places
        for value in (getattr(place, name) for name in dir(place))
        if isinstance(value, type)
        for name in failures._names(value)[:1]  # noqa: SLF001 - as the table is read
        if name in failures.BY_TYPE
    }
    assert known == set(failures.BY_TYPE)


def test_every_failure_that_the_program_writes_is_in_the_table() -> None:
    known = {one.failure for one in failures.TABLE}
    written = re.compile(r'"(unknown_failure: [^"{]+)"|Failed\("([^"]+)"\)')
    for path in Path(failures.__file__).parents[1].rglob("*.py"):
        for found in written.finditer(path.read_text()):
            assert (found[1] or found[2]) in known, path


def test_a_failure_that_is_no_longer_written_has_no_sign_and_is_nowhere_written() -> None:
    retired = [one for one in failures.TABLE if not one.written]
    assert {one.failure for one in retired} == {
        "unknown_failure: DNS reply from another address",
        "unknown_failure: truncated DNS reply",
    }
    for one in retired:
        assert one == failures.Condition(one.failure, one.stages, written=False)
        for path in Path(failures.__file__).parents[1].rglob("*.py"):
            text = path.read_text()
            assert one.failure not in text or path.name == "failures.py", path


def test_no_way_there_is_told_from_the_routing_table_alone() -> None:
    assert net.route("127.0.0.1") == "127.0.0.1"
