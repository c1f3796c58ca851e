"""Pings a dead-man's switch when a run begins and ends (conventions of healthchecks.io)."""

import ssl
import threading
import time
from http.client import HTTPException
from ipaddress import ip_address
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit

import certifi

from keepiton.probe.http import ORDINARY

STEP_S = 10.0
"""Longest wait for a connection, and for each part of the response."""
PAUSES_S = (1.0, 3.0)
"""Between attempts: there is one more attempt than pauses."""
LIMIT_S = 45.0
"""Longest that all attempts may take; nothing else limits a name server that does not answer."""
ANSWER_BYTES = 1024
"""What is read of a response."""
LONGEST_URL = 2000
AGAIN = (408, 425, 429)
"""Status codes below 500 after which another attempt may succeed."""


def parse(text: str) -> SplitResult:
    """Parse a ping URL, a secret. Raises ValueError with what is wrong, without the URL."""
    if len(text) > LONGEST_URL or not all("!" <= character <= "~" for character in text):
        raise ValueError("not one URL in ASCII, without spaces")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("not a URL such as https://hc-ping.com/ and the check's own id")
    if parts.scheme == "http" and not _loopback(host):
        raise ValueError("http:// shows it to everybody on the way; write https://")
    if parts.username is not None or parts.fragment:
        raise ValueError("holds a user name or a # part; neither is sent")
    return parts


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def suffix(code: int, vantage_offline: int) -> str:
    """Return the suffix that reports a run's exit code.

    A run of an offline vantage is logged and is neither success nor failure: a connection that is
    back soon alarms nobody, and one that stays down misses its next success.
    """
    return {0: "", vantage_offline: "/log"}.get(code, f"/{code}")


def begin(url: SplitResult) -> threading.Thread:
    """Report in the background that a run begins: one attempt, for the run does not wait for it."""
    thread = threading.Thread(target=_ping, args=(url, "/start"), daemon=True)
    thread.start()
    return thread


def end(url: SplitResult, suffix: str, began: threading.Thread | None) -> str | None:
    """Report how a run ended, in three attempts; return the error, which names no host."""
    if began:
        began.join(STEP_S)  # the beginning must arrive first
    errors: list[str | None] = ["no answer in time"]
    thread = threading.Thread(target=_ping_repeatedly, args=(url, suffix, errors), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    return errors[-1]


def _ping_repeatedly(url: SplitResult, suffix: str, errors: list[str | None]) -> None:
    for pause_s in (0.0, *PAUSES_S):
        time.sleep(pause_s)
        error, again = _ping(url, suffix)
        errors.append(error)
        if not again:
            return


def _ping(url: SplitResult, suffix: str) -> tuple[str | None, bool]:
    """Make one request, through no proxy and following no redirect.

    Return the error, None without one, and whether another attempt may help.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    opener = request.OpenerDirector()
    for handler in (
        request.HTTPHandler(),
        request.HTTPSHandler(context=context),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    opener.addheaders = []  # without the library's User-Agent
    path = url.path.rstrip("/") + suffix
    target = url._replace(path=path or "/").geturl()
    ping = request.Request(target, headers=dict(ORDINARY))  # noqa: S310 - parse() takes only http and https
    try:
        with opener.open(ping, timeout=STEP_S) as response:
            response.read(ANSWER_BYTES)
    except HTTPError as exc:
        exc.close()
        return f"answered {exc.code}", exc.code >= 500 or exc.code in AGAIN  # noqa: PLR2004
    except (OSError, HTTPException, ValueError) as exc:
        cause = exc.reason if isinstance(exc, URLError) else exc
        return type(cause).__name__, True  # its text may name the host
    return None, False
