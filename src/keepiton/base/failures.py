"""Failure strings that several rooms tell apart (docs/reference/failures.md)."""

SUSPECT = {
    "connection_reset": "reset",
    "eof_error": "eof",
    "generic_timeout_error": "drop",
    "unknown_failure: tls: first record does not look like a TLS handshake": "page",
}
"""How a handshake or a request breaks off when somebody on the path interferes with what it asks
for, and the short name of each."""
