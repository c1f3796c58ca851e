"""What a name server says, and what is said in its place, on real sockets."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from dataclasses import field as fresh
from typing import cast

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

import loopback
from keepiton.probe import dns as stage
from keepiton.probe import net
from keepiton.probe.failures import BAD_REPLY, CNAME_LOOP, LAME, Failed, classify
from keepiton.storage.rows import Measurement

TRUE, FORGED = "5.45.64.9", "93.184.216.34"
Reply = Callable[[bytes], list[bytes]]


def reply(
    query: bytes,
    *records: str,
    rcode: int = 0,
    flags: int = 0,
    authority: str = "",
    ede: tuple[dns.edns.EDEOption, ...] = (),
) -> bytes:
    """Answer a query with lines of a zone file."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    message.flags |= flags
    message.set_rcode(dns.rcode.Rcode(rcode))
    for section, lines in (
        (message.answer, records),
        (message.authority, authority.split(";") if authority else ()),
    ):
        for line in lines:
            owner, ttl, kind, text = line.split(maxsplit=3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, text))
    if ede:
        message.use_edns(0, options=list(ede))
    return message.to_wire()


def ede(code: int, text: str | None = None) -> dns.edns.EDEOption:
    return dns.edns.EDEOption(dns.edns.EDECode(code), text)


def a(address: str, ttl: int = 60) -> str:
    return f"name.example. {ttl} A {address}"


@dataclass
class Racing(asyncio.DatagramProtocol):
    """Sends each of its replies so many seconds after the query."""

    replies: tuple[tuple[float, Callable[[bytes], bytes]], ...]
    queries: list[bytes] = fresh(default_factory=list)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queries.append(data)
        assert self.transport
        for delay_s, make in self.replies:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self.transport.sendto, make(data), addr)


async def asked_of(
    server: asyncio.DatagramProtocol,
    kind: str = "A",
    within_s: float = 1.0,
    port: int = 0,
    *,
    recurse: bool = True,
) -> stage.Answer:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", port)
    )
    try:
        port = transport.get_extra_info("sockname")[1]
        resolver = stage.Resolver("x", "udp", ("127.0.0.1",), port)
        return await stage.ask(resolver, "name.example", kind, within_s, recurse=recurse)
    finally:
        transport.close()


def asked(make: Reply, kind: str = "A", *, recurse: bool = True) -> stage.Answer:
    return asyncio.run(asked_of(loopback.NameServer(make), kind, recurse=recurse))


def raced(*replies: tuple[float, Callable[[bytes], bytes]]) -> stage.Answer:
    return asyncio.run(asked_of(Racing(replies)))


def failure_of(work: Awaitable[stage.Answer]) -> str | None:
    async def run() -> str | None:
        try:
            return (await work).failure
        except Exception as exc:  # noqa: BLE001 - whatever it is, it must have a name
            return classify(exc)

    return asyncio.run(run())


def stream(make: Callable[[bytes], bytes]) -> loopback.Talk:
    """Answer over TCP, one query after another."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            wire = make(await reader.readexactly(length))
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()

    return talk


def over_tcp(make: Callable[[bytes], bytes], kind: str = "A") -> stage.Answer:
    with loopback.serving(stream(make)) as server:
        resolver = stage.Resolver("x", "tcp", ("127.0.0.1",), server.port)
        return asyncio.run(stage.ask(resolver, "name.example", kind, 5.0))


def test_an_answer_is_kept_with_all_that_it_says() -> None:
    answer = asked(
        lambda query: [
            reply(
                query,
                "name.example. 300 CNAME one.example.",
                "one.example. 20 CNAME two.example.",
                f"two.example. 90 A {TRUE}",
                f"two.example. 90 A {FORGED}",
                "other.example. 5 A 198.41.0.4",
                ede=(ede(3, "old\x1b[31m"), ede(22)),
            )
        ]
    )
    assert (answer.rcode, answer.failure) == ("NOERROR", None)
    assert set(answer.records) == {TRUE, FORGED}, "the record of another name is no answer"
    assert answer.flags == "QR RD RA"
    assert answer.cnames == ("one.example", "two.example")
    assert answer.ttl == 90
    assert answer.ede == ("3 old\N{REPLACEMENT CHARACTER}[31m", "22")
    assert (answer.transport, answer.edns, answer.also, answer.also_rcode) == (
        "udp",
        None,
        None,
        None,
    )


def test_no_records_have_no_ttl() -> None:
    answer = asked(lambda query: [reply(query, "name.example. 300 CNAME one.example.")])
    assert (answer.failure, answer.ttl, answer.cnames) == ("dns_no_answer", None, ("one.example",))


def test_no_more_extended_errors_are_kept_than_a_row_holds() -> None:
    many = tuple(ede(number, "x" * 60) for number in range(12))
    assert len(asked(lambda query: [reply(query, rcode=2, ede=many)]).ede) == 8


@pytest.mark.parametrize(("first", "then"), [(FORGED, TRUE), (TRUE, FORGED)])
def test_a_second_answer_that_differs_is_kept_beside_the_first(first: str, then: str) -> None:
    answer = raced(
        (0, lambda query: reply(query, a(first))),
        (0.02, lambda query: reply(query, a(then))),
    )
    assert (answer.records, answer.also, answer.also_rcode) == ((first,), (then,), "NOERROR")
    assert answer.failure is None
    assert stage.LISTEN_S <= answer.waited_s < 2 * stage.LISTEN_S, "it says how long it listened"


@pytest.mark.parametrize("forged_first", [True, False])
def test_a_forged_denial_is_kept_beside_the_true_answer(forged_first: bool) -> None:  # noqa: FBT001 - two orders
    denial: Callable[[bytes], bytes] = lambda query: reply(query, rcode=3)  # noqa: E731 - a shorthand
    true: Callable[[bytes], bytes] = lambda query: reply(query, a(TRUE))  # noqa: E731 - a shorthand
    answer = raced(*((0, denial), (0.02, true)) if forged_first else ((0, true), (0.02, denial)))
    if forged_first:
        assert (answer.failure, answer.also, answer.also_rcode) == (
            "dns_nxdomain_error",
            (TRUE,),
            "NOERROR",
        )
    else:
        assert (answer.failure, answer.also, answer.also_rcode) == (None, (), "NXDOMAIN")


def test_a_duplicate_or_another_order_or_ttl_is_no_second_answer() -> None:
    answer = raced(
        (0, lambda query: reply(query, a(TRUE), a(FORGED))),
        (0.01, lambda query: reply(query, a(TRUE), a(FORGED))),
        (0.02, lambda query: reply(query, a(FORGED, 7), a(TRUE, 7))),
    )
    assert (answer.also, answer.also_rcode) == (None, None)
    assert answer.waited_s >= stage.LISTEN_S * 0.9, "it listened to the end"


def test_junk_after_the_answer_neither_counts_nor_ends_the_listening() -> None:
    answer = raced(
        (0, lambda query: reply(query, a(FORGED))),
        (0.01, lambda _: b"junk"),
        (0.01, lambda query: b"\0\0" + reply(query, a("198.41.0.4"))[2:]),
        (0.03, lambda query: reply(query, a(TRUE))),
    )
    assert (answer.records, answer.also) == ((FORGED,), (TRUE,))


def test_two_answers_to_a_question_that_was_sent_twice_are_no_injection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage, "RESEND_S", 0.05)
    addresses = iter((TRUE, FORGED))
    server = Racing(((0.1, lambda query: reply(query, a(next(addresses)))),))
    answer = asyncio.run(asked_of(server))
    assert (answer.records, answer.also, len(server.queries)) == ((TRUE,), None, 2)


def test_a_flood_of_junk_ends_with_the_timer_and_leaves_others_their_turn() -> None:
    async def work() -> tuple[stage.Answer | BaseException, int]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            resolver = stage.Resolver("x", "udp", ("127.0.0.1",), sock.getsockname()[1])
            task = loop.create_task(stage.ask(resolver, "name.example", "A", 0.3))
            _, addr = await loop.sock_recvfrom(sock, 4096)
            turns = 0
            while not task.done():
                for _ in range(20):
                    sock.sendto(b"junk", addr)
                turns += 1
                await asyncio.sleep(0)
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            return ended, turns

    ended, turns = asyncio.run(work())
    assert isinstance(ended, Failed)
    assert ended.failure == BAD_REPLY
    assert turns > 10


def test_an_answer_from_another_address_or_port_is_not_heard() -> None:
    """The socket is connected: a stranger's datagram, right in all else, never reaches it."""

    class Stranger(loopback.NameServer):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for host in ("127.0.0.1", "127.0.0.2"):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind((host, 0))
                    sock.sendto(reply(data, a(FORGED)), addr)
            super().datagram_received(data, addr)

    answer = asyncio.run(asked_of(Stranger(lambda query: [reply(query, a(TRUE))])))
    assert (answer.records, answer.also) == ((TRUE,), None)
    work = asked_of(Stranger(lambda _: []), within_s=0.3)
    assert failure_of(work) == "generic_timeout_error"


def other_question(query: bytes, name: str, kind: str) -> bytes:
    message = dns.message.from_wire(reply(query, a(FORGED)))
    message.question = [
        dns.rrset.RRset(dns.name.from_text(name), message.question[0].rdclass, _kind(kind))
    ]
    return message.to_wire()


def _kind(text: str) -> dns.rdatatype.RdataType:
    return dns.rdatatype.from_text(text)


@pytest.mark.parametrize(("name", "kind"), [("other.example.", "A"), ("name.example.", "AAAA")])
def test_an_answer_to_another_question_is_passed_over(name: str, kind: str) -> None:
    wrong: Reply = lambda query: [other_question(query, name, kind)]  # noqa: E731 - a shorthand
    work = asked_of(loopback.NameServer(wrong), within_s=0.3)
    assert failure_of(work) == "dns_server_misbehaving"
    assert asked(lambda query: [*wrong(query), reply(query, a(TRUE))]).records == (TRUE,)


def test_a_wrong_id_alone_is_named() -> None:
    wrong = loopback.NameServer(lambda query: [bytes([query[0] ^ 1]) + reply(query, a(FORGED))[1:]])
    assert failure_of(asked_of(wrong, within_s=0.3)) == "dns_reply_with_wrong_query_id"


def test_a_refusal_after_the_answer_takes_nothing_back() -> None:
    async def work() -> stage.Answer:
        server = loopback.NameServer(lambda query: [reply(query, a(TRUE))])
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: server, local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        resolver = stage.Resolver("x", "udp", ("127.0.0.1",), port)
        task = loop.create_task(stage.ask(resolver, "name.example", "A", 1.0))
        await server.asked.wait()
        transport.close()
        return await task

    assert asyncio.run(work()).records == (TRUE,)


@pytest.mark.parametrize(
    "lines",
    [
        ("name.example. 9 CNAME name.example.",),
        ("name.example. 9 CNAME one.example.", "one.example. 9 CNAME name.example."),
        (
            "name.example. 9 CNAME one.example.",
            "one.example. 9 CNAME two.example.",
            "two.example. 9 CNAME one.example.",
            f"one.example. 9 A {FORGED}",
        )[:3],
    ],
    ids=["itself", "and back", "later"],
)
def test_aliases_in_a_circle_are_a_failure_of_their_own(lines: tuple[str, ...]) -> None:
    answer = asked(lambda query: [reply(query, *lines)])
    assert (answer.failure, answer.records) == (CNAME_LOOP, ())
    assert len(answer.cnames) == len(lines)


def test_aliases_without_end_are_bounded() -> None:
    lines = ["name.example. 9 CNAME n0.example."]
    lines += [f"n{at}.example. 9 CNAME n{at + 1}.example." for at in range(40)]
    answer = over_tcp(lambda query: reply(query, *lines, f"n40.example. 9 A {TRUE}"))
    assert (answer.failure, len(answer.cnames)) == (CNAME_LOOP, 16)


def test_sixteen_aliases_are_followed_in_any_order() -> None:
    lines = [f"n{at}.example. 9 CNAME n{at + 1}.example." for at in range(15)]
    lines += ["NAME.example. 9 CNAME N0.example.", f"n15.example. 9 A {TRUE}"]
    answer = over_tcp(lambda query: reply(query, *lines[::-1]))
    assert (answer.failure, answer.records, len(answer.cnames)) == (None, (TRUE,), 16)


@pytest.mark.parametrize(
    ("authority", "rcode", "flags", "failure", "referral"),
    [
        (". 9 NS a.root.example.", 0, 0, LAME, ()),
        ("example. 9 NS ns.example.", 0, 0, LAME, ()),
        ("other.example. 9 NS ns.example.", 0, 0, LAME, ()),
        ("", 0, 0, LAME, ()),
        ("", 5, 0, LAME, ()),
        ("", 2, 0, "dns_servfail_error", ()),
        ("", 3, 0, "dns_nxdomain_error", ()),
        ("", 0, dns.flags.AA, "dns_no_answer", ()),
        ("", 5, dns.flags.AA, "dns_refused_error", ()),
        ("name.example. 9 NS a.ns.example.;name.example. 9 NS b.ns.example.", 0, 0, None, 2),
    ],
    ids=[
        *("to the root", "to the top", "to a sister", "nothing", "refused", "servfail"),
        *("nxdomain", "authoritative", "authoritative refusal", "to the zone"),
    ],
)
def test_a_name_server_is_lame_or_refers(
    authority: str, rcode: int, flags: int, failure: str | None, referral: tuple[str, ...] | int
) -> None:
    make: Reply = lambda query: [reply(query, rcode=rcode, flags=flags, authority=authority)]  # noqa: E731 - a shorthand
    answer = asked(make, "SOA", recurse=False)
    assert answer.failure == failure
    expected = ("a.ns.example", "b.ns.example") if referral == 2 else ()
    assert answer.referral == expected
    if rcode in (0, 5):
        told = asked(make, "SOA").failure
        assert told == ("dns_refused_error" if rcode else "dns_no_answer"), "of a resolver"


def test_a_referral_is_bounded() -> None:
    many = ";".join(f"name.example. 9 NS n{at}.example." for at in range(30))
    answer = asked(lambda query: [reply(query, authority=many)], "SOA", recurse=False)
    assert len(answer.referral) == 16


def without_edns(*records: str, rcode: int = 1, bare: bool = False) -> Callable[[bytes], bytes]:
    """Answer only a question without EDNS; else an error, with or without the question."""

    def make(query: bytes) -> bytes:
        if dns.message.from_wire(query).edns < 0:
            return reply(query, *records)
        wire = reply(query, rcode=rcode)
        return wire[:2] + bytes([wire[2], wire[3] & 0xF0 | rcode]) + bytes(8) if bare else wire

    return make


@pytest.mark.parametrize("rcode", [1, 4, 16], ids=["formerr", "notimp", "badvers"])
def test_a_server_that_stumbles_over_edns_is_asked_without(rcode: int) -> None:
    make = without_edns(a(TRUE), rcode=rcode)
    server = loopback.NameServer(lambda query: [make(query)])
    answer = asyncio.run(asked_of(server))
    assert (answer.records, answer.edns, answer.failure) == ((TRUE,), False, None)
    assert [dns.message.from_wire(query).edns for query in server.queries] == [0, -1]
    assert answer.waited_s >= stage.LISTEN_S * 1.8, "both were listened after"
    assert over_tcp(make).edns is False


def test_an_error_without_the_question_is_an_answer() -> None:
    make = without_edns(a(TRUE), bare=True)
    assert asked(lambda query: [make(query)]).edns is False
    bare: Reply = lambda query: [query[:2] + b"\x81\x82" + bytes(8)]  # noqa: E731 - a shorthand
    assert asked(bare).failure == "dns_servfail_error"


def test_a_server_on_an_open_connection_is_asked_without_edns_too() -> None:
    async def work(port: int) -> stage.Answer:
        connection = await net.connect("127.0.0.1", port)
        try:
            return await stage.ask_on(connection, "name.example", "A", recurse=False)
        finally:
            connection.close()

    with loopback.serving(stream(without_edns(a(TRUE)))) as server:
        answer = asyncio.run(work(server.port))
    assert (answer.records, answer.edns, answer.transport) == ((TRUE,), False, "tcp")


@pytest.mark.parametrize("rcode", [1, 4])
def test_an_error_that_is_not_about_edns_stays(rcode: int) -> None:
    answer = asked(lambda query: [reply(query, rcode=rcode)])
    assert (answer.failure, answer.edns) == ("dns_server_misbehaving", None)


def test_an_error_stays_when_the_question_without_edns_gets_no_answer() -> None:
    def make(query: bytes) -> list[bytes]:
        return [reply(query, rcode=1)] if dns.message.from_wire(query).edns == 0 else []

    answer = asked(make)
    assert (answer.rcode, answer.edns) == ("FORMERR", None)


def truncated(query: bytes) -> list[bytes]:
    return [reply(query, flags=dns.flags.TC)]


def test_a_truncated_answer_names_the_transport_that_completed_it() -> None:
    with loopback.serving(stream(lambda query: reply(query, a(TRUE)))) as server:
        work = asked_of(loopback.NameServer(truncated), port=server.port)
        answer = asyncio.run(work)
    assert (answer.records, answer.transport, answer.flags) == ((TRUE,), "tcp", "QR RD RA")
    assert answer.waited_s >= stage.LISTEN_S * 0.9


def test_what_was_injected_before_tcp_is_kept_unless_tcp_says_the_same() -> None:
    for told, also in ((FORGED, (FORGED,)), (TRUE, None)):
        server = Racing(
            (
                (0, lambda query: truncated(query)[0]),
                (0.02, lambda query, told=told: reply(query, a(told))),  # type: ignore[misc]
            )
        )
        with loopback.serving(stream(lambda query: reply(query, a(TRUE)))) as over:
            answer = asyncio.run(asked_of(server, port=over.port))
        assert (answer.records, answer.also) == ((TRUE,), also)


@pytest.mark.parametrize(
    ("talk", "failure"),
    [
        (None, "connection_refused"),
        (loopback.reset, "connection_reset"),
        (loopback.polite_close, "eof_error"),
        (loopback.silent, "generic_timeout_error"),
        (stream(lambda _: b"garbage"), BAD_REPLY),
    ],
    ids=["refused", "reset", "closed", "silent", "garbage"],
)
def test_a_truncated_answer_that_tcp_does_not_complete_has_tcps_failure(
    talk: loopback.Talk | None, failure: str
) -> None:
    if talk is None:
        assert failure_of(asked_of(loopback.NameServer(truncated))) == failure
        return
    with loopback.serving(talk) as server:
        work = asked_of(loopback.NameServer(truncated), within_s=0.6, port=server.port)
        assert failure_of(work) == failure


def huge(query: bytes) -> bytes:
    """Write an answer of 64 kB."""
    head = query[:2] + b"\x81\x80\0\1"
    asked_for = dns.message.from_wire(query).question[0].name.to_wire()
    assert asked_for
    start = bytes(6) + asked_for + b"\0\1\0\1"
    count = (65_535 - len(head) - len(start)) // 16
    records = b"".join(
        b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\5\x2d" + struct.pack("!H", at) for at in range(count)
    )
    return head + struct.pack("!H", count) + start[2:] + records


def test_an_answer_of_64_kb_is_bounded() -> None:
    answer = over_tcp(huge)
    assert len(answer.records) == stage.MAX_ANSWERS
    assert len(set(answer.records)) == stage.MAX_ANSWERS


def test_names_and_texts_are_clean_and_short() -> None:
    answer = over_tcp(
        lambda query: reply(
            query,
            r"name.example. 9 CNAME \027[2J\255\000\010" + "x" * 50 + ".example.",
            r"\027[2J\255\000\010"
            + "x" * 50
            + '.example. 9 TXT "'
            + "y" * 250
            + r'\027\226\128\174"',
        ),
        "TXT",
    )
    (alias,), (text,) = answer.cnames, answer.records
    assert alias.isprintable()
    assert alias.isascii()
    assert text.isprintable()
    assert len(text) <= 200


@pytest.mark.parametrize(
    "tail",
    [
        b"\xc0\x0c\0\5\0\1\0\0\0\x09\0\2\xc0\x2a",
        b"\xc0\xff\0\1\0\1\0\0\0\x09\0\4\5\x2d\x40\x09",
        b"\x40" + b"x" * 64 + b"\0\0\1\0\1\0\0\0\x09\0\4\5\x2d\x40\x09",
        b"\xc0\x0c\0\1\0\1\0\0\0\x09\xff\xff\5\x2d\x40\x09",
    ],
    ids=["points at itself", "points ahead", "label too long", "data too long"],
)
def test_a_malformed_answer_is_named_and_does_not_hang(tail: bytes) -> None:
    def make(query: bytes) -> bytes:
        asked_for = query[12 : query.index(b"\0\0\1\0\1", 12) + 5]
        return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked_for + tail

    with loopback.serving(stream(make)) as server:
        resolver = stage.Resolver("x", "tcp", ("127.0.0.1",), server.port)
        assert failure_of(stage.ask(resolver, "name.example", "A", 2.0)) == BAD_REPLY


def test_pointers_to_pointers_by_the_thousand_do_not_hang() -> None:
    """Every one of 3,000 owners leads through 8,000 pointers, were it followed."""

    def make(query: bytes) -> bytes:
        asked_for = query[12 : query.index(b"\0\0\1\0\1", 12) + 5]
        wire = query[:2] + b"\x81\x80\0\1" + bytes(6) + asked_for
        chain, at = b"", 12
        while (here := len(wire) + 11 + len(chain)) < 16_000:
            chain += struct.pack("!H", 0xC000 | at)
            at = here
        wire += b"\0" + struct.pack("!HHIH", 65_280, 1, 0, len(chain)) + chain
        one = struct.pack("!HHHIHI", 0xC000 | at, 1, 1, 9, 4, 0)
        count = (65_000 - len(wire)) // len(one)
        return wire[:6] + struct.pack("!H", count + 1) + wire[8:] + one * count

    with loopback.serving(stream(make)) as server:
        resolver = stage.Resolver("x", "tcp", ("127.0.0.1",), server.port)
        assert failure_of(stage.ask(resolver, "name.example", "A", 2.0)) == BAD_REPLY


def test_a_row_holds_what_an_answer_says_at_most() -> None:
    """The bounds here and those of a line of the file are the same."""
    limits = {
        name: next(one.max_length for one in field.metadata if hasattr(one, "max_length"))
        for name, field in Measurement.model_fields.items()
        if name in ("answers", "cnames", "ede", "also")
    }
    assert limits == {
        "answers": stage.MAX_ANSWERS,
        "also": stage.MAX_ANSWERS,
        "cnames": stage.MAX_CNAMES,
        "ede": stage.MAX_EDE,
    }
