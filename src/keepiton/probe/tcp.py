"""The tcp stage: connect to one literal address."""

import asyncio
import socket

from keepiton.probe.net import Connection, family


async def connect(address: str, port: int) -> Connection:
    """Open a connection. Raises OSError as the system gives it; the caller holds the timer."""
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:  # the socket is ours until it is handed over, cancelled or not
        sock.close()
        raise
    return Connection(sock)
