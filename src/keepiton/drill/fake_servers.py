"""A make-believe country on loopback: operators with sites, a name server, and controls.

Its servers run in a thread of their own, on ports that the system chooses. How they answer depends
on the vantage: a view is set before each probe.
"""

import asyncio
import email.utils
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = "127.0.0.1"
TRUE_ADDRESSES = {"A": HERE}
FALSE_ADDRESSES = {"A": "10.10.34.34", "AAAA": "100::34"}
"""Addresses that no public name has."""
SITES = {
    "alpha": ("www", "news", "mail"),
    "beta": ("www", "shop", "bank"),
    "gamma": ("www", "vote", "chat"),
}
FOREIGN_CONTROLS = ("foreign-1", "foreign-2", "foreign-3")
DOMESTIC_CONTROLS = ("domestic-1", "domestic-2")
ANSWER_S = 0.1
"""Time of an answer, and of a slow one: so long that a busy machine does not triple it."""
SLOW_S = 1.0
PAGE = b"<!doctype html><title>A drill</title><p>All is well.\n"
PEM = serialization.Encoding.PEM
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing sends a reset."""

LIST = """\
title = "A make-believe country on this machine"
country = "zz"
"""
SITE = """
[[target]]
id = "{name}"
url = "https://{name}:{port}/"
operator = "{group}"
"""
FOREIGN = """
[[target]]
id = "{name}"
url = "https://127.0.0.1:{port}/"
role = "control"
control = "foreign"
"""
DOMESTIC = """
[[target]]
id = "{name}"
addresses = ["127.0.0.1"]
ports = ["{port}/udp"]
query = {{ name = "www.alpha.example.", type = "A", recurse = true }}
role = "control"
control = "domestic"
perspective = "inside"
"""


@dataclass(frozen=True, slots=True)
class View:
    """How servers answer one vantage; groups are operators, kinds of controls and the resolver."""

    slow: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    """Groups whose handshakes are reset, and whose queries are answered with SERVFAIL."""
    false_names: tuple[str, ...] = ()
    """Names for which the resolver returns a false address."""


class Clock:
    """Clock of the drill: it is set for each run, and goes on as usual during it."""

    def __init__(self, at: datetime) -> None:
        """Set it to an instant."""
        self.set(at)

    def set(self, at: datetime) -> None:
        """Set it to an instant."""
        self._at, self._since = at, time.monotonic()

    def __call__(self) -> datetime:
        """Return the time."""
        return self._at + timedelta(seconds=time.monotonic() - self._since)


@dataclass(slots=True)
class Country:
    """The servers; only ``view`` changes once they listen."""

    clock: Clock
    roots: Path
    """Path of their certificate, which is its own trust anchor."""
    view: View = field(default_factory=View)
    targets: str = LIST
    """The target list, as TOML."""
    port: int = 0
    """Port of the resolver."""
    _open: list[asyncio.Server | asyncio.DatagramTransport] = field(default_factory=list)

    async def open(self) -> None:
        """Open all servers."""
        tls = _tls_context(self.roots)
        web = [(SITE, group, f"{site}.{group}.example") for group in SITES for site in SITES[group]]
        web += [(FOREIGN, "foreign", name) for name in FOREIGN_CONTROLS]
        for entry, group, name in web:
            server = await asyncio.start_server(partial(self._serve, tls, group), HERE, 0)
            self._open.append(server)
            port = server.sockets[0].getsockname()[1]
            self.targets += entry.format(name=name, group=group, port=port)
        for name in DOMESTIC_CONTROLS:
            port = await self._name_server("domestic")
            self.targets += DOMESTIC.format(name=name, port=port)
        self.port = await self._name_server("resolver")

    async def _name_server(self, group: str) -> int:
        loop = asyncio.get_running_loop()
        server = partial(_NameServer, self, group)
        transport, _ = await loop.create_datagram_endpoint(server, (HERE, 0))
        self._open.append(transport)
        return int(transport.get_extra_info("sockname")[1])

    async def close(self) -> None:
        """Close all servers and their open connections."""
        for server in self._open:
            server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(
        self,
        tls: ssl.SSLContext,
        group: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        view = self.view
        try:
            if group in view.cut:
                await reader.read(1)
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
                return
            await writer.start_tls(tls)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(SLOW_S if group in view.slow else ANSWER_S)
            date = email.utils.format_datetime(self.clock(), usegmt=True)
            head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(PAGE)}\r\n\r\n"
            writer.write(head.encode() + PAGE)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the drill is over
        finally:
            writer.close()


@dataclass(slots=True)
class _NameServer(asyncio.DatagramProtocol):
    """Answers queries for names, with true addresses or false ones, according to the view."""

    country: Country
    group: str
    transport: asyncio.DatagramTransport = field(init=False)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        reply = dns.message.make_response(query)
        if self.group in self.country.view.cut:
            reply.set_rcode(dns.rcode.SERVFAIL)
        else:
            name, kind = question.name, dns.rdatatype.to_text(question.rdtype)
            false = name.to_text(omit_final_dot=True) in self.country.view.false_names
            if address := (FALSE_ADDRESSES if false else TRUE_ADDRESSES).get(kind):
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, address))
        wait_s = 0 if self.group == "resolver" else ANSWER_S
        send = partial(self.transport.sendto, reply.to_wire(), addr)
        asyncio.get_running_loop().call_later(wait_s, send)


@contextmanager
def serve(clock: Clock) -> Iterator[Country]:
    """Run the servers while the block lasts; they leave no file behind."""
    with tempfile.TemporaryDirectory(prefix="keepiton-drill-") as folder:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        country = Country(clock, Path(folder, "roots.pem"))
        try:
            asyncio.run_coroutine_threadsafe(country.open(), loop).result()
            yield country
        finally:
            asyncio.run_coroutine_threadsafe(country.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def _tls_context(roots: Path) -> ssl.SSLContext:
    """Create a certificate for all sites at ``roots``, and return a context of servers with it."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A drill")])
    hosts: list[x509.GeneralName] = [x509.DNSName(f"*.{group}.example") for group in SITES]
    hosts.append(x509.IPAddress(ip_address(HERE)))
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_path = roots.with_name("key.pem")
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    roots.write_bytes(certificate.public_bytes(PEM))
    key_path.write_bytes(key.private_bytes(PEM, *plain))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(roots, key_path)
    return tls
