"""The http stage: one request on a connection that is already open. The only user of httpx2.

httpx2's engine (httpcore2) speaks HTTP/1.1 or HTTP/2 over a stream that we hand it, so that it
can neither resolve, nor connect, nor pool, nor follow a proxy or a redirect by itself.
"""

import hashlib
import re
import time
import zlib
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import httpcore2

from keepiton.base.names import web_url
from keepiton.base.types import clean
from keepiton.lists.types import Expect, Fingerprint
from keepiton.probe.failures import (
    BAD_LOCATION,
    NOT_HTTP,
    OTHER_SCHEME,
    TOO_LARGE,
    UNEXPECTED_BODY,
    UNEXPECTED_STATUS,
    Failed,
)
from keepiton.probe.net import Connection

BODY_CAP = 262_144
"""Bytes of one response that are read at the most (SAFETY S11)."""
HEAD_ROOM = BODY_CAP
"""Bytes off the wire beyond the body's cap: ends endless headers and interim responses."""
KEPT = ("content-type", "content-encoding", "retry-after", "alt-svc", "cf-mitigated")
"""Headers that are stored; none of them speaks of the one who asks (SAFETY S1)."""
CHALLENGES = ("captcha", "challenge-platform", "just a moment", "ddos-guard")
"""In a refusal, what shows that the server wants to see a person (OONI probe#2661)."""
REFUSALS = (403, 429, 503)
REDIRECTS = (301, 302, 303, 307, 308)
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)

GREETING = 5
"""So many bytes show whether the other side speaks HTTP at all: what does not is named at once, and
not when it falls silent."""
_HTTP_1 = re.compile(b"(?:H(?:T(?:T(?:P/?)?)?)?)?")
_HTTP_2 = re.compile(rb"(?:.{1,3}|.{3}\x04.?)?", re.DOTALL)
"""RFC 9113, section 3.4: a SETTINGS frame comes first."""

Headers = tuple[tuple[str, str], ...]

ORDINARY: Headers = (
    (
        "User-Agent",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate"),
)
"""What a common browser sends: traffic from inside must look ordinary (SAFETY S10)."""


@dataclass(slots=True)
class ExchangeTimer:
    """What is known of an exchange, also when it fails: instants on the monotonic clock."""

    sent_at: float | None = None
    first_at: float | None = None
    last_at: float | None = None
    received: int = 0
    """Bytes of the response, head and body, as HTTP saw them."""

    def phases(self, began: float, ended: float, *, failed: bool) -> dict[str, float]:
        """Return milliseconds by phase; together they are the whole time.

        What failed after its last byte stood still for a while: that is ``stall``.
        """
        marks = [("send", self.sent_at), ("wait", self.first_at)]
        marks += [("read", self.last_at), ("stall", ended)] if failed else [("read", ended)]
        phases, last = {}, began
        for name, at in marks:
            if at is not None:
                phases[name] = round((at - last) * 1000, 3)
                last = at
        return phases


@dataclass(frozen=True)
class Reply:
    """What came back. The body is for a look at the expectation and is never stored."""

    version: str
    status: int
    body: bytes
    truncated: bool
    headers: dict[str, str]

    @property
    def body_sha256(self) -> str:
        """SHA-256 of the body as sent, lower-case hex."""
        return hashlib.sha256(self.body).hexdigest()

    @cached_property
    def text(self) -> str:
        """Return the body decoded, at most the cap, whatever the compression claims."""
        raw = self.body
        if self.headers.get("content-encoding", "").strip().lower() in ("gzip", "deflate"):
            try:
                raw = zlib.decompressobj(wbits=47).decompress(raw, BODY_CAP)
            except zlib.error:
                return ""
        return raw.decode("utf-8", "replace")

    @cached_property
    def title(self) -> str:
        """The page's title, one line; empty without one. Kept only where it decided something."""
        matched = _TITLE.search(self.text[:BODY_CAP])
        return clean(" ".join(matched[1].split())) if matched else ""

    @property
    def note(self) -> str | None:
        """What the server itself says of its refusal, if it is one of two known kinds."""
        if self.status == 451:  # noqa: PLR2004 - RFC 7725
            return "http_451"
        if self.status in REFUSALS:
            text = self.text[:65_536].lower()
            if "cf-mitigated" in self.headers or any(mark in text for mark in CHALLENGES):
                return "challenge"
        return None

    def next_url(self, url: str) -> str | None:
        """Return where a redirect leads, in one spelling, or None when this is none.

        Raises Failed when it leads nowhere that HTTP goes.
        """
        location = self.headers.get("location")
        if self.status not in REDIRECTS or not location:
            return None
        try:
            parts = urlsplit(location.strip())
            if parts.scheme in ("http", "https") and not parts.hostname:
                raise Failed(BAD_LOCATION)
            joined = urljoin(url, location.strip())
            if urlsplit(joined).scheme not in ("http", "https"):
                raise Failed(OTHER_SCHEME)
            return web_url(joined)
        except ValueError:
            raise Failed(BAD_LOCATION) from None

    def fingerprint(self, known: Sequence[Fingerprint]) -> str | None:
        """Return the id of the known page that this is, or None."""
        for fingerprint in known:
            text = {
                "location": self.headers.get("location", ""),
                "title": self.title if fingerprint.where == "title" else "",
                "body": self.text if fingerprint.where == "body" else "",
            }.get(fingerprint.where)
            if text and fingerprint.matches(text):
                return fingerprint.id
        return None

    def location_host(self, url: str) -> str | None:
        """Return the host a redirect points to, or None without one."""
        location = self.headers.get("location")
        if not location:
            return None
        try:
            return clean(urlsplit(urljoin(url, location)).hostname or "", 100) or None
        except ValueError:
            return None

    def date_offset_ms(self, clock_ms: int) -> int | None:
        """Return the server's clock less ours, from its Date header (whole seconds)."""
        try:
            at = parsedate_to_datetime(self.headers["date"])
            return round(at.timestamp() * 1000) + 500 - clock_ms
        except (KeyError, ValueError, TypeError, OverflowError):
            return None


class _Stream(httpcore2.AsyncNetworkStream):
    """Our connection as httpcore2 wants to see one; times are bounded by the caller."""

    def __init__(
        self, connection: Connection, timer: ExchangeTimer, cap: int, greeting: re.Pattern[bytes]
    ) -> None:
        self.connection = connection
        self.timer = timer
        self.cap = cap
        self.greeting = greeting
        self.start = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109
        if self.timer.received > self.cap:
            raise Failed(TOO_LARGE)
        chunk = await self.connection.read()
        if self.timer.first_at is None:
            self.timer.first_at = time.monotonic()
        if chunk:
            self.timer.last_at = time.monotonic()
        self.timer.received += len(chunk)
        if len(self.start) < GREETING:
            self.start = (self.start + chunk)[:GREETING]
            if not self.greeting.fullmatch(self.start):
                raise Failed(NOT_HTTP)
        return chunk

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        await self.connection.write(buffer)
        if self.timer.first_at is None:
            self.timer.sent_at = time.monotonic()

    async def aclose(self) -> None:
        self.connection.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface's own type
        del info


def user_agent(text: str) -> Headers:
    """Return the headers of a vantage that says who it is."""
    return (("User-Agent", text), *ORDINARY[1:])


async def fetch(
    connection: Connection,
    url: str,
    headers: Headers,
    alpn: str | None = None,
    *,
    timer: ExchangeTimer | None = None,
    cap: int = BODY_CAP,
) -> Reply:
    """Send one GET and read the answer up to ``cap`` bytes of body; ``timer`` notes its phases.

    Raises OSError, ssl.SSLError, or Failed with the failure's name.
    """
    timer = timer or ExchangeTimer()
    parts = httpcore2.URL(url)
    kind = httpcore2.AsyncHTTP2Connection if alpn == "h2" else httpcore2.AsyncHTTP11Connection
    greeting = _HTTP_2 if alpn == "h2" else _HTTP_1
    stream = _Stream(connection, timer, cap + HEAD_ROOM, greeting)
    http = kind(origin=parts.origin, stream=stream)
    request = httpcore2.Request("GET", parts, headers=[("Host", urlsplit(url).netloc), *headers])
    try:
        response = await http.handle_async_request(request)
        body = bytearray()
        assert isinstance(response.stream, AsyncIterable)  # noqa: S101 - for the type checker
        async for chunk in response.stream:
            body += chunk
            if len(body) >= cap:
                break
    except ValueError as exc:  # a status of HTTP/2 that is no number
        raise Failed(NOT_HTTP) from exc
    finally:
        connection.close()
    if not 100 <= response.status <= 999:  # noqa: PLR2004 - RFC 9110, section 15
        raise Failed(NOT_HTTP)
    return Reply(
        version=bytes(response.extensions["http_version"]).decode("ascii", "replace"),
        status=response.status,
        body=bytes(body[:cap]),
        truncated=len(body) >= cap,
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        },
    )


def unmet_expectation(expect: Expect, reply: Reply) -> Literal["status", "body", "contains"] | None:
    """Name the first assertion of a list that an answer does not meet, or None."""
    if expect.status is not None and reply.status != expect.status:
        return "status"
    if expect.body is not None and reply.text.strip() != expect.body.strip():
        return "body"
    if expect.contains is not None and expect.contains not in reply.text:
        return "contains"
    return None


UNMET = {
    "status": UNEXPECTED_STATUS,
    "body": UNEXPECTED_BODY,
    "contains": UNEXPECTED_BODY,
}
"""The failure that an unmet assertion is."""
