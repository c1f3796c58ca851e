"""Tells a dead-man's switch that a run began and how it ended (conventions of healthchecks.io)."""

import http.client
import ssl
import threading
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

import certifi

from keepiton.probe.http import ORDINARY

STEP_S = 10.0
"""Longest wait for anything from the other side."""
PAUSES_S = (1.0, 3.0)
"""Between tries: there is one more try than pauses."""
LIMIT_S = 45.0
"""Longest that all tries may take; a name server that is silent knows no other limit."""
ANSWER_BYTES = 1024
LONGEST_URL = 2000
AGAIN = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ping. It is a secret: who knows it can pretend that all is well."""

    host: str = field(repr=False)
    port: int | None = field(repr=False)
    tls: bool
    path: str = field(repr=False)
    query: str = field(repr=False)

    def target(self, suffix: str) -> str:
        """Write what is asked for."""
        return f"{self.path}{suffix}" + (f"?{self.query}" if self.query else "")


def parse(text: str) -> Address:
    """Take a ping URL apart. Raises ValueError with what is wrong, which does not repeat it."""
    if len(text) > LONGEST_URL or not all("!" <= one <= "~" for one in text):
        raise ValueError("not one URL in ASCII, without spaces")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("not a URL such as https://hc-ping.com/ and the check's own id")
    if parts.scheme == "http" and not _loopback(host):
        raise ValueError("http:// shows it to everybody on the way; write https://")
    if parts.username is not None or parts.fragment:
        raise ValueError("holds a user name or a # part; neither is sent")
    tls = parts.scheme == "https"
    return Address(host, port, tls, parts.path.rstrip("/"), parts.query)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def suffix(code: int, own_line_down: int) -> str:
    """Return what tells a run's exit code.

    A run whose own line was down is logged and is neither success nor failure: a line that is back
    soon bothers nobody, and one that stays down misses its next success.
    """
    return {0: "", own_line_down: "/log"}.get(code, f"/{code}")


def begin(address: Address) -> threading.Thread:
    """Say in the background that a run begins: once, for it must not wait for that."""
    thread = threading.Thread(target=_try, args=(address, "/start"), daemon=True)
    thread.start()
    return thread


def end(address: Address, suffix: str, began: threading.Thread | None) -> str | None:
    """Say how a run ended, in three tries; return why nobody heard it, without naming who."""
    if began:
        began.join(STEP_S)  # the beginning comes first
    told: list[str | None] = ["no answer in time"]
    thread = threading.Thread(target=_tries, args=(address, suffix, told), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    return told[-1]


def _tries(address: Address, suffix: str, told: list[str | None]) -> None:
    for pause_s in (0.0, *PAUSES_S):
        time.sleep(pause_s)
        why, again = _try(address, suffix)
        told.append(why)
        if not (why and again):
            return


def _try(address: Address, suffix: str) -> tuple[str | None, bool]:
    """Ask once, straight: by no proxy, and following no redirect.

    Return what went wrong, None if nothing did, and whether to try again.
    """
    connection: http.client.HTTPConnection
    if address.tls:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        connection = http.client.HTTPSConnection(
            address.host, address.port, timeout=STEP_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=STEP_S)
    try:
        connection.request("GET", address.target(suffix) or "/", headers=dict(ORDINARY))
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return type(exc).__name__, True  # its text may name the host
    finally:
        connection.close()
    if answer.status in range(200, 300):
        return None, False
    return f"answered {answer.status}", answer.status >= 500 or answer.status in AGAIN  # noqa: PLR2004
