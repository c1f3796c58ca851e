"""The tcp stage, the connection that all further stages share, routes and room for sockets.

Plain non-blocking sockets rather than streams, because asyncio's streams fold a polite close
during a TLS handshake into a reset, and the two are different findings.
"""

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address

CHUNK = 16_384
MAX_SOCKETS = 2720
"""Three quarters are for connections to targets: one that waits in a TLS handshake takes 40 kB."""
RESERVED_FILES = 32
FALLBACK_FILES = 64


@lru_cache(maxsize=1024)
def is_loopback(text: str) -> bool:
    """Whether an address is this machine's own loopback."""
    return ip_address(text).is_loopback


def family(address: str) -> socket.AddressFamily:
    """Return the socket family of a literal address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def route(address: str) -> str | None:
    """Return the local address this machine would use towards another, None without a route.

    Sends nothing. Connecting a UDP socket only asks the routing table, so a refusal here is about
    this machine and not about the path ("no route" in docs/reference/failures.md).
    """
    try:
        with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
            return str(sock.getsockname()[0])
    except OSError:
        return None


def room_for_sockets() -> int:
    """Raise the soft limit of open files to the hard one; return how many sockets fit."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return FALLBACK_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # a system's own ceiling below the hard limit
            pass
    try:
        used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, no paths
    except OSError:
        used = RESERVED_FILES
    if soft == resource.RLIM_INFINITY:
        return MAX_SOCKETS
    return max(1, min(MAX_SOCKETS, soft - used - RESERVED_FILES))


async def connect(address: str, port: int) -> "Connection":
    """Open a connection. Raises OSError as the system gives it; the caller holds the timer."""
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:  # the socket is ours until it is handed over, cancelled or not
        sock.close()
        raise
    return Connection(sock)


class Connection:
    """One TCP connection, with TLS on it after :func:`keepiton.probe.tls.handshake`."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected, non-blocking socket."""
        self.sock = sock
        self.tls: ssl.SSLObject | None = None
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.received = 0

    async def receive(self) -> bytes:
        """Read what comes next off the wire; empty at the end of the stream."""
        chunk = await asyncio.get_running_loop().sock_recv(self.sock, CHUNK)
        self.received += len(chunk)
        if len(chunk) == CHUNK:  # more lies ready, and is read without a pause: others get a turn
            await asyncio.sleep(0)
        return chunk

    async def flush(self) -> None:
        """Send what TLS wants sent."""
        if self.outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self.sock, self.outgoing.read())

    async def read(self) -> bytes:
        """Read some bytes of the application; empty at the end of the stream."""
        if self.tls is None:
            return await self.receive()
        while True:
            # Nothing is awaited inside the except blocks: a time-out there would carry TLS's wish
            # for more bytes as its cause, and be misnamed.
            with suppress(ssl.SSLWantReadError):
                try:
                    return self.tls.read(CHUNK)
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
            await self.flush()
            chunk = await self.receive()
            if chunk:
                self.incoming.write(chunk)
            else:
                self.incoming.write_eof()

    async def write(self, data: bytes) -> None:
        """Send bytes of the application."""
        if self.tls is None:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
            return
        self.tls.write(data)
        await self.flush()

    def close(self) -> None:
        """Close at once; may be called twice."""
        self.sock.close()
