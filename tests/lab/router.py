"""A router in user space: every packet between the client and the world passes through here.

Run in the lab's world with rules as JSON. Makes two TUN devices, ``near0`` for the client and
``far0`` for the world, says so, and carries packets between them, except for what its rules do.
A rule of flows looks at the first bytes that the client sends; the flow is then in its hands.
"""

import asyncio
import fcntl
import json
import os
import random
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TUNSETIFF, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
HELD = 8192
"""How much of what the client sends in a flow is looked at: a long ClientHello has two segments."""
UNREACHABLE = {"network": (0, 0), "host": (1, 3), "port": (3, 4), "prohibited": (13, 1)}
"""ICMP and ICMPv6 codes of "destination unreachable"."""


@dataclass(frozen=True)
class Rule:
    """What is done to which packets; all that is given must fit."""

    do: str
    to: str | None = None
    """The far address."""
    port: int | None = None
    protocol: str | None = None
    text: str | None = None
    """Bytes that the client sends in a flow: a name in a handshake or a request, "" for any."""
    query: str | None = None
    """The name that a DNS question over UDP asks for."""
    answers: tuple[str, ...] = ()
    """Forged addresses; none deny the name."""
    rcode: str = "NXDOMAIN"
    """What a forged answer without addresses says."""
    race: bool = False
    """The truth comes too, a little later; of a reset: only the client is told."""
    nth_byte: int = 0
    """From this byte of an answer on."""
    ms: int = 0
    share: float = 0.0
    bytes_s: int = 0
    seconds: float = 0.0
    """How long the address stays dead after a flow was hit."""
    page: str = ""
    instead: str = ""
    """The address that packets go to in truth."""


@dataclass
class Packet:
    """One packet, read as far as rules ask."""

    raw: bytes
    version: int
    protocol: int
    source: bytes
    goal: bytes
    body: bytes
    """From the transport header on."""

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination port, (0, 0) where there are none."""
        if self.protocol not in (TCP, UDP) or len(self.body) < 8:
            return 0, 0
        return int.from_bytes(self.body[:2]), int.from_bytes(self.body[2:4])

    @property
    def payload(self) -> bytes:
        """What TCP or UDP carries."""
        return self.body[(self.body[12] >> 4) * 4 if self.protocol == TCP else 8 :]

    @property
    def tcp(self) -> tuple[int, int, int]:
        """Sequence number, acknowledgement and flags."""
        sequence, acknowledged, _, flags = struct.unpack_from("!2I2B", self.body, 4)
        return sequence, acknowledged, flags


def read(raw: bytes) -> Packet:
    """Take a packet apart."""
    if raw[0] >> 4 == 4:
        return Packet(raw, 4, raw[9], raw[12:16], raw[16:20], raw[(raw[0] & 15) * 4 :])
    return Packet(raw, 6, raw[6], raw[8:24], raw[24:40], raw[40:])


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}


def write(protocol: int, source: bytes, goal: bytes, body: bytes) -> bytes:
    """Put a packet together, its checksums included."""
    at = CHECKSUM_AT[protocol]
    body = body[:at] + bytes(2) + body[at + 2 :]
    pseudo = b"" if protocol == ICMP else source + goal + struct.pack("!2I", len(body), protocol)
    total = checksum(pseudo + body) or (0xFFFF if protocol == UDP else 0)
    body = body[:at] + struct.pack("!H", total) + body[at + 2 :]
    if len(source) == 4:
        head = struct.pack("!2B3H2BH", 69, 0, 20 + len(body), 0, 0, 64, protocol, 0)
        total = checksum(head + source + goal)
        return head[:10] + struct.pack("!H", total) + source + goal + body
    return struct.pack("!IH2B", 6 << 28, len(body), protocol, 64) + source + goal + body


def segment(packet: Packet, flags: int, data: bytes = b"") -> bytes:
    """Write the far end's answer to a segment from the client."""
    sequence, acknowledged, had = packet.tcp
    seen = sequence + len(packet.payload) + bool(had & SYN) + bool(had & FIN)
    near, far = packet.ports
    numbers = (far, near, acknowledged, seen & 0xFFFFFFFF)
    head = struct.pack("!2H2I2B3H", *numbers, 80, flags, 65_535, 0, 0)
    return write(TCP, packet.goal, packet.source, head + data)


def broken_off(packet: Packet) -> bytes:
    """Turn a segment from the far end into the end of its connection."""
    head = packet.body[:12] + struct.pack("!2B3H", 80, RST | ACK, 0, 0, 0)
    return write(TCP, packet.source, packet.goal, head)


def unreachable(packet: Packet, which: str) -> bytes:
    """Write an ICMP error from the far address itself."""
    four, six = UNREACHABLE[which]
    if packet.version == 4:
        body = struct.pack("!2BHI", 3, four, 0, 0) + packet.raw[:48]
        return write(ICMP, packet.goal, packet.source, body)
    body = struct.pack("!2BHI", 1, six, 0, 0) + packet.raw[:1000]
    return write(ICMP6, packet.goal, packet.source, body)


@dataclass
class Flow:
    """What is known of one connection."""

    sent: bytes = b""
    received: int = 0
    hit: Rule | None = None
    due: float = 0.0
    """When a slowed flow's next packet may pass."""


@dataclass
class Router:
    """Carries packets both ways as its rules say."""

    rules: list[Rule]
    near: Callable[[bytes], None]
    """Hand a packet to the client."""
    far: Callable[[bytes], None]
    flows: dict[tuple[bytes, int, int], Flow] = field(default_factory=dict)
    dead: dict[bytes, float] = field(default_factory=dict)
    """Addresses that do not answer until an instant."""
    swapped: dict[tuple[bytes, int, int], bytes] = field(default_factory=dict)
    """Flow, by its true far end, to the address that the client believes in."""

    def rule(self, packet: Packet, far: bytes, port: int, *dos: str) -> Rule | None:
        """Return the first rule of a kind that fits a far address and port, without text."""
        kind = {TCP: "tcp", UDP: "udp"}.get(packet.protocol, "icmp")
        return next(
            (one for one in self.rules if one.do in dos and fits(one, far, port, kind)), None
        )

    def flow(self, far: bytes, near_port: int, far_port: int) -> Flow:
        """Return what is known of a flow."""
        return self.flows.setdefault((far, near_port, far_port), Flow())

    def out(self, raw: bytes) -> None:
        """Take a packet from the client."""
        packet = read(raw)
        near_port, port = packet.ports
        far = packet.goal
        if self.dead.get(far, 0.0) > time.monotonic() or self.rule(packet, far, port, "drop"):
            return
        lost = self.rule(packet, far, port, "loss")
        if lost and random.random() < lost.share:  # noqa: S311 - weather
            return
        told = self.rule(packet, far, port, "refuse", *UNREACHABLE)
        if told and told.do == "refuse" and packet.protocol == TCP:
            self.near(segment(packet, RST | ACK))
            return
        if told:
            self.near(unreachable(packet, "port" if told.do == "refuse" else told.do))
            return
        if packet.protocol == UDP and port == 53 and self.ask(packet):
            return
        if packet.protocol == TCP and self.watch(packet):
            return
        other = self.rule(packet, far, port, "instead")
        if other:
            goal = ip_address(other.instead).packed
            self.swapped[goal, near_port, port] = far
            raw = write(packet.protocol, packet.source, goal, packet.body)
        self.carry(self.far, raw, self.rule(packet, far, port, "delay"))

    def back(self, raw: bytes) -> None:
        """Take a packet from the world."""
        packet = read(raw)
        port, near_port = packet.ports
        far = self.swapped.get((packet.source, near_port, port), packet.source)
        if far != packet.source:
            raw = write(packet.protocol, far, packet.goal, packet.body)
        if self.dead.get(far, 0.0) > time.monotonic():
            return
        lost = self.rule(packet, far, port, "loss")
        if lost and random.random() < lost.share:  # noqa: S311 - weather
            return
        if packet.protocol == TCP:
            flow = self.flow(far, near_port, port)
            flow.received += len(packet.payload)
            if flow.hit and not flow.hit.race:
                return
            limit = self.rule(packet, far, port, "freeze", "cut")
            if limit and flow.received > limit.nth_byte:
                if limit.do == "cut":
                    flow.hit = limit
                    self.near(broken_off(read(raw)))
                return
            slow = self.rule(packet, far, port, "rate")
            if slow and packet.payload:
                now = time.monotonic()
                flow.due = max(now, flow.due) + len(raw) / slow.bytes_s
                asyncio.get_running_loop().call_later(flow.due - now, self.near, raw)
                return
        self.carry(self.near, raw, self.rule(packet, far, port, "delay"))

    def carry(self, give: Callable[[bytes], None], raw: bytes, late: Rule | None) -> None:
        """Hand a packet on, now or later."""
        if late:
            asyncio.get_running_loop().call_later(late.ms / 1000, give, raw)
        else:
            give(raw)

    def watch(self, packet: Packet) -> bool:
        """Look into a flow; whether its packet goes no further."""
        near_port, port = packet.ports
        flow = self.flow(packet.goal, near_port, port)
        if packet.tcp[2] & SYN:
            flow.sent, flow.received, flow.hit = b"", 0, None
        if flow.hit:
            return not flow.hit.race
        if not packet.payload:
            return False
        flow.sent = (flow.sent + packet.payload)[:HELD]
        for rule in self.rules:
            if rule.text is None or rule.text.encode() not in flow.sent:
                continue
            if fits(rule, packet.goal, port, "tcp"):
                flow.hit = rule
                return self.hit(rule, packet)
        return False

    def hit(self, rule: Rule, packet: Packet) -> bool:
        """Do to a flow what a rule says; whether this packet goes no further."""
        if rule.do == "reset":
            self.near(segment(packet, RST | ACK))
        elif rule.do == "eof":
            self.near(segment(packet, FIN | ACK))
        elif rule.do == "page":
            self.near(segment(packet, PSH | FIN | ACK, rule.page.encode()))
        if rule.seconds:
            self.dead[packet.goal] = time.monotonic() + rule.seconds
        return not rule.race

    def ask(self, packet: Packet) -> bool:
        """Look at a question; whether it goes no further."""
        try:
            query = dns.message.from_wire(packet.payload)
        except dns.exception.DNSException:
            return False
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        for rule in self.rules:
            if rule.query not in (name, "*") or not fits(rule, packet.goal, 53, "udp"):
                continue
            if rule.do == "mute":
                return True
            reply = dns.message.make_response(query)
            kind = question.rdtype
            mine = [one for one in rule.answers if (":" in one) == (kind == dns.rdatatype.AAAA)]
            if not rule.answers:
                reply.set_rcode(dns.rcode.from_text(rule.rcode))
            elif mine:
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *mine))
            wire = reply.to_wire()
            near_port, port = packet.ports
            head = struct.pack("!4H", port, near_port, 8 + len(wire), 0)
            self.near(write(UDP, packet.goal, packet.source, head + wire))
            if rule.race:
                self.carry(self.far, packet.raw, Rule("delay", ms=20))
            return True
        return False


def fits(rule: Rule, far: bytes, port: int, protocol: str) -> bool:
    """Whether a rule is about packets to and from a far address, port and protocol."""
    return (
        (rule.to is None or ip_address(rule.to).packed == far)
        and rule.port in (None, port)
        and rule.protocol in (None, protocol)
    )


def tun(name: str) -> int:
    """Make a TUN device; return its file."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), TUN_WITHOUT_HEADER))
    return file


def give(file: int, raw: bytes) -> None:
    """Write one packet; a device that is full or gone loses it, as a wire does."""
    try:
        os.write(file, raw)
    except OSError:
        return


def take(file: int, take_one: Callable[[bytes], None]) -> None:
    """Read the packets that are there."""
    for _ in range(64):
        try:
            raw = os.read(file, 65_536)
        except OSError:
            return
        take_one(raw)


async def main() -> None:
    """Carry packets until ended."""
    given: list[dict[str, Any]] = json.loads(sys.argv[1])
    near, far = tun("near0"), tun("far0")
    rules = [Rule(**(one | {"answers": tuple(one.get("answers", ()))})) for one in given]
    router = Router(rules, partial(give, near), partial(give, far))
    loop = asyncio.get_running_loop()
    loop.add_reader(near, take, near, router.out)
    loop.add_reader(far, take, far, router.back)
    print("ready", flush=True)  # noqa: T201 - to who started it
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
