"""Real servers on loopback that refuse, reset, hang, hang up and lie."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A listening server and what it saw."""

    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def serving(
    talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Server]:
    """Serve on a free port, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    server = Server(0)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        reader.seen = server.requests  # type: ignore[attr-defined]
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def start() -> asyncio.Server:
        listening = await asyncio.start_server(accept, host, 0, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        return listening

    def run() -> None:
        asyncio.set_event_loop(loop)
        listening = loop.run_until_complete(start())
        loop.call_soon(ready.set)  # not before: a stop that came earlier would be lost
        loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(5)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def answering(raw: bytes) -> Talk:
    """Read a request's head, send these bytes, close politely."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        reader.seen.append(head)  # type: ignore[attr-defined]
        writer.write(raw)
        await writer.drain()

    return talk


def page(body: bytes = b"well\n", status: str = "200 OK", extra: str = "") -> bytes:
    """Write an HTTP response."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take everything and never answer."""
    del writer
    while await reader.read(4096):
        pass


async def polite_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what comes first, then close with FIN: nothing unread may turn it into a reset."""
    await reader.read(65_536)
    writer.write_eof()
    await reader.read(65_536)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what comes first, then reset the connection."""
    await reader.read(65_536)
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def alerting(context: ssl.SSLContext) -> Iterator[int]:
    """Refuse one handshake with an alert; asyncio's own server would not send it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            sock, _ = listening.accept()
            with sock, suppress(ssl.SSLError, OSError):
                context.wrap_socket(sock, server_side=True)

        thread = threading.Thread(target=refuse)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)


async def plain_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer whatever comes with a web page: a block page on a TLS port."""
    await reader.read(65_536)
    writer.write(page(b"no"))
    await writer.drain()
    writer.write_eof()
    await reader.read(65_536)


def closed_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class NameServer(asyncio.DatagramProtocol):
    """A UDP name server that answers with whatever a function makes of the query."""

    def __init__(self, reply: Callable[[bytes], list[bytes]]) -> None:
        """Take the function from query to replies."""
        self.reply = reply
        self.transport: asyncio.DatagramTransport | None = None
        self.queries: list[bytes] = []
        self.asked = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember how to answer."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        self.queries.append(data)
        self.asked.set()
        assert self.transport
        for one in self.reply(data):
            self.transport.sendto(one, addr)
