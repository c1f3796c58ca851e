"""QUIC handshakes with real servers on loopback: aioquic's own, and ones that misbehave."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent
from aioquic.quic.packet import QuicErrorCode, QuicProtocolVersion
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import loopback
from keepiton.probe import quic, tls
from keepiton.probe.failures import QUIC_TOO_LARGE, classify

FAR_PAST = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roots") / "roots.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def configuration(certificate: trustme.LeafCert, alpn: str = "h3") -> QuicConfiguration:
    made = QuicConfiguration(is_client=False, alpn_protocols=[alpn])
    made.certificate, *made.certificate_chain = [
        x509.load_pem_x509_certificate(pem.bytes()) for pem in certificate.cert_chain_pems
    ]
    made.private_key = serialization.load_pem_private_key(
        certificate.private_key_pem.bytes(), password=None
    )
    return made


@contextmanager
def in_a_thread(loop: asyncio.AbstractEventLoop, close: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        close()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()


@contextmanager
def serving(
    made: QuicConfiguration, talk: type[QuicConnectionProtocol] = QuicConnectionProtocol
) -> Iterator[tuple[int, list[QuicEvent]]]:
    """Serve with aioquic; yields the port and the list that gets what the server saw."""
    seen: list[QuicEvent] = []

    class Watched(talk):  # type: ignore[valid-type,misc]
        def quic_event_received(self, event: QuicEvent) -> None:
            seen.append(event)
            super().quic_event_received(event)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        serve("127.0.0.1", 0, configuration=made, create_protocol=Watched)
    )
    transport = server._transport  # noqa: SLF001 - it does not say its port otherwise
    assert transport
    with in_a_thread(loop, server.close):
        yield transport.get_extra_info("sockname")[1], seen


@contextmanager
def udp(reply: Callable[[bytes], list[bytes]]) -> Iterator[tuple[int, loopback.NameServer]]:
    loop = asyncio.new_event_loop()
    server = loopback.NameServer(reply)
    transport, _ = loop.run_until_complete(
        loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    )
    with in_a_thread(loop, transport.close):
        yield transport.get_extra_info("sockname")[1], server


def shaken(
    port: int, roots: Path, host: str = "site.example", within_s: float = 10
) -> quic.QuicHandshake | str:
    """Do a handshake; returns it, or the name of its failure."""
    try:
        return asyncio.run(quic.handshake("127.0.0.1", port, host, roots, within_s))
    except Exception as exc:  # noqa: BLE001 - as the edge of the probe does
        return classify(exc)


def test_a_handshake_shows_what_was_agreed_and_asks_for_nothing(
    authority: trustme.CA, roots: Path
) -> None:
    leaf = authority.issue_cert("site.example")
    with serving(configuration(leaf)) as (port, seen):
        shake = shaken(port, roots)
    assert isinstance(shake, quic.QuicHandshake)
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    assert shake.chain == (der,)
    assert (shake.version, shake.alpn, shake.verdict.failure) == ("TLSv1.3", "h3", None)
    assert shake.cipher in ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")
    assert shake.leaf_sha256
    assert 1200 < shake.received < tls.HANDSHAKE_CAP
    kinds = [type(event).__name__ for event in seen]
    assert "HandshakeCompleted" in kinds, "our own last part was sent"
    assert "StreamDataReceived" not in kinds, "and nothing after it"
    assert quic.available()


def test_the_whole_chain_is_shown(authority: trustme.CA, roots: Path) -> None:
    leaf = authority.create_child_ca().issue_cert("site.example")
    with serving(configuration(leaf)) as (port, _):
        shake = shaken(port, roots)
    assert isinstance(shake, quic.QuicHandshake)
    assert len(shake.chain) == len(leaf.cert_chain_pems) == 2
    assert shake.verdict.failure is None


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("unknown_authority", "ssl_unknown_authority"),
        ("wrong_host", "ssl_invalid_hostname"),
        ("expired", "ssl_invalid_certificate"),
    ],
)
def test_a_bad_certificate_is_judged_by_the_given_roots(
    authority: trustme.CA, roots: Path, kind: str, failure: str
) -> None:
    leaf = {
        "unknown_authority": lambda: trustme.CA().issue_cert("site.example"),
        "wrong_host": lambda: authority.issue_cert("other.example"),
        "expired": lambda: authority.issue_cert(
            "site.example", not_before=FAR_PAST, not_after=FAR_PAST.replace(year=2002)
        ),
    }[kind]()
    with serving(configuration(leaf)) as (port, _):
        shake = shaken(port, roots)
    assert isinstance(shake, quic.QuicHandshake)
    assert shake.verdict == (failure, kind)


@pytest.mark.slow
def test_a_silent_port_times_out(roots: Path) -> None:
    with udp(lambda _: []) as (port, server):
        assert shaken(port, roots, within_s=1) == "generic_timeout_error"
    assert len(server.queries) > 1, "it asked again"


def test_a_server_that_stops_halfway_times_out_by_its_own_rules(
    authority: trustme.CA, roots: Path
) -> None:
    """Its idle time-out is shorter than our timer; the failure has the same name."""

    class Halfway(QuicConnectionProtocol):
        def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
            if not self._quic._network_paths:  # noqa: SLF001 - the first one alone
                super().datagram_received(data, addr)

    made = configuration(authority.issue_cert("site.example"))
    stuffed = trustme.CA(organization_name="x" * 5000)
    made.certificate_chain = [x509.load_pem_x509_certificate(stuffed.cert_pem.bytes())]
    made.idle_timeout = 0.1
    with serving(made, Halfway) as (port, _):
        assert shaken(port, roots, within_s=10) == "generic_timeout_error"


def test_a_closed_port_is_a_refusal(roots: Path) -> None:
    assert shaken(loopback.closed_port(), roots) == "connection_refused"


def test_a_server_without_our_version_says_so(authority: trustme.CA, roots: Path) -> None:
    made = configuration(authority.issue_cert("site.example"))
    made.supported_versions = [QuicProtocolVersion.VERSION_2]
    with serving(made) as (port, _):
        assert shaken(port, roots) == "quic_incompatible_version"


def test_a_server_without_http3_is_told_from_a_broken_one(
    authority: trustme.CA, roots: Path
) -> None:
    """What a TLS alert says is kept; aioquic's server calls this one a handshake failure."""
    with serving(configuration(authority.issue_cert("site.example"), alpn="doq")) as (port, _):
        assert shaken(port, roots) in (
            "ssl_failed_handshake",
            "unknown_failure: quic: tls alert no_application_protocol",
        )


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (QuicErrorCode.CONNECTION_REFUSED, "connection_refused"),
        (QuicErrorCode.INTERNAL_ERROR, "unknown_failure: quic: internal_error"),
        (QuicErrorCode.CRYPTO_ERROR + 48, "ssl_unknown_authority"),
        (QuicErrorCode.CRYPTO_ERROR + 112, "ssl_invalid_hostname"),
        (QuicErrorCode.CRYPTO_ERROR + 45, "ssl_invalid_certificate"),
        (QuicErrorCode.CRYPTO_ERROR + 80, "unknown_failure: quic: tls alert internal_error"),
        (0x7777, "unknown_failure: quic: error 0x7777"),
    ],
)
def test_a_server_that_closes_is_quoted_by_its_code_alone(
    authority: trustme.CA,
    roots: Path,
    code: int,
    failure: str,
) -> None:
    class Closing(QuicConnectionProtocol):
        def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
            assert isinstance(data, bytes)
            self._quic.receive_datagram(data, addr, now=0.0)
            self._quic.close(code, frame_type=0, reason_phrase="\x1b[2Jhello")
            self.transmit()

    with serving(configuration(authority.issue_cert("site.example")), Closing) as (port, _):
        assert shaken(port, roots) == failure


@pytest.mark.slow
@pytest.mark.parametrize(
    "junk",
    [b"", b"\x00", b"\xff" * 1200, b"HTTP/1.1 200 OK\r\n\r\n", b"\xc0\x00\x00\x00\x01\xff"],
)
def test_junk_is_no_answer(roots: Path, junk: bytes) -> None:
    with udp(lambda _: [junk] * 50) as (port, _):
        assert shaken(port, roots, within_s=1) == "generic_timeout_error"


def test_a_flood_ends(roots: Path) -> None:
    """Empty datagrams count by their headers, and so does what cannot be decrypted."""
    with udp(lambda query: [query] * 400) as (port, _):
        assert shaken(port, roots) == QUIC_TOO_LARGE


def test_a_chain_that_is_too_large_ends_the_handshake(
    authority: trustme.CA, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioquic.quic.connection.CRYPTO_BUFFER_SIZE", 1 << 21)  # of the server
    made = configuration(authority.issue_cert("site.example"))
    stuffed = trustme.CA(organization_name="x" * 60_000)
    made.certificate_chain = [x509.load_pem_x509_certificate(stuffed.cert_pem.bytes())] * 10
    with serving(made) as (port, _):
        assert shaken(port, roots) == QUIC_TOO_LARGE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("versions", "failure"),
    [
        (b"\x1a\x2a\x3a\x4a", "quic_incompatible_version"),
        (b"\x1a\x2a\x3a\x4a\x00\x00\x00\x01", "generic_timeout_error"),
        (b"\x1a\x2a\x3a", "generic_timeout_error"),
    ],
)
def test_version_negotiation_counts_only_where_it_makes_sense(
    roots: Path, versions: bytes, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that lists the version we asked for is not heeded (RFC 9000, section 6.2)."""

    def reply(query: bytes) -> list[bytes]:
        destination, rest = query[6 : 6 + query[5]], query[6 + query[5] :]
        source = rest[1 : 1 + rest[0]]
        ids = bytes([len(source)]) + source + bytes([len(destination)]) + destination
        return [b"\x80" + bytes(4) + ids + versions]

    with udp(reply) as (port, _):
        assert shaken(port, roots, within_s=1) == failure
    assert not caplog.records, "aioquic's log would repeat what strangers send"
