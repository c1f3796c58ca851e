"""A middlebox of our own: reads what a connection asks for, and does to it what its rules say.

Run in the lab's world with the rules as JSON. TCP comes by an nftables redirect and goes on to
where it was sent; DNS over UDP is answered here or asked of the true resolver.
"""

import asyncio
import json
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, cast

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TCP, UDP = 9001, 9053
ORIGINAL_DST = 80
PAGE = (
    b"HTTP/1.1 302 Found\r\nLocation: https://www.a1.by/mininfo/x\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
LOGIN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlog in"


class Relay:
    """One rule set for TCP: name to action, and a limit on bytes."""

    def __init__(self, rules: dict[str, Any]) -> None:
        """Take the rules."""
        self.actions: dict[str, str] = rules.get("names", {})
        self.freeze: int | None = rules.get("freeze")

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Look at the first bytes, then act or let pass."""
        sock: socket.socket = writer.get_extra_info("socket")
        raw = sock.getsockopt(socket.SOL_IP, ORIGINAL_DST, 16)
        port, packed = struct.unpack("!2xH4s8x", raw)
        first = await reader.read(65_536)
        action = next((how for name, how in self.actions.items() if name.encode() in first), None)
        if action == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif action == "eof":
            writer.write_eof()
            await reader.read(65_536)
        elif action == "drop":
            while await reader.read(65_536):
                pass
        elif action in ("page", "login"):
            writer.write(PAGE if action == "page" else LOGIN)
            await writer.drain()
        else:
            far = await asyncio.open_connection(socket.inet_ntoa(packed), port)
            far[1].write(first)
            await asyncio.gather(
                pass_on(reader, far[1], None), pass_on(far[0], writer, self.freeze)
            )
        writer.close()


async def pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None
) -> None:
    """Carry bytes, up to a limit; then hold the connection and carry nothing."""
    carried = 0
    with suppress(OSError):
        while chunk := await reader.read(1024):
            carried += len(chunk)
            if limit is None or carried <= limit:
                writer.write(chunk)
                await writer.drain()
        if limit is None:
            writer.write_eof()


class Liar(asyncio.DatagramProtocol):
    """Answers for some names, and asks the true resolver for the rest, or as well."""

    def __init__(self, rules: dict[str, Any]) -> None:
        """Take the rules."""
        self.lies: dict[str, list[str]] = rules.get("dns", {})
        self.race: bool = rules.get("race", False)
        self.truth: str = rules["truth"]
        self.transport: asyncio.DatagramTransport | None = None
        self.pending: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember how to answer."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Lie, tell the truth, or both."""
        assert self.transport
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        lie = self.lies.get(name, self.lies.get("*"))
        if lie is not None:
            message = dns.message.make_response(query)
            if not lie:
                message.set_rcode(dns.rcode.NXDOMAIN)
            elif question.rdtype == dns.rdatatype.A:
                message.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", *lie))
            self.transport.sendto(message.to_wire(), addr)
        if lie is None or self.race:
            task = asyncio.ensure_future(self.ask(data, addr))
            self.pending.add(task)
            task.add_done_callback(self.pending.discard)

    async def ask(self, data: bytes, addr: tuple[str, int]) -> None:
        """Pass the question on, and the answer back a little later."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((self.truth, 53))
            await loop.sock_sendall(sock, data)
            answer = await loop.sock_recv(sock, 4096)
        await asyncio.sleep(0.02)
        assert self.transport
        self.transport.sendto(answer, addr)


async def main() -> None:
    """Serve until ended."""
    rules = json.loads(sys.argv[1])
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Liar(rules), local_addr=("0.0.0.0", UDP))  # noqa: S104 - inside its own namespace
    server = await asyncio.start_server(Relay(rules).talk, "0.0.0.0", TCP)  # noqa: S104 - likewise
    print("ready", flush=True)  # noqa: T201 - to who started it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
