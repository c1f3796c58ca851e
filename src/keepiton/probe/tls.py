"""The tls stage: a handshake on the open connection, and a verdict on the certificate.

The handshake itself accepts any certificate, so that the same connection can go on to HTTP; the
chain the server sent is then judged against the pinned bundle (:mod:`keepiton.probe.certificate`).
"""

import hashlib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

from keepiton.probe.failures import TLS_TOO_LARGE, Failed
from keepiton.probe.net import Connection

HANDSHAKE_CAP = 262_144
"""Bytes that a handshake may take; ordinary ones take 3,000 to 6,000. OpenSSL gives up by itself
over certificates of more than 100 KiB."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a completed handshake showed."""

    version: str
    cipher: str
    alpn: str | None
    chain: tuple[bytes, ...]
    """DER, leaf first, as the server sent it."""

    @property
    def leaf_sha256(self) -> str | None:
        """Fingerprint of the leaf certificate, lower-case hex."""
        return hashlib.sha256(self.chain[0]).hexdigest() if self.chain else None


DER = 2
"""``_ssl.ENCODING_DER``."""
LEGACY_SERVERS = 0x4
"""OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT (named in Python from 3.12 on): a server without secure
renegotiation (RFC 5746) is reached as browsers reach it; we never renegotiate."""


@cache
def _context(alpn: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= LEGACY_SERVERS
    context.options |= ssl.OP_NO_RENEGOTIATION  # else the certificate may change under way
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return tuple(tls.get_unverified_chain() or ())
    # Public only from 3.13 on; the same method, of the same shape, is there since 3.10.
    certificates = tls._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined] # noqa: SLF001
    return tuple(certificate.public_bytes(DER) for certificate in certificates)


def server_name(host: str) -> str | None:
    """Return the SNI for a host: none for a literal address (RFC 6066, section 3)."""
    try:
        ip_address(host)
    except ValueError:
        return host
    return None


async def handshake(
    connection: Connection, host: str, alpn: tuple[str, ...] = ("h2", "http/1.1")
) -> Handshake:
    """Do the TLS handshake with ``host`` as SNI.

    Raises OSError, ssl.SSLError, or Failed: eof_error when the other side closed politely, or a
    handshake larger than HANDSHAKE_CAP.
    """
    tls = _context(alpn).wrap_bio(
        connection.incoming, connection.outgoing, server_hostname=server_name(host)
    )
    received = 0
    while True:
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            break
        await connection.flush()
        chunk = await connection.receive()
        if not chunk:
            raise Failed("eof_error")
        received += len(chunk)
        if received > HANDSHAKE_CAP:
            raise Failed(TLS_TOO_LARGE)
        connection.incoming.write(chunk)
    await connection.flush()
    connection.tls = tls
    cipher = tls.cipher()
    return Handshake(
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        alpn=tls.selected_alpn_protocol(),
        chain=_chain(tls),
    )
