"""A QUIC handshake (RFC 9000 and 9001) to one literal address; no request follows it.

The protocol is aioquic's, an optional extra; the socket is ours and connected, so that a port
that nobody listens on is a refusal and not silence.
"""

import asyncio
import importlib.util
import logging
import socket
import ssl
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from keepiton.probe import certificate
from keepiton.probe.failures import (
    BAD_CERTIFICATE,
    QUIC_TOO_LARGE,
    TIMEOUT,
    UNKNOWN_AUTHORITY,
    WRONG_HOST,
    Failed,
)
from keepiton.probe.net import family
from keepiton.probe.tls import HANDSHAKE_CAP, Handshake, server_name

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnection

DATAGRAM = 65_535
HEADERS = 28  # bytes of IPv4 and UDP headers, so that empty datagrams count as well
VERSION_NEGOTIATION = bytes(4)  # in place of the version (RFC 9000, section 17.2.1)
INCOMPATIBLE = "quic_incompatible_version"

BY_CODE = {0x2: "connection_refused", 0x11: INCOMPATIBLE}
"""Transport error codes (RFC 9000, section 20.1; RFC 9368) with names in OONI's probe-cli."""
CRYPTO_ERROR = range(0x100, 0x200)
"""Error codes that hold a TLS alert (RFC 9001, section 4.8)."""
BY_ALERT = {
    40: "ssl_failed_handshake",
    51: "ssl_failed_handshake",
    **dict.fromkeys(range(42, 47), BAD_CERTIFICATE),
    48: UNKNOWN_AUTHORITY,
    112: WRONG_HOST,
}
"""TLS alerts with names in probe-cli's ``ClassifyQUICHandshakeError``."""


@dataclass(frozen=True, slots=True)
class QuicHandshake(Handshake):
    """What a completed handshake showed."""

    verdict: certificate.Verdict
    """Of the chain; aioquic itself accepted any."""
    received: int
    """Bytes, headers included."""


def available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("aioquic") is not None


async def handshake(
    address: str, port: int, host: str, roots: Path | None, within_s: float
) -> QuicHandshake:
    """Do a QUIC v1 handshake for ``host``, offering HTTP/3, and close.

    Raises OSError, TimeoutError after ``within_s`` seconds, or Failed.
    """
    from aioquic.quic.configuration import QuicConfiguration  # noqa: PLC0415 - optional
    from aioquic.quic.connection import QuicConnection  # noqa: PLC0415
    from aioquic.quic.packet import QuicProtocolVersion  # noqa: PLC0415

    logging.getLogger("quic").setLevel(logging.CRITICAL)  # it repeats what strangers send
    quic = QuicConnection(
        configuration=QuicConfiguration(
            alpn_protocols=["h3"],
            idle_timeout=within_s,
            server_name=server_name(host),
            supported_versions=[QuicProtocolVersion.VERSION_1],
            verify_mode=ssl.CERT_NONE,
        )
    )
    loop = asyncio.get_running_loop()
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, port))
        quic.connect((address, port), now=loop.time())
        async with asyncio.timeout(within_s):
            received = await _converse(quic, sock, (address, port))
        quic.close()
        with suppress(OSError):  # the handshake is done; saying goodbye is a courtesy
            for data, _ in quic.datagrams_to_send(now=loop.time()):
                sock.send(data)
    tls = quic.tls
    assert tls.key_schedule  # noqa: S101 - the handshake is complete
    # Neither aioquic's events nor its public attributes show the chain that was sent.
    sent = (tls._peer_certificate, *tls._peer_certificate_chain)  # noqa: SLF001
    chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in sent if certificate)
    return QuicHandshake(
        version="TLSv1.3",  # QUIC has no other
        cipher=f"TLS_{tls.key_schedule.cipher_suite.name}",
        alpn=tls.alpn_negotiated,
        chain=chain,
        verdict=certificate.judge(chain, host, roots),
        received=received,
    )


async def _converse(quic: "QuicConnection", sock: socket.socket, peer: tuple[str, int]) -> int:
    """Send and receive until the handshake is complete and our last part of it sent.

    Returns the bytes received. Raises OSError, or Failed when either side gave up.
    """
    from aioquic.quic.events import HandshakeCompleted  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    received = 0
    data: bytes | None = None
    while True:
        for out, _ in quic.datagrams_to_send(now=loop.time()):
            await loop.sock_sendall(sock, out)
        while event := quic.next_event():
            if isinstance(event, HandshakeCompleted):
                return received
        # The event of the same content comes three probe time-outs later.
        closed = quic._close_event  # noqa: SLF001
        if closed:
            raise Failed(_failure(closed.error_code, data))
        timer = quic.get_timer()
        assert timer is not None  # noqa: S101 - there is one from connect to close
        data = await _receive(sock, timer)
        if data is None:
            quic.handle_timer(now=max(timer, loop.time()))
            continue
        received += len(data) + HEADERS
        if received > HANDSHAKE_CAP:
            raise Failed(QUIC_TOO_LARGE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a stranger's certificate holds
            quic.receive_datagram(data, peer, now=loop.time())
        await asyncio.sleep(0)  # a flood must not keep the loop from its timers


async def _receive(sock: socket.socket, until: float) -> bytes | None:
    """Return the next datagram, or None when there is none until a time of the loop's clock."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            return await asyncio.get_running_loop().sock_recv(sock, DATAGRAM)
    return None


def _failure(code: int, data: bytes | None) -> str:
    """Name why the handshake ended; ``data`` is the datagram that ended it, None for a timer."""
    from aioquic.quic.packet import QuicErrorCode  # noqa: PLC0415
    from aioquic.tls import AlertDescription  # noqa: PLC0415

    if data is None:
        return TIMEOUT
    if data[1:5] == VERSION_NEGOTIATION:
        return INCOMPATIBLE
    known = BY_ALERT.get(code - 0x100) if code in CRYPTO_ERROR else BY_CODE.get(code)
    if known:
        return known
    with suppress(ValueError):
        if code in CRYPTO_ERROR:
            return f"unknown_failure: quic: tls alert {AlertDescription(code - 0x100).name}"
        return f"unknown_failure: quic: {QuicErrorCode(code).name.lower()}"
    return f"unknown_failure: quic: error {code:#x}"
