"""The http stage: one request on a connection that is already open. The only user of httpx2.

httpx2's engine (httpcore2) speaks HTTP/1.1 or HTTP/2 over a stream that we hand it, so that it
can neither resolve, nor connect, nor pool, nor follow a proxy or a redirect by itself.
"""

import hashlib
import zlib
from collections.abc import AsyncIterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore2

from keepiton.model import Expect, clean
from keepiton.probe.failures import EOF, NOT_HTTP, Failed
from keepiton.probe.net import Connection

BODY_CAP = 262_144
"""Bytes of one response that are read at the most (SAFETY S11)."""
WIRE_CAP = 2 * BODY_CAP
"""Bytes off the wire: ends endless headers and interim responses."""

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


@dataclass(frozen=True, slots=True)
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

    def text(self) -> str:
        """Return the body decoded, at most the cap, whatever the compression claims."""
        raw = self.body
        if self.headers.get("content-encoding", "").strip().lower() in ("gzip", "deflate"):
            try:
                raw = zlib.decompressobj(wbits=47).decompress(raw, BODY_CAP)
            except zlib.error:
                return ""
        return raw.decode("utf-8", "replace")

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

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.taken = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109
        if self.taken > WIRE_CAP:
            raise Failed("unknown_failure: response too large")
        chunk = await self.connection.read()
        self.taken += len(chunk)
        return chunk

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        await self.connection.write(buffer)

    async def aclose(self) -> None:
        self.connection.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface's own type
        del info


def user_agent(text: str) -> Headers:
    """Return the headers of a vantage that says who it is."""
    return (("User-Agent", text), *ORDINARY[1:])


async def fetch(
    connection: Connection, url: str, headers: Headers, alpn: str | None = None
) -> Reply:
    """Send one GET and read the answer up to the caps.

    Raises OSError, ssl.SSLError, or Failed with the failure's name.
    """
    parts = httpcore2.URL(url)
    kind = httpcore2.AsyncHTTP2Connection if alpn == "h2" else httpcore2.AsyncHTTP11Connection
    http = kind(origin=parts.origin, stream=_Stream(connection))
    request = httpcore2.Request("GET", parts, headers=[("Host", urlsplit(url).netloc), *headers])
    try:
        response = await http.handle_async_request(request)
        body = bytearray()
        assert isinstance(response.stream, AsyncIterable)  # noqa: S101 - for the type checker
        async for chunk in response.stream:
            body += chunk
            if len(body) >= BODY_CAP:
                break
    except (httpcore2.RemoteProtocolError, httpcore2.LocalProtocolError) as exc:
        # Two texts of the library, not of any system: the only sign of an early, polite close.
        gone = ("disconnected without sending", "closed connection without", "closed by peer")
        raise Failed(EOF if any(text in str(exc) for text in gone) else NOT_HTTP) from exc
    finally:
        connection.close()
    return Reply(
        version=bytes(response.extensions["http_version"]).decode("ascii", "replace"),
        status=response.status,
        body=bytes(body[:BODY_CAP]),
        truncated=len(body) >= BODY_CAP,
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        },
    )


def unmet(expect: Expect, reply: Reply) -> str | None:
    """Name what of an expectation an answer does not meet, as a failure, or None."""
    if expect.status is not None and reply.status != expect.status:
        return "http_unexpected_status_code"
    if expect.body is not None and reply.text().strip() != expect.body.strip():
        return "unknown_failure: unexpected body"
    if expect.contains is not None and expect.contains not in reply.text():
        return "unknown_failure: unexpected body"
    return None
