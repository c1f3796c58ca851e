"""From an exception to OONI's failure string: the only place that knows exception types.

Names: OONI spec df-007 and probe-cli `internal/netxlite/errno.go`. The order matters and follows
OONI's classifier: what already has a name, stage-specific errors, system error numbers, and text
never (texts depend on the locale, and resets have none). ``ssl.SSLError`` and ``socket.gaierror``
are ``OSError`` whose numbers mean something else, so they come before the numbers.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from zlib import error as ZlibError  # noqa: N812 - a class, whatever its name

TIMEOUT = "generic_timeout_error"
EOF = "eof_error"
BOGON = "dns_bogon_error"

BY_ERRNO = {
    errno.ECONNREFUSED: "connection_refused",
    errno.ECONNRESET: "connection_reset",
    errno.EPIPE: "connection_reset",
    errno.ECONNABORTED: "connection_aborted",
    errno.ETIMEDOUT: "timed_out",
    errno.EHOSTUNREACH: "host_unreachable",
    errno.ENETUNREACH: "network_unreachable",
    errno.ENETDOWN: "network_down",
    errno.ENETRESET: "network_reset",
    errno.EADDRNOTAVAIL: "address_not_available",
    errno.EADDRINUSE: "address_in_use",
    errno.EAFNOSUPPORT: "address_family_not_supported",
    errno.EINVAL: "invalid_argument",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EMSGSIZE: "message_size",
    errno.ENOBUFS: "no_buffer_space",
    errno.ENOTCONN: "not_connected",
}

LOCAL_ERRNO = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOBUFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
        errno.EAFNOSUPPORT,
        errno.EINVAL,
    }
)
"""Faults of the probing machine itself: no evidence about the target."""

BY_GAI = {
    socket.EAI_NONAME: "dns_nxdomain_error",
    socket.EAI_NODATA: "dns_no_answer",
    socket.EAI_AGAIN: "dns_server_misbehaving",
    socket.EAI_FAIL: "dns_server_misbehaving",
}

BY_RCODE = {
    "NXDOMAIN": "dns_nxdomain_error",
    "SERVFAIL": "dns_servfail_error",
    "REFUSED": "dns_refused_error",
}

# The names probe-cli gives these over TCP, where Go's own text is kept.
BY_TLS_REASON = {
    "TLSV1_UNRECOGNIZED_NAME": "ssl_invalid_hostname",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "ssl_invalid_hostname",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "unknown_failure: remote error: tls: handshake failure",
    "TLSV1_ALERT_INTERNAL_ERROR": "unknown_failure: remote error: tls: internal error",
    "TLSV1_ALERT_PROTOCOL_VERSION": (
        "unknown_failure: remote error: tls: protocol version not supported"
    ),
    "UNEXPECTED_EOF_WHILE_READING": EOF,
}
NOT_TLS = "unknown_failure: tls: first record does not look like a TLS handshake"
NOT_TLS_REASONS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
NOT_HTTP = "unknown_failure: malformed HTTP response"

_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}")


class Failed(Exception):  # noqa: N818 - a value on its way up, not an error of the program
    """A failure that already has its name."""

    def __init__(self, failure: str) -> None:
        """Carry the failure string."""
        super().__init__(failure)
        self.failure = failure


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it came from, outermost first; 10 deep at the most."""
    cause: BaseException | None = exc
    for _ in range(10):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


def _one(exc: BaseException) -> str | None:
    if isinstance(exc, ssl.SSLEOFError):
        return EOF
    if isinstance(exc, ssl.SSLError):
        reason = getattr(exc, "reason", None) or "no reason given"
        if reason in NOT_TLS_REASONS:
            return NOT_TLS
        return BY_TLS_REASON.get(reason, f"unknown_failure: tls: {reason.lower()}")
    if isinstance(exc, socket.gaierror):
        return BY_GAI.get(exc.errno or 0)
    if isinstance(exc, OSError) and exc.errno is not None:
        return BY_ERRNO.get(exc.errno)
    if isinstance(exc, TimeoutError):
        return TIMEOUT
    if isinstance(exc, EOFError):
        return EOF
    if isinstance(exc, ZlibError):
        return "unknown_failure: bad content encoding"
    return None


def classify(exc: BaseException) -> str:
    """Name the failure that an exception shows.

    What already has its name keeps it; else the innermost cause that has a name wins.
    Never raises. What no table knows is ``unknown_failure: <type>: <text>``, without addresses.
    """
    for cause in _causes(exc):
        if isinstance(cause, Failed):
            return cause.failure
    named = [name for cause in _causes(exc) if (name := _one(cause))]
    if named:
        return named[-1]
    text = _ADDRESS.sub("[scrubbed]", str(exc))[:120]
    return f"unknown_failure: {type(exc).__name__}: {text}"


def is_local(exc: BaseException) -> bool:
    """Whether the probing machine itself failed, by system error number."""
    return any(
        isinstance(cause, OSError)
        and not isinstance(cause, ssl.SSLError | socket.gaierror)
        and cause.errno in LOCAL_ERRNO
        for cause in _causes(exc)
    )
