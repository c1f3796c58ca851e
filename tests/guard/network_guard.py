"""Refuses every packet that would leave this machine, in tests and in what they start.

A process in a namespace of a test's own says so with KEEPITON_TEST_NAMESPACE: nothing leads out
of there.
"""

import os
import socket
import sys
from ipaddress import ip_address

ROUTE_QUESTION_PORT = 9  # a UDP connect to it asks the routing table and sends nothing


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    if event == "socket.getaddrinfo":
        host = args[0]
    else:
        sock, address = args[0], args[1]
        if not isinstance(address, tuple):
            return  # a socket file
        host = address[0]
        udp = isinstance(sock, socket.socket) and sock.type == socket.SOCK_DGRAM
        if event == "socket.connect" and udp and address[1] == ROUTE_QUESTION_PORT:
            return
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text in ("localhost", "None", ""):
        return
    try:
        if ip_address(text).is_loopback:
            return
    except ValueError:
        pass
    raise RuntimeError(f"a test tried to reach {text}")


if not os.environ.get("KEEPITON_TEST_NAMESPACE"):
    sys.addaudithook(_refuse)
