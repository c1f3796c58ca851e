"""From an exception to OONI's failure string: the only place that knows exception types.

One table says which condition has which name, at which stages, and how Python shows it; the
look-ups below it are made from it, and so is docs/reference/failures.md. The words for each name
are in ``explain.toml``. Names: OONI spec df-007 and probe-cli ``internal/netxlite/errno.go``;
``unknown_failure:`` with Go's own text where probe-cli keeps that.

The order follows OONI's classifier: what already has a name, stage-specific errors, system error
numbers, types; texts never (they depend on the locale, and resets have none), save fixed ones of
two libraries that give no other sign. ``ssl.SSLError`` and ``socket.gaierror`` are ``OSError``
whose numbers mean something else, so they come before the numbers. Types go by name, so that
nothing is loaded only to be compared with.
"""

import errno
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it loads Pydantic, and ``keepiton explain`` loads this module
    from keepiton.base.types import Stage

TIMEOUT = "generic_timeout_error"
EOF = "eof_error"
BOGON = "dns_bogon_error"
MISBEHAVING = "dns_server_misbehaving"
BAD_REPLY = "unknown_failure: malformed DNS reply"
CNAME_LOOP = "unknown_failure: CNAME loop"
LAME = "unknown_failure: lame delegation"
NOT_TLS = "unknown_failure: tls: first record does not look like a TLS handshake"
TLS_TOO_LARGE = "unknown_failure: tls: handshake too large"
QUIC_TOO_LARGE = "unknown_failure: quic: handshake too large"
UNKNOWN_AUTHORITY = "ssl_unknown_authority"
WRONG_HOST = "ssl_invalid_hostname"
BAD_CERTIFICATE = "ssl_invalid_certificate"
NOT_HTTP = "unknown_failure: malformed HTTP response"
TOO_LARGE = "unknown_failure: response too large"
BAD_ENCODING = "unknown_failure: bad content encoding"
BAD_LOCATION = "http_invalid_redirect_location_host"
OTHER_SCHEME = "unknown_failure: redirect to another scheme"
TOO_MANY_REDIRECTS = "unknown_failure: stopped after too many redirects"
UNEXPECTED_STATUS = "http_unexpected_status_code"
UNEXPECTED_BODY = "unknown_failure: unexpected body"

DNS: "tuple[Stage, ...]" = ("dns",)
TCP: "tuple[Stage, ...]" = ("tcp",)
TLS: "tuple[Stage, ...]" = ("tls",)
HTTP: "tuple[Stage, ...]" = ("http",)
OPEN: "tuple[Stage, ...]" = ("dns", "tls", "http")
"""Stages on a connection, or an exchange, that is under way."""
TLS_ON: "tuple[Stage, ...]" = ("tls", "http")
EVERY: "tuple[Stage, ...]" = ("dns", "tcp", "tls", "http")


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which a stage goes wrong, its name, and how Python shows it.

    A condition without any sign is seen by keepiton itself, which raises or returns the name.
    """

    failure: str
    stages: "tuple[Stage, ...]"
    errno: tuple[str, ...] = ()
    """Names in :mod:`errno`."""
    gai: tuple[str | int, ...] = ()
    """Of ``socket.gaierror``: names in :mod:`socket`, or numbers of Windows."""
    rcode: tuple[str, ...] = ()
    alert: int | None = None
    """Number of a TLS alert that the other side sent."""
    reason: tuple[str, ...] = ()
    """Of ``ssl.SSLError``: OpenSSL's names."""
    verify: tuple[int, ...] = ()
    """Of ``ssl.SSLCertVerificationError``: OpenSSL's X509_V_ERR numbers."""
    types: tuple[str, ...] = ()
    """Package and class, also for what is derived from it."""
    prefixes: tuple[str, ...] = ()
    """How the text begins, for ``SPOKEN`` types alone."""
    local: bool = False
    """A fault of the probing machine: no evidence about the target."""
    written: bool = True
    """False: kept for result files of others; this version does not write it."""


def _alert(number: int, openssl: str, go: str, failure: str | None = None) -> Condition:
    spellings = [f"{version}_ALERT_{openssl}" for version in ("SSLV3", "TLSV1", "TLSV13")]
    return Condition(
        failure or f"unknown_failure: remote error: tls: {go}",
        TLS_ON,
        alert=number,
        reason=(*spellings, f"TLSV1_{openssl}"),
    )


def _own_alert(go: str, *reason: str) -> Condition:
    return Condition(f"unknown_failure: local error: tls: {go}", TLS_ON, reason=reason)


# fmt: off
TABLE = (
    # dns
    Condition("dns_nxdomain_error", DNS, gai=("EAI_NONAME", 11001), rcode=("NXDOMAIN",)),
    Condition("dns_no_answer", DNS, gai=("EAI_NODATA", "EAI_ADDRFAMILY", 11004)),
    Condition("dns_servfail_error", DNS, rcode=("SERVFAIL",)),
    Condition("dns_refused_error", DNS, rcode=("REFUSED",)),
    Condition(MISBEHAVING, DNS, gai=("EAI_AGAIN", "EAI_FAIL"),
              rcode=("FORMERR", "NOTIMP", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
                     "DSOTYPENI", "BADVERS", "BADCOOKIE")),
    Condition("dns_temporary_failure", DNS, gai=(11002,)),
    Condition("dns_non_recoverable_failure", DNS, gai=(11003,)),
    Condition("dns_reply_with_wrong_query_id", DNS),
    Condition(BAD_REPLY, DNS, types=("dns.FormError",)),
    Condition(CNAME_LOOP, DNS),
    Condition(LAME, DNS),
    Condition(BOGON, DNS),
    Condition("unknown_failure: DNS reply from another address", DNS, written=False),
    Condition("unknown_failure: truncated DNS reply", DNS, written=False),
    # any stage: the other side or the path
    Condition("connection_refused", EVERY, errno=("ECONNREFUSED",),
              types=("builtins.ConnectionRefusedError",)),
    Condition("connection_reset", EVERY, errno=("ECONNRESET", "EPIPE"),
              types=("builtins.ConnectionResetError", "builtins.BrokenPipeError")),
    Condition("connection_aborted", EVERY,
              errno=("ECONNABORTED",), types=("builtins.ConnectionAbortedError",)),
    Condition(EOF, OPEN, reason=("UNEXPECTED_EOF_WHILE_READING",),
              types=("builtins.EOFError", "ssl.SSLEOFError", "ssl.SSLZeroReturnError"),
              prefixes=("Server disconnected", "peer closed connection without sending",
                    "peer unexpectedly closed connection")),
    Condition(TIMEOUT, EVERY, types=("builtins.TimeoutError", "httpcore2.TimeoutException")),
    Condition("timed_out", EVERY, errno=("ETIMEDOUT",)),
    Condition("host_unreachable", EVERY, errno=("EHOSTUNREACH", "EHOSTDOWN", "ENONET")),
    Condition("network_unreachable", EVERY, errno=("ENETUNREACH",)),
    Condition("network_reset", EVERY, errno=("ENETRESET",)),
    Condition("message_size", EVERY, errno=("EMSGSIZE",)),
    Condition("no_protocol_option", EVERY, errno=("ENOPROTOOPT",)),
    Condition("unknown_failure: protocol error", EVERY, errno=("EPROTO",)),
    Condition("not_connected", EVERY, errno=("ENOTCONN",)),
    # any stage: this machine
    Condition("network_down", EVERY, errno=("ENETDOWN",), local=True),
    Condition("address_not_available", EVERY, errno=("EADDRNOTAVAIL",), local=True),
    Condition("address_in_use", EVERY, errno=("EADDRINUSE",), local=True),
    Condition("address_family_not_supported", EVERY, errno=("EAFNOSUPPORT",), local=True),
    Condition("permission_denied", EVERY,
              errno=("EACCES", "EPERM"), types=("builtins.PermissionError",), local=True),
    Condition("invalid_argument", EVERY, errno=("EINVAL",), local=True),
    Condition("no_buffer_space", EVERY, errno=("ENOBUFS",), local=True),
    Condition("unknown_failure: too many open files", EVERY, errno=("EMFILE",), local=True),
    Condition("unknown_failure: too many open files in system", EVERY, errno=("ENFILE",),
              local=True),
    Condition("unknown_failure: cannot allocate memory", EVERY,
              errno=("ENOMEM",), gai=("EAI_MEMORY",), types=("builtins.MemoryError",), local=True),
    Condition("connection_already_closed", EVERY, types=("h11.LocalProtocolError",), local=True),
    Condition("already_connected", EVERY, errno=("EISCONN",), local=True),
    Condition("connection_already_in_progress", EVERY, errno=("EALREADY",), local=True),
    Condition("destination_address_required", EVERY, errno=("EDESTADDRREQ",), local=True),
    Condition("bad_address", EVERY, errno=("EFAULT",), local=True),
    Condition("bad_file_descriptor", EVERY, errno=("EBADF",), local=True),
    Condition("not_a_socket", EVERY, errno=("ENOTSOCK",), local=True),
    Condition("operation_would_block", EVERY, errno=("EWOULDBLOCK",), local=True),
    Condition("protocol_not_supported", EVERY, errno=("EPROTONOSUPPORT",), local=True),
    Condition("wrong_protocol_type", EVERY, errno=("EPROTOTYPE",), local=True),
    Condition("interrupted", EVERY,
              errno=("EINTR",), types=("asyncio.CancelledError", "builtins.KeyboardInterrupt"),
              local=True),
    # tls: the certificate
    Condition(UNKNOWN_AUTHORITY, TLS, verify=(2, 7, 18, 19, 20, 21, 27)),
    Condition(WRONG_HOST, TLS, verify=(62, 64)),
    Condition(BAD_CERTIFICATE, TLS, reason=("CERTIFICATE_VERIFY_FAILED",), verify=(9, 10, 26)),
    # tls: what the other side said in an alert
    _alert(10, "UNEXPECTED_MESSAGE", "unexpected message"),
    _alert(20, "BAD_RECORD_MAC", "bad record MAC"),
    _alert(21, "DECRYPTION_FAILED", "decryption failed"),
    _alert(22, "RECORD_OVERFLOW", "record overflow"),
    _alert(30, "DECOMPRESSION_FAILURE", "decompression failure"),
    _alert(40, "HANDSHAKE_FAILURE", "handshake failure"),
    _alert(41, "NO_CERTIFICATE", "alert(41)"),
    _alert(42, "BAD_CERTIFICATE", "bad certificate"),
    _alert(43, "UNSUPPORTED_CERTIFICATE", "unsupported certificate"),
    _alert(44, "CERTIFICATE_REVOKED", "revoked certificate"),
    _alert(45, "CERTIFICATE_EXPIRED", "expired certificate"),
    _alert(46, "CERTIFICATE_UNKNOWN", "unknown certificate"),
    _alert(47, "ILLEGAL_PARAMETER", "illegal parameter"),
    _alert(48, "UNKNOWN_CA", "unknown certificate authority"),
    _alert(49, "ACCESS_DENIED", "access denied"),
    _alert(50, "DECODE_ERROR", "error decoding message"),
    _alert(51, "DECRYPT_ERROR", "error decrypting message"),
    _alert(60, "EXPORT_RESTRICTION", "export restriction"),
    _alert(70, "PROTOCOL_VERSION", "protocol version not supported"),
    _alert(71, "INSUFFICIENT_SECURITY", "insufficient security level"),
    _alert(80, "INTERNAL_ERROR", "internal error"),
    _alert(86, "INAPPROPRIATE_FALLBACK", "inappropriate fallback"),
    _alert(90, "USER_CANCELLED", "user canceled"),
    _alert(100, "NO_RENEGOTIATION", "no renegotiation"),
    _alert(109, "MISSING_EXTENSION", "missing extension"),
    _alert(110, "UNSUPPORTED_EXTENSION", "unsupported extension"),
    _alert(111, "CERTIFICATE_UNOBTAINABLE", "certificate unobtainable"),
    _alert(112, "UNRECOGNIZED_NAME", "unrecognized name", WRONG_HOST),
    _alert(113, "BAD_CERTIFICATE_STATUS_RESPONSE", "bad certificate status response"),
    _alert(114, "BAD_CERTIFICATE_HASH_VALUE", "bad certificate hash value"),
    _alert(115, "UNKNOWN_PSK_IDENTITY", "unknown PSK identity"),
    _alert(116, "CERTIFICATE_REQUIRED", "certificate required"),
    _alert(120, "NO_APPLICATION_PROTOCOL", "no application protocol"),
    # tls: what OpenSSL here makes of what came
    Condition(NOT_TLS, TLS_ON,
              reason=("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST",
                      "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")),
    Condition("unknown_failure: tls: server selected unsupported protocol version", TLS,
              reason=("UNSUPPORTED_PROTOCOL", "UNKNOWN_PROTOCOL", "WRONG_SSL_VERSION",
                      "UNSUPPORTED_SSL_VERSION", "UNKNOWN_SSL_VERSION", "VERSION_TOO_LOW",
                      "VERSION_TOO_HIGH", "BAD_PROTOCOL_VERSION_NUMBER")),
    Condition("unknown_failure: tls: no supported versions satisfy MinVersion and MaxVersion", TLS,
              reason=("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "LIBRARY_HAS_NO_CIPHERS"),
              local=True),
    Condition("unknown_failure: tls: server chose an unconfigured cipher suite", TLS,
              reason=("WRONG_CIPHER_RETURNED", "UNKNOWN_CIPHER_RETURNED",
                      "CIPHERSUITE_DIGEST_HAS_CHANGED")),
    Condition("unknown_failure: tls: no secure renegotiation", TLS,
              reason=("UNSAFE_LEGACY_RENEGOTIATION_DISABLED",)),
    Condition("unknown_failure: tls: key too small", TLS,
              reason=("DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL",
                      "CA_MD_TOO_WEAK")),
    Condition("unknown_failure: tls: invalid signature by the server certificate", TLS,
              reason=("BAD_SIGNATURE", "WRONG_SIGNATURE_TYPE", "WRONG_SIGNATURE_SIZE",
                      "WRONG_SIGNATURE_LENGTH", "DIGEST_CHECK_FAILED",
                      "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED")),
    Condition(TLS_TOO_LARGE, TLS, reason=("EXCESSIVE_MESSAGE_SIZE",)),
    Condition("unknown_failure: tls: too many ignored records", TLS_ON,
              reason=("TOO_MANY_WARN_ALERTS", "TOO_MANY_KEY_UPDATES", "RECORD_TOO_SMALL")),
    _own_alert("unexpected message",
               "UNEXPECTED_MESSAGE", "UNEXPECTED_RECORD", "BAD_RECORD_TYPE", "CCS_RECEIVED_EARLY",
               "UNEXPECTED_CCS_MESSAGE", "INVALID_CCS_MESSAGE", "BAD_CHANGE_CIPHER_SPEC",
               "APP_DATA_IN_HANDSHAKE", "APPLICATION_DATA_AFTER_CLOSE_NOTIFY",
               "GOT_A_FIN_BEFORE_A_CCS", "DATA_BETWEEN_CCS_AND_FINISHED", "NO_RENEGOTIATION",
               "MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA", "NOT_ON_RECORD_BOUNDARY"),
    _own_alert("bad record MAC", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "DECRYPTION_FAILED",
               "BLOCK_CIPHER_PAD_IS_WRONG"),
    _own_alert("record overflow",
               "DATA_LENGTH_TOO_LONG", "ENCRYPTED_LENGTH_TOO_LONG", "EXCEEDS_MAX_FRAGMENT_SIZE"),
    _own_alert("error decoding message",
               "LENGTH_MISMATCH", "LENGTH_TOO_SHORT", "LENGTH_TOO_LONG", "BAD_LENGTH", "BAD_PACKET",
               "BAD_PACKET_LENGTH", "BAD_HANDSHAKE_LENGTH", "RECORD_LENGTH_MISMATCH",
               "CERT_LENGTH_MISMATCH", "EXT_LENGTH_MISMATCH", "EXTRA_DATA_IN_MESSAGE",
               "INVALID_ALERT", "UNKNOWN_ALERT_TYPE", "SERVERHELLO_TLSEXT", "PARSE_TLSEXT"),
    _own_alert("illegal parameter",
               "BAD_EXTENSION", "UNSOLICITED_EXTENSION", "BAD_KEY_SHARE", "BAD_ECPOINT",
               "WRONG_CURVE", "UNSUPPORTED_ELLIPTIC_CURVE", "BAD_DH_VALUE", "BAD_VALUE",
               "BAD_LEGACY_VERSION", "BAD_HRR_VERSION", "NO_CHANGE_FOLLOWING_HRR",
               "NO_SUITABLE_KEY_SHARE", "INVALID_COMPRESSION_ALGORITHM",
               "UNSUPPORTED_COMPRESSION_ALGORITHM", "INVALID_SESSION_ID",
               "SSL3_SESSION_ID_TOO_LONG", "RENEGOTIATION_MISMATCH", "INAPPROPRIATE_FALLBACK",
               "WRONG_CERTIFICATE_TYPE"),
    # tls inside quic
    Condition("quic_incompatible_version", TLS),
    Condition("ssl_failed_handshake", TLS),
    Condition(QUIC_TOO_LARGE, TLS),
    # http
    Condition(NOT_HTTP, HTTP,
              types=("h11.RemoteProtocolError", "httpcore2.RemoteProtocolError", "h2.H2Error",
                     "hpack.HPACKError", "hyperframe.HyperframeError")),
    Condition("unknown_failure: http2: stream reset", HTTP, types=("h2.StreamReset",)),
    Condition("unknown_failure: http2: server sent GOAWAY", HTTP,
              types=("h2.ConnectionTerminated",)),
    Condition(TOO_LARGE, HTTP),
    Condition(BAD_ENCODING, HTTP, types=("zlib.error",)),
    Condition(BAD_LOCATION, HTTP),
    Condition(OTHER_SCHEME, HTTP, types=("httpcore2.UnsupportedProtocol",)),
    Condition(TOO_MANY_REDIRECTS, HTTP),
    Condition(UNEXPECTED_STATUS, ("dns", "http")),
    Condition(UNEXPECTED_BODY, HTTP),
)
# fmt: on

BY_ERRNO: dict[int, str] = {
    getattr(errno, name): condition.failure
    for condition in TABLE
    for name in condition.errno
    if hasattr(errno, name)
}
LOCAL = frozenset(condition.failure for condition in TABLE if condition.local)
"""Faults of the probing machine itself: no evidence about the target."""
_BY_GAI_NAME: dict[int, str] = {
    getattr(socket, name): condition.failure
    for condition in TABLE
    for name in condition.gai
    if isinstance(name, str) and hasattr(socket, name)
}
BY_GAI: dict[int, str] = _BY_GAI_NAME | {
    number: condition.failure
    for condition in TABLE
    for number in condition.gai
    if isinstance(number, int)
}
"""The numbers come last: on Windows the names stand for them, and they tell more apart."""
BY_RCODE: dict[str, str] = {
    name: condition.failure for condition in TABLE for name in condition.rcode
}
BY_TLS_REASON: dict[str, str] = {
    name: condition.failure for condition in TABLE for name in condition.reason
}
BY_VERIFY: dict[int, str] = {
    number: condition.failure for condition in TABLE for number in condition.verify
}
BY_TYPE: dict[str, str] = {
    name: condition.failure for condition in TABLE for name in condition.types
}
BY_SAID: dict[str, str] = {
    text: condition.failure for condition in TABLE for text in condition.prefixes
}
SPOKEN = frozenset({"h11.RemoteProtocolError", "httpcore2.RemoteProtocolError"})
"""Types whose text begins with the library's own words: the only sign of an early, polite close."""
WAITING = frozenset({"ssl.SSLWantReadError", "ssl.SSLWantWriteError"})
"""No failures: TLS asks for more bytes."""

MAX_CAUSES = 50
MAX_MEMBERS = 10
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}")
_OPENSSL = re.compile(r"\[\w+\] ([a-z0-9][a-z0-9 ]*) \(")


class Failed(Exception):  # noqa: N818 - a value on its way up, not an error of the program
    """A failure that already has its name."""

    def __init__(self, failure: str) -> None:
        """Carry the failure string."""
        super().__init__(failure)
        self.failure = failure


def _names(kind: type) -> list[str]:
    """Return package and name of a class, then of what it is derived from."""
    return [f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in kind.__mro__]


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it came from, outermost first, MAX_CAUSES at the most.

    Of a group's members the first comes last. A cancellation below another exception is how a
    timer works and no cause; neither is what lies below it.
    """
    seen: set[int] = set()
    ahead = [exc]
    while ahead and len(seen) < MAX_CAUSES:
        current = ahead.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            ahead += current.exceptions[:MAX_MEMBERS]
        below = current.__cause__ or current.__context__
        if below and "asyncio.CancelledError" not in _names(type(below)):
            ahead.append(below)


def _tls(exc: BaseException) -> str:
    code = getattr(exc, "verify_code", None)
    if code:
        return BY_VERIFY.get(code, BAD_CERTIFICATE)
    reason = getattr(exc, "reason", None)
    if not reason:  # newer than Python's list; OpenSSL's text is the name in lower case
        matched = _OPENSSL.match(str(exc.args[-1])) if exc.args else None
        reason = matched[1].upper().replace(" ", "_") if matched else "no reason given"
    return BY_TLS_REASON.get(reason, f"unknown_failure: tls: {reason.lower()}")


def _failure_of(exc: BaseException) -> str | None:
    """Name one exception by itself, or None."""
    names = _names(type(exc))
    if WAITING.intersection(names):
        return None
    by_type = next((BY_TYPE[name] for name in names if name in BY_TYPE), None)
    if "ssl.SSLError" in names:
        return by_type or _tls(exc)
    if isinstance(exc, socket.gaierror):
        return BY_GAI.get(exc.errno or 0)
    if isinstance(exc, OSError) and exc.errno in BY_ERRNO:
        return BY_ERRNO[exc.errno]
    if SPOKEN.intersection(names):
        first = exc.args[0] if exc.args else ""
        failure = next((BY_SAID[text] for text in BY_SAID if str(first).startswith(text)), None)
        event = next((BY_TYPE[name] for name in _names(type(first)) if name in BY_TYPE), None)
        return failure or event or by_type
    return by_type


def classify(exc: BaseException) -> str:
    """Name the failure that an exception shows.

    What already has its name keeps it; else the innermost cause that has a name wins.
    Never raises. What the table does not know is ``unknown_failure: <type>: <text>``, without
    addresses and without what would disturb a terminal.
    """
    causes = list(_causes(exc))
    for cause in causes:
        if isinstance(cause, Failed):
            return cause.failure
    named = [name for cause in causes if (name := _failure_of(cause))]
    if named:
        return named[-1]
    text = _ADDRESS.sub("[scrubbed]", str(exc)[:1000])[:120]
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return f"unknown_failure: {type(exc).__name__}: {text}"
