"""What stands in for the router where namespaces are not permitted: a relay on loopback.

Run with what it needs as JSON. It takes the connections to every site, does to those that its rules
are about what the router would, as far as a socket can, and passes the rest on to the servers
behind. It also answers for the names, truthfully, over UDP and TCP.
"""

import asyncio
import json
import socket
import struct
import sys
from collections import defaultdict
from contextlib import suppress
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from lab.router import Rule


class Relay:
    """Takes connections to one port, for the servers at another port of the same addresses."""

    def __init__(self, rules: list[Rule], behind: int) -> None:
        """Take the rules, and the servers' own port."""
        self.rules = rules
        self.behind = behind

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Look at the first bytes, then act or let pass."""
        with suppress(OSError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        address = sock.getsockname()[0]
        first = await reader.read(65_536)
        named = (one for one in self.rules if one.text is not None and one.text.encode() in first)
        hit = next((one for one in named if one.to in (None, address)), None)
        if hit and hit.do == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif hit and hit.do == "eof":
            writer.write_eof()
            await reader.read(65_536)
        elif hit and hit.do == "hole":
            while await reader.read(65_536):
                pass
        elif hit:
            writer.write(hit.page.encode())
            await writer.drain()
        else:
            far = await asyncio.open_connection(address, self.behind)
            far[1].write(first)
            frozen = (one.nth_byte for one in self.rules if one.to == address and one.nth_byte)
            await asyncio.gather(
                pass_on(reader, far[1], None), pass_on(far[0], writer, next(frozen, None))
            )


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


class Names(asyncio.DatagramProtocol):
    """Answers for the names that it is given."""

    def __init__(self, records: list[str]) -> None:
        """Take lines of "name type data"."""
        self.known: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for record in records:
            name, kind, data = record.split(" ", 2)
            self.known[name].append((kind, data))
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember how to answer."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer over UDP."""
        self.transport.sendto(self.answer(data), addr)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer over TCP."""
        wire = self.answer(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        writer.close()

    def answer(self, data: bytes) -> bytes:
        """Answer one question."""
        query = dns.message.from_wire(data)
        (question,) = query.question
        reply = dns.message.make_response(query)
        known = self.known.get(question.name.to_text())
        asked = dns.rdatatype.to_text(question.rdtype)
        if known is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif mine := [data for kind, data in known if kind == asked]:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", asked, *mine))
        return reply.to_wire()


async def main() -> None:
    """Serve until ended."""
    given = json.loads(sys.argv[1])
    rules = [Rule(**rule) for rule in given["rules"]]
    for port, behind in given["ports"]:
        await asyncio.start_server(Relay(rules, behind).talk, "0.0.0.0", port)  # noqa: S104 - any of loopback's addresses
    names = Names(given["records"])
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: names, local_addr=("127.0.0.1", given["names"]))
    await asyncio.start_server(names.talk, "127.0.0.1", given["names"])
    print("ready", flush=True)  # noqa: T201 - to who started it
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
