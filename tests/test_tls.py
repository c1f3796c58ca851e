"""TLS handshakes with real servers, good and hostile, and what their certificates are worth."""

import asyncio
import hashlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from OpenSSL import SSL, crypto

import loopback
from keepiton.base.types import clean
from keepiton.probe import certificate, net, tls
from keepiton.probe.failures import TLS_TOO_LARGE, classify

HOST = "site.example"
SAN = x509.SubjectAlternativeName([x509.DNSName(HOST)])
KEY = ec.generate_private_key(ec.SECP256R1())
PAST, PRESENT, FUTURE = (datetime(year, 1, 1, tzinfo=UTC) for year in (2001, 2020, 2999))
DER = serialization.Encoding.DER
INVALID = "ssl_invalid_certificate"


def named(text: str) -> x509.Name:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a long name is the point
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, _validate=False)])


ROOT = named("root")


def made(
    *extensions: x509.ExtensionType,
    subject: str = HOST,
    issuer: x509.Name = ROOT,
    by: ec.EllipticCurvePrivateKey | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    dates: tuple[datetime, datetime] = (PRESENT, FUTURE),
) -> x509.Certificate:
    """Make a certificate for KEY, signed by KEY, unless others are given."""
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=named(subject),
        public_key=(key or KEY).public_key(),
        serial_number=7,
        not_valid_before=dates[0],
        not_valid_after=dates[1],
    )
    for one in extensions:
        builder = builder.add_extension(one, critical=False)
    return builder.sign(by or KEY, hashes.SHA256())


ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
ROOT_CERTIFICATE = made(AUTHORITY, subject="root", by=ROOT_KEY, key=ROOT_KEY)


def issued(*extensions: x509.ExtensionType, **rest: Any) -> x509.Certificate:  # noqa: ANN401
    return made(*(extensions or (SAN,)), by=ROOT_KEY, **rest)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roots") / "roots.pem"
    path.write_bytes(ROOT_CERTIFICATE.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., ssl.SSLContext]:
    """A server's context for a chain."""

    def for_chain(*chain: x509.Certificate) -> ssl.SSLContext:
        pem = KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = tmp_path / "chain.pem"
        file.write_bytes(
            pem + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
        )
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(file)
        return made

    return for_chain


def shaken(port: int, host: str = HOST, *, then_read: bool = False) -> tls.Handshake | str:
    """Do a handshake, and read to the end if asked; returns it, or the name of the failure."""

    async def run() -> tls.Handshake:
        connection = await net.connect("127.0.0.1", port)
        try:
            async with asyncio.timeout(20):
                shake = await tls.handshake(connection, host)
                while then_read and await connection.read():
                    pass
                return shake
        finally:
            connection.close()

    try:
        return asyncio.run(run())
    except Exception as exc:  # noqa: BLE001 - as the edge of the probe does
        return classify(exc)


def chain_of(port: int) -> tuple[bytes, ...]:
    shake = shaken(port)
    assert isinstance(shake, tls.Handshake), shake
    return shake.chain


@contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection with a function that has the socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            sock, _ = listening.accept()
            with sock, suppress(OSError, SSL.Error):
                talk(sock)

        thread = threading.Thread(target=run)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(20)
        assert not thread.is_alive()


# What a chain is worth.

CLIENT_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
STRANGE_NAMES = x509.UnrecognizedExtension(
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    b"\x30\x02\xa3\x00",  # an x400Address, which no library reads
)
MIDDLE = x509.SubjectAlternativeName([x509.DNSName("middle.example")])
CHAINS: dict[str, tuple[str | None, str | None, list[x509.Certificate]]] = {
    "good": (None, None, [issued()]),
    "wildcard": (None, None, [issued(x509.SubjectAlternativeName([x509.DNSName("*.example")]))]),
    "expired": (INVALID, "expired", [issued(dates=(PAST, PRESENT))]),
    "early": (INVALID, "not_yet_valid", [issued(dates=(FUTURE.replace(year=2998), FUTURE))]),
    "other name": (
        "ssl_invalid_hostname",
        "wrong_host",
        [issued(x509.SubjectAlternativeName([x509.DNSName("other.example")]))],
    ),
    "no name": ("ssl_invalid_hostname", "wrong_host", [issued(CLIENT_ONLY)]),
    "stranger": (
        "ssl_unknown_authority",
        "unknown_authority",
        [made(SAN, issuer=named("stranger"))],
    ),
    "namesake": ("ssl_unknown_authority", "unknown_authority", [made(SAN)]),
    "own root sent along": (
        "ssl_unknown_authority",
        "unknown_authority",
        [made(SAN, issuer=named("own")), made(AUTHORITY, subject="own", issuer=named("own"))],
    ),
    "self-signed": (
        "ssl_unknown_authority",
        "self_signed",
        [made(SAN, issuer=named(HOST))],
    ),
    "for clients": (INVALID, "not_for_servers", [issued(SAN, CLIENT_ONLY)]),
    "issued by no authority": (
        INVALID,
        "other",
        [made(SAN, issuer=named("middle")), issued(MIDDLE, subject="middle")],
    ),
    "strange names": (INVALID, "malformed", [issued(STRANGE_NAMES)]),
    "two authorities in between": (
        None,
        None,
        [
            made(SAN, issuer=named("second")),
            made(AUTHORITY, subject="second", issuer=named("first")),
            issued(AUTHORITY, subject="first"),
        ],
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_each_kind_of_certificate_is_told_apart(
    case: str, context: Callable[..., ssl.SSLContext], roots: Path
) -> None:
    failure, kind, chain = CHAINS[case]
    with loopback.serving(loopback.silent, context(*chain)) as server:
        sent = chain_of(server.port)
    assert sent == tuple(one.public_bytes(DER) for one in chain)
    assert certificate.judge(sent, HOST, roots) == (failure, kind)
    assert certificate.verdict(sent, HOST, roots) == failure


def doubled() -> bytes:
    """Make a certificate that has one extension twice, which no builder would."""
    first, second = (x509.ObjectIdentifier(f"1.2.3.{last}") for last in (4, 5))
    der = issued(
        SAN,
        x509.UnrecognizedExtension(first, b"\x05\x00"),
        x509.UnrecognizedExtension(second, b"\x05\x00"),
    ).public_bytes(DER)
    assert der.count(b"\x06\x03\x2a\x03\x05") == 1
    return der.replace(b"\x06\x03\x2a\x03\x05", b"\x06\x03\x2a\x03\x04")


@pytest.mark.parametrize("chain", [(), (b"",), (b"junk",), (b"\x30\x80\x00\x00",), (doubled(),)])
def test_what_is_no_certificate_is_malformed_and_shown_as_nothing(
    chain: tuple[bytes, ...], roots: Path
) -> None:
    assert certificate.judge(chain, HOST, roots) == (INVALID, "malformed")
    assert certificate.summary(chain) == ()


# What this machine's own store says.


@pytest.fixture
def own_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Point OpenSSL's variables elsewhere."""

    def use(file: Path | str = "/nonexistent", folder: Path | str = "/nonexistent") -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        monkeypatch.setenv("SSL_CERT_DIR", str(folder))
        certificate.system_store.cache_clear()

    yield use
    certificate.system_store.cache_clear()


def test_this_machines_store_may_say_otherwise_than_the_pinned_one(
    own_store: Callable[..., None],
    context: Callable[..., ssl.SSLContext],
    roots: Path,
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with loopback.serving(loopback.silent, context(issued())) as server:
        chain = chain_of(server.port)

    own_store(roots)
    assert certificate.system_store() == roots
    assert certificate.verdict(chain, HOST, None) == "ssl_unknown_authority", "the pinned one"
    assert certificate.system_verdict(chain, HOST) == "ok"
    assert certificate.system_verdict(chain, "other.example") == "ssl_invalid_hostname"

    own_store(other)
    assert certificate.verdict(chain, HOST, roots) is None
    assert certificate.system_verdict(chain, HOST) == "ssl_unknown_authority"


def test_a_hashed_folder_is_a_store(
    own_store: Callable[..., None], roots: Path, tmp_path: Path
) -> None:
    number = crypto.X509.from_cryptography(ROOT_CERTIFICATE).subject_name_hash()
    (tmp_path / f"{number:08x}.0").write_bytes(roots.read_bytes())
    own_store(folder=tmp_path)
    assert certificate.system_store() == tmp_path
    assert certificate.system_verdict((issued().public_bytes(DER),), HOST) == "ok"


def test_a_machine_without_a_usable_store_says_nothing(
    own_store: Callable[..., None], tmp_path: Path
) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for place in ({}, {"file": junk}, {"folder": tmp_path}):
        own_store(**place)
        assert certificate.system_store() is None
        assert certificate.system_verdict((issued().public_bytes(DER),), HOST) is None


def test_a_folder_that_openssl_would_not_find_anything_in_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(b"")
    with pytest.raises(ValueError, match="no certificates"):
        certificate.bundle(tmp_path)


# What is shown of a chain.


def test_the_summary_says_what_the_chain_holds(
    context: Callable[..., ssl.SSLContext],
) -> None:
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName(HOST),
            x509.RFC822Name("nobody@site.example"),
            x509.IPAddress(ip_address("127.0.0.1")),
        ]
    )
    chain = [issued(names), ROOT_CERTIFICATE]
    with loopback.serving(loopback.silent, context(*chain)) as server:
        leaf, root = certificate.summary(chain_of(server.port))
    assert (leaf.subject, leaf.issuer, root.subject) == (f"CN={HOST}", "CN=root", "CN=root")
    assert (leaf.names, root.names) == ((HOST, "127.0.0.1"), ())
    assert (leaf.not_before, leaf.not_after) == (PRESENT, FUTURE)
    for shown, key in ((leaf, KEY), (root, ROOT_KEY)):
        info = key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        assert shown.spki_sha256 == hashlib.sha256(info).hexdigest()


def test_four_are_shown_and_the_unreadable_left_out() -> None:
    der = issued().public_bytes(DER)
    assert len(certificate.summary((der,) * 9)) == 4
    assert len(certificate.summary((der, b"junk", der))) == 2


def test_a_key_of_a_kind_unknown_here_counts_too() -> None:
    """National algorithms are met in the chains of national authorities."""
    known, unknown = (
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x63",
    )
    der = issued().public_bytes(DER)
    assert der.count(known) == 1
    (plain,), (national,) = (
        certificate.summary((one,)) for one in (der, der.replace(known, unknown))
    )
    info = KEY.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    expected = hashlib.sha256(info.replace(known, unknown)).hexdigest()
    assert (national.spki_sha256, national.names) == (expected, plain.names)


def element(tag: int, contents: bytes) -> bytes:
    size = len(contents).to_bytes(2)
    return bytes([tag, 0x82]) + size + contents


def test_a_certificate_of_the_first_version_is_shown() -> None:
    made_now = made(subject="long" * 100)
    der, tbs = made_now.public_bytes(DER), made_now.tbs_certificate_bytes
    version = b"\xa0\x03\x02\x01\x02"
    old = element(0x30, tbs[tbs.index(version) + len(version) :])
    (shown,) = certificate.summary((element(0x30, old + der[der.index(tbs) + len(tbs) :]),))
    (new,) = certificate.summary((der,))
    assert shown == new


HOSTILE = "\x1b]0;owned\x07\x1b[2J\0\r\n\u202egnp.exe\u200b" + "long" * 100
MANY = [x509.DNSName(f"n{number}.example") for number in range(3000)]


def test_hostile_names_are_harmless(context: Callable[..., ssl.SSLContext], roots: Path) -> None:
    names = [x509.DNSName("\x1b[31m\0evil.example"), x509.DNSName("x" * 5000), *MANY]
    leaf = issued(x509.SubjectAlternativeName(names), subject=HOSTILE)
    with loopback.serving(loopback.silent, context(leaf)) as server:
        chain = chain_of(server.port)
    assert certificate.judge(chain, HOST, roots).kind == "wrong_host"
    assert certificate.judge(chain, "n2999.example", roots).kind is None
    (shown,) = certificate.summary(chain)
    assert len(shown.names) == 20
    assert max(map(len, shown.names)) == 253
    assert len(shown.subject) == 200
    for text in (shown.subject, shown.issuer, *shown.names):
        assert text == clean(text, 253), "nothing for a terminal to obey"
        assert text.replace("\N{REPLACEMENT CHARACTER}", "").isascii()


@pytest.mark.parametrize(
    "leaf",
    [
        issued(SAN, x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(1 << 20))),
        issued(SAN, subject="x" * 500_000),
        issued(x509.SubjectAlternativeName([*SAN, *MANY * 20])),
    ],
    ids=["extension", "subject", "names"],
)
def test_a_large_certificate_is_read_and_not_remembered(
    leaf: x509.Certificate, roots: Path
) -> None:
    chain = (leaf.public_bytes(DER),)
    before = certificate._summary.cache_info().currsize  # noqa: SLF001 - its bound is the point
    (shown,) = certificate.summary(chain)
    assert len(shown.to_json_line()) < 10_000
    assert shown.names[0] == HOST
    assert certificate.judge(chain, HOST, roots) == (None, None)
    assert certificate._summary.cache_info().currsize == before  # noqa: SLF001


def test_no_warning_escapes_over_what_a_stranger_wrote(roots: Path) -> None:
    """A serial number of zero makes the library warn; here a warning is an error."""
    der = issued().public_bytes(DER)
    zero = der.replace(b"\x02\x01\x07", b"\x02\x01\x00", 1)
    assert certificate.summary((zero,))
    assert certificate.judge((zero,), HOST, roots).failure == "ssl_unknown_authority"


# The handshake.


def test_a_neutral_name_is_sent_when_one_is_given(context: Callable[..., ssl.SSLContext]) -> None:
    asked: list[str | None] = []
    serving = context(issued())
    serving.sni_callback = lambda _, name, __: asked.append(name)
    with loopback.serving(loopback.silent, serving) as server:
        for host in (HOST, "neutral.example", "192.0.2.1"):
            assert isinstance(shaken(server.port, host), tls.Handshake)
        assert isinstance(shaken(server.port, "127.0.0.1"), tls.Handshake)
    assert asked == [HOST, "neutral.example", None, None]


def test_a_chain_of_a_megabyte_ends_the_handshake(context: Callable[..., ssl.SSLContext]) -> None:
    stuffing = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(60_000))
    stuffed = made(AUTHORITY, stuffing, subject="root")
    with loopback.serving(loopback.silent, context(issued(), *[stuffed] * 18)) as server:
        assert shaken(server.port) == TLS_TOO_LARGE


def serve_by_bytes(context: ssl.SSLContext, cut: Callable[[bytes], list[bytes]]) -> Any:  # noqa: ANN401
    """Serve TLS, sending what a function makes of each flight, piece by piece."""

    def talk(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        while chunk := sock.recv(65_536):
            incoming.write(chunk)
            with suppress(ssl.SSLWantReadError):
                server.do_handshake()
            for piece in cut(outgoing.read()):
                sock.sendall(piece)

    return raw(talk)


def by_byte(flight: bytes) -> list[bytes]:
    return [flight[at : at + 1] for at in range(len(flight))]


def by_record(flight: bytes) -> list[bytes]:
    """Put every byte of an unencrypted handshake record into a record of its own."""
    pieces = []
    encrypted = False
    while flight:
        head, size = flight[:3], int.from_bytes(flight[3:5])
        record, flight = flight[5 : 5 + size], flight[5 + size :]
        encrypted |= head[0] == 20  # ChangeCipherSpec
        if encrypted or head[0] != 22:
            pieces.append(head + size.to_bytes(2) + record)
        else:
            pieces += [head + b"\x00\x01" + one for one in by_byte(record)]
    return pieces


@pytest.mark.parametrize(
    ("version", "cut"),
    [
        (ssl.TLSVersion.TLSv1_2, by_byte),
        (ssl.TLSVersion.TLSv1_3, by_byte),
        (ssl.TLSVersion.TLSv1_2, by_record),
    ],
)
def test_one_byte_at_a_time_is_a_handshake_like_any(
    context: Callable[..., ssl.SSLContext],
    version: ssl.TLSVersion,
    cut: Callable[[bytes], list[bytes]],
) -> None:
    serving = context(issued())
    serving.maximum_version = version
    with serve_by_bytes(serving, cut) as port:
        shake = shaken(port)
    assert isinstance(shake, tls.Handshake)
    assert shake.version == version.name.replace("_", ".")
    assert shake.chain == (issued_der := shake.chain[0],)
    assert x509.load_der_x509_certificate(issued_der).subject == named(HOST)


@pytest.mark.parametrize(
    ("record", "failure"),
    [
        (b"\x16\x03\x03\x00\x04\x00\x00\x00\x00", TLS_TOO_LARGE),
        (b"\x15\x03\x03\x00\x02\x01\x5a", "unknown_failure: "),
        (b"\x16\x03\x03\x00\x00", "unknown_failure: "),
        (b"\x14\x03\x03\x00\x01\x01", "unknown_failure: "),
        (b"\x00", "unknown_failure: "),
    ],
    ids=["hello requests", "warning alerts", "empty records", "cipher changes", "junk"],
)
def test_a_storm_of_records_ends(record: bytes, failure: str) -> None:
    """OpenSSL gives up on most storms; the rest are cut off by their size."""

    def talk(sock: socket.socket) -> None:
        sock.recv(65_536)
        for _ in range(100):
            sock.sendall(record * 10_000)

    with raw(talk) as port:
        assert str(shaken(port)).startswith(failure)


def test_a_server_that_wants_to_negotiate_again_is_refused(
    context: Callable[..., ssl.SSLContext], tmp_path: Path
) -> None:
    """Else the certificate that was judged need not be the one that the page came under."""
    context(issued())
    serving = SSL.Context(SSL.TLS_SERVER_METHOD)
    serving.set_max_proto_version(SSL.TLS1_2_VERSION)
    serving.use_certificate_file(str(tmp_path / "chain.pem"))
    serving.use_privatekey_file(str(tmp_path / "chain.pem"))
    answers: list[bool] = []

    def talk(sock: socket.socket) -> None:
        server = SSL.Connection(serving, sock)
        server.set_accept_state()
        server.do_handshake()
        server.renegotiate()
        with suppress(SSL.Error):
            server.do_handshake()
            server.recv(1)
        answers.append(server.renegotiate_pending())

    with raw(talk) as port:
        ended = shaken(port, then_read=True)
    assert ended != "generic_timeout_error"
    assert answers == [True], "what it asked for was not done"
