"""A web server that tells whoever asks all that it knows of them, in every place there is.

Run in the lab's world with the addresses to serve on, and one public address that the client is
said to have behind a router.
"""

import asyncio
import sys
from ipaddress import IPv4Address, ip_address


def names(address: str) -> list[str]:
    """Write an address as texts and reverse names do."""
    one = ip_address(address)
    if isinstance(one, IPv4Address):
        parts = address.split(".")
        padded = [part.zfill(3) for part in parts]
        shapes = ["-".join(parts), "-".join(parts[::-1]), "-".join(padded), ".".join(parts[::-1])]
        return [address, *shapes, one.packed.hex()]
    nibbles = one.packed.hex()
    return [address, one.exploded, one.exploded.replace(":", "-"), nibbles, ".".join(nibbles[::-1])]


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what the peer is, over and over, and send it to a host named after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    peer = writer.get_extra_info("peername")[0]
    known = [one for each in (peer, *sys.argv[2:]) for one in names(each)]
    number = int(head.split()[1].rpartition(b"/")[2] or b"0") % len(known)
    one, all_of_them = known[number], " ".join(known)
    body = f"<title>You are {one}</title>{all_of_them}".encode()
    host = one if one == peer else f"pool-{one.replace(':', '-')}.isp.test"
    host = f"[{one}]" if ":" in host else host
    headers = [
        f"HTTP/1.1 302 Hello {all_of_them}",
        f"Server: edge for {all_of_them}"[:3000],
        f"Location: http://{host}/",
        f"Content-Type: text/html; client={one}",
        f"Retry-After: {one}",
        f'Alt-Svc: h3="{one}"',
        f"X-Forwarded-For: {one}",
        f"Set-Cookie: ip={one}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    writer.write("\r\n".join([*headers, "", ""]).encode() + body)
    await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until ended."""
    for address in sys.argv[1].split(","):
        await asyncio.start_server(talk, address, 80)
    print("ready", flush=True)  # noqa: T201 - to who started it
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
