"""What a certificate chain holds, and what it is worth, judged after the handshake.

The chain is verified by OpenSSL's own verifier, so that what browsers and other tools accept is
not called invalid here; its error codes are those that Python's ``ssl`` shows.
"""

import hashlib
import ssl
import time
import warnings
from functools import cache, lru_cache
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from keepiton.base.types import clean
from keepiton.probe.failures import BAD_CERTIFICATE, BY_VERIFY, UNKNOWN_AUTHORITY, WRONG_HOST
from keepiton.storage.rows import Certificate

Kind = Literal[
    "expired",
    "not_yet_valid",
    "wrong_host",
    "unknown_authority",
    "self_signed",
    "not_for_servers",
    "malformed",
    "other",
]
KINDS: dict[int, Kind] = {9: "not_yet_valid", 10: "expired", 18: "self_signed"}
"""OpenSSL's X509_V_ERR codes of which the failure's name does not tell the kind."""
HASHED = "????????.[0-9]*"
"""Files in a folder of trust anchors that OpenSSL finds, named by ``openssl rehash``."""
MAX_CHAIN = 10
MAX_SHOWN = 4
MAX_NAMES = 20
MAX_REMEMBERED = 16_384  # bytes of a chain; ordinary ones have 3,000 to 6,000
VERSION = 0xA0  # DER tag of the version, which may be left out
LONG = 0x80  # DER: a length with this bit says how many bytes say the length
UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What cryptography raises over bytes that are no certificate, or a strange one."""


class Verdict(NamedTuple):
    """What a chain is worth for one host, now; both None when it is good."""

    failure: str | None
    """OONI df-007 string."""
    kind: Kind | None
    """Which of the things that OONI gives one name."""


@cache
def bundle(path: Path | None) -> crypto.X509Store:
    """Load the trust anchors: a PEM file, OpenSSL's hashed folder, or the pinned bundle (certifi).

    Raises OSError or ValueError when the file cannot be used.
    """
    if path is None:
        import certifi  # noqa: PLC0415 - only here

        path = Path(certifi.where())
    store = crypto.X509Store()
    try:
        if any(path.glob(HASHED)):
            store.load_locations(None, str(path))
        else:
            store.load_locations(str(path))
    except crypto.Error as exc:
        raise ValueError(f"{path}: no certificates") from exc
    return store


@cache
def system_store() -> Path | None:
    """Find this machine's own trust store: a file, else a folder; None without a usable one.

    As OpenSSL looks for it, SSL_CERT_FILE and SSL_CERT_DIR included; Windows has none of that
    kind. Looked for and loaded once.
    """
    paths = ssl.get_default_verify_paths()
    place = paths.cafile or paths.capath
    if place is None:
        return None
    path = Path(place)
    try:
        bundle(path)
    except (OSError, ValueError):
        return None
    return path


def system_verdict(chain: tuple[bytes, ...], host: str) -> str | None:
    """Judge a chain by this machine's own trust store: "ok" or the failure; None without one."""
    store = system_store()
    return (verdict(chain, host, store) or "ok") if store else None


def verdict(chain: tuple[bytes, ...], host: str, roots: Path | None) -> str | None:
    """Judge a chain, see :func:`judge`. Returns None when it is good, else one failure."""
    return judge(chain, host, roots).failure


def judge(chain: tuple[bytes, ...], host: str, roots: Path | None) -> Verdict:
    """Judge a chain (DER, leaf first) for a host name or address, now.

    What is said first follows OpenSSL: no way to an anchor, then another name, then dates and
    the rest. Raises OSError or ValueError over ``roots`` alone.
    """
    minute = int(time.time() // 60)
    if sum(map(len, chain)) > MAX_REMEMBERED:  # remembering strangers' bytes has a bound
        return _judge.__wrapped__(chain, host, roots, minute)
    return _judge(chain, host, roots, minute)


@lru_cache(256)
def _judge(chain: tuple[bytes, ...], host: str, roots: Path | None, minute: int) -> Verdict:
    """Judge a chain: what several addresses of one host show, once a minute."""
    del minute
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a stranger's certificate holds
            parsed = [x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN]]
            leaf, *middle = [crypto.X509.from_cryptography(certificate) for certificate in parsed]
            named = _names(parsed[0], host)
            serves = _serves(parsed[0])
    except (*UNREADABLE, crypto.Error):
        return Verdict(BAD_CERTIFICATE, "malformed")
    kind: Kind | None = None
    try:
        crypto.X509StoreContext(bundle(roots), leaf, middle).verify_certificate()
    except crypto.X509StoreContextError as exc:
        code = int(exc.errors[0])
        if BY_VERIFY.get(code) == UNKNOWN_AUTHORITY:
            return Verdict(UNKNOWN_AUTHORITY, KINDS.get(code, "unknown_authority"))
        kind = KINDS.get(code, "other")
    if not named:
        return Verdict(WRONG_HOST, "wrong_host")
    if kind is None and not serves:
        kind = "not_for_servers"
    return Verdict(BAD_CERTIFICATE if kind else None, kind)


def _names(leaf: x509.Certificate, host: str) -> bool:
    """Whether a certificate is for a host (RFC 9525: subjectAltName, whole-label wildcard)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    wanted = host.lower()
    wildcard = "*." + wanted.partition(".")[2]
    return any(
        name.lower() in (wanted, wildcard) for name in names.get_values_for_type(x509.DNSName)
    )


def _serves(leaf: x509.Certificate) -> bool:
    """Whether a certificate may be used by a server at all."""
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return bool(
        {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses)
    )


def summary(chain: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """Say in short what the first 4 certificates of a chain (DER, leaf first) hold.

    One that cannot be read is left out. Names are cleaned and cut; nothing is raised.
    """
    shown = chain[:MAX_SHOWN]
    if sum(map(len, shown)) > MAX_REMEMBERED:
        return _summary.__wrapped__(shown)
    return _summary(shown)


@lru_cache(256)
def _summary(chain: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        for der in chain:
            try:
                shown.append(_certificate(x509.load_der_x509_certificate(der)))
            except UNREADABLE:
                continue
    return tuple(shown)


def _certificate(parsed: x509.Certificate) -> Certificate:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    hosts = (
        str(general_name.value)
        for general_name in names
        if isinstance(general_name, x509.DNSName | x509.IPAddress)
    )
    return Certificate(
        subject=clean(parsed.subject.rfc4514_string()),
        issuer=clean(parsed.issuer.rfc4514_string()),
        names=tuple(clean(host_name, 253) for host_name in islice(hosts, MAX_NAMES)),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        spki_sha256=hashlib.sha256(_public_key_info(parsed.tbs_certificate_bytes)).hexdigest(),
    )


def _public_key_info(tbs: bytes) -> bytes:
    """Cut SubjectPublicKeyInfo out of a TBSCertificate (RFC 5280, section 4.1) that was parsed.

    As it stands: keys of kinds that no library here knows, such as national ones, count too.
    """
    at, _ = _element(tbs, 0)
    if tbs[at] == VERSION:
        _, at = _element(tbs, at)
    for _before in ("serial", "signature", "issuer", "validity", "subject"):
        _, at = _element(tbs, at)
    return tbs[at : _element(tbs, at)[1]]


def _element(der: bytes, at: int) -> tuple[int, int]:
    """Return where the contents of a DER element begin and end; its tag has one byte."""
    length, begin = der[at + 1], at + 2
    if length & LONG:
        begin += length ^ LONG
        length = int.from_bytes(der[at + 2 : begin])
    return begin, begin + length
