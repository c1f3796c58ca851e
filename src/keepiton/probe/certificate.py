"""The verdict on a certificate chain, against the pinned bundle, after the handshake.

The chain is verified by OpenSSL's own verifier, so that what browsers and other tools accept is
not called invalid here; its error codes are those that Python's ``ssl`` shows.
"""

import warnings
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

AUTHORITY = "ssl_unknown_authority"
HOSTNAME = "ssl_invalid_hostname"
INVALID = "ssl_invalid_certificate"
UNTRUSTED = frozenset({2, 7, 18, 19, 20, 21, 27})
"""OpenSSL's X509_V_ERR codes for a chain that leads to no anchor, by name or by
signature; every other one is INVALID."""
MAX_CHAIN = 10


@cache
def bundle(path: Path | None) -> crypto.X509Store:
    """Load the trust anchors: a PEM file, or the pinned bundle (certifi).

    Raises OSError or ValueError when the file cannot be used.
    """
    if path is None:
        import certifi  # noqa: PLC0415 - only here

        path = Path(certifi.where())
    store = crypto.X509Store()
    try:
        store.load_locations(str(path))
    except crypto.Error as exc:
        raise ValueError(f"{path}: no certificates") from exc
    return store


def verdict(chain: tuple[bytes, ...], host: str, roots: Path | None) -> str | None:
    """Judge a chain (DER, leaf first) for a host name or address, now.

    Returns None when it is good, else one failure, in OpenSSL's order: no way to an anchor, then
    another name, then dates and the rest.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a stranger's certificate holds
            parsed = [x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN]]
            leaf, *middle = [crypto.X509.from_cryptography(one) for one in parsed]
            named = _names(parsed[0], host)
            serves = _serves(parsed[0])
    except (ValueError, crypto.Error):
        return INVALID
    code = 0
    try:
        crypto.X509StoreContext(bundle(roots), leaf, middle).verify_certificate()
    except crypto.X509StoreContextError as exc:
        code = int(exc.errors[0])
    if code in UNTRUSTED:
        return AUTHORITY
    if not named:
        return HOSTNAME
    return INVALID if code or not serves else None


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
