"""What may be done to a connection, one case each, and what must be said of it.

``OONI n`` are cases of OONI's own tests (probe-cli, ``internal/webconnectivityqa``), ``A n`` cases
that they lack, numbered as they were first written down; the rest are the same tricks in other
combinations. SITE and OTHER stand for two names of the case's own, AT and THERE for their
addresses, AT6 for the first one's second address.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Says = frozenset[tuple[str, str | None]]
"""Kinds of findings with their artefacts."""
WELL = 'return 200 "well\\n";'
BIG = "root FOLDER; try_files /big.txt =404;"
CHALLENGED = """\
if ($abroad) { return 200 "well\\n"; }
add_header Server cloudflare always; add_header CF-Mitigated challenge always;
return 503 "<title>Attention Required!</title>";"""
BLOCK_PAGE = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 37\r\nConnection: close\r\n\r\n"
    "<html><title>Access Denied</title></>"
)
MININFO = (
    "HTTP/1.1 302 Found\r\nLocation: https://www.a1.by/mininfo/x\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n"
)
RELAYED = frozenset({"reset", "eof", "hole", "page", "freeze"})
"""What the relay on loopback can do as well as the router."""
LOGIN = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlog in"


def says(*pairs: tuple[str, str | None]) -> Says:
    """Name what is found."""
    return frozenset(pairs)


def interference(artefact: str, *more: tuple[str, str | None]) -> Says:
    """Name interference by its artefact."""
    return says(("interference", artefact), *more)


INJECTED = ("interference", "injected answer")
"""What the zone's own servers show where every question over UDP is answered by somebody else."""
REACHED = says(("reached", None))
DISRUPTION = says(("disruption", None))
UNCLEAR = says(("insufficient", None))
BROKEN = says(("broken_site", None))
REFUSES = says(("server_refuses", None))


@dataclass(frozen=True)
class Case:
    """What a site is, what somebody does on the way to it, and what must be said."""

    source: str
    end: tuple[str, str | None] = ("http", None)
    """Stage and failure of the last row of the target's own chain."""
    found: Says = REACHED
    """What is found beside a reference vantage abroad that nothing lies in the way of."""
    alone: Says | None = None
    """What is found without it, if that is not the same."""
    rules: tuple[dict[str, Any], ...] = ()
    """The router's."""
    url: str = "https://SITE/"
    page: str = WELL
    """What the site answers, in nginx's words."""
    other: str = WELL
    shows: Literal["good", "expired", "foreign", "wrong"] = "good"
    """The site's certificate."""
    address: str | None = "AT"
    """What the name servers say of the site; "": nothing of this family; None: no such name."""
    six: bool = False
    """The site has an address of the other family as well."""
    hops: bool = False
    """Whether it is followed somewhere else."""
    rule: str | None = None
    """A rule that is among those of the findings."""
    line: str = "up"
    words: tuple[str, ...] = ()
    """More words on the command line; such a case has a run of its own."""
    alike: dict[str, Any] = field(default_factory=dict)
    """Fields of that last row."""

    @property
    def needs(self) -> str | None:
        """Say why it cannot be made on loopback, or None."""
        dos = {rule["do"] for rule in self.rules}
        if "forge" in dos or self.address == "127.0.0.1":
            return "on loopback every address looks forged"
        if self.six:
            return "loopback has only one address of the other family"
        subtle = any(rule.keys() & {"race", "seconds", "port"} for rule in self.rules)
        if subtle or dos - RELAYED:
            return "a socket cannot do to packets what a router can"
        return None


def on_name(do: str, **more: Any) -> tuple[dict[str, Any], ...]:  # noqa: ANN401 - a rule's fields
    """Do this to every flow in which the client names the site."""
    return ({"do": do, "text": "SITE", **more},)


def on_other(do: str) -> tuple[dict[str, Any], ...]:
    """Do this to every flow in which the client names the place that the site sends it to."""
    return ({"do": do, "text": "OTHER"},)


def forged(*answers: str, query: str = "SITE", **more: Any) -> tuple[dict[str, Any], ...]:  # noqa: ANN401 - likewise
    """Forge what any resolver says over UDP."""
    return ({"do": "forge", "query": query, "answers": answers, **more},)


def at(do: str, to: str = "AT", **more: Any) -> tuple[dict[str, Any], ...]:  # noqa: ANN401 - likewise
    """Do this to what goes to an address."""
    return ({"do": do, "to": to, **more},)


TO_HTTP, TO_HTTPS = "return 302 http://OTHER/;", "return 302 https://OTHER/;"
HTTP = "http://SITE/"
RESET, EOF, TIMEOUT = "connection_reset", "eof_error", "generic_timeout_error"

CASES: dict[str, Case] = {
    # Nothing is done; the site is as it is.
    "nothing, over HTTPS": Case("OONI 41, 8"),
    "nothing, over HTTP": Case("OONI 40", url=HTTP),
    "nothing, both families": Case("ours", six=True),
    "a name in another script": Case("OONI 21", url="http://SITE/", page=TO_HTTPS, hops=True),
    "32 MiB": Case(
        "OONI 23",
        url=HTTP,
        page="root FOLDER; try_files /large.bin =404;",
        alike={"truncated": True},
    ),
    "unknown authority": Case(
        "OONI 1",
        shows="foreign",
        found=BROKEN,
        alone=UNCLEAR,
        alike={"unverified": True},
    ),
    "expired certificate": Case("OONI 2", shows="expired", found=BROKEN),
    "certificate for another name": Case("OONI 3", shows="wrong", found=BROKEN, alone=UNCLEAR),
    "challenge, over HTTP": Case("OONI 5", url=HTTP, page=CHALLENGED, found=REFUSES),
    "challenge, over HTTPS": Case("OONI 6", page=CHALLENGED, found=REFUSES),
    "refuses for legal reasons": Case("A10", page="return 451;", found=REFUSES),
    "refuses": Case("A10", page="return 403;", found=REFUSES),
    "every resolver says loopback": Case(
        "OONI 25",
        ("dns", "dns_bogon_error"),
        BROKEN,
        url=HTTP,
        address="127.0.0.1",
    ),
    "no such name": Case("OONI 48", ("dns", "dns_nxdomain_error"), BROKEN, address=None),
    "nothing listens": Case(
        "OONI 50", ("tcp", "connection_refused"), BROKEN, UNCLEAR, url="http://SITE:444/"
    ),
    "down for everyone": Case(
        "A20",
        ("http", "eof_error"),
        BROKEN,
        UNCLEAR,
        url=HTTP,
        page="return 444;",
    ),
    "broken redirect, for the client only": Case(
        "OONI 27",
        ("http", "http_invalid_redirect_location_host"),
        DISRUPTION,
        BROKEN,
        url=HTTP,
        page='if ($abroad) { return 200 "well\\n"; } add_header Location "http://"; return 302;',
    ),
    "redirects without an end": Case(
        "OONI 38", url="http://SITE/", page="return 302 http://SITE/x$request_uri;", hops=True
    ),
    "redirect loop": Case("ours", url=HTTP, page="return 302 http://SITE/;"),
    # Names.
    "resolver lost the name": Case(
        "OONI 9",
        ("dns", "dns_nxdomain_error"),
        interference("forged answer"),
        rules=forged(to="RESOLVER"),
    ),
    "name without an address": Case(
        "OONI 9",
        ("dns", "dns_no_answer"),
        interference("forged answer"),
        rules=forged(rcode="NOERROR", to="RESOLVER"),
    ),
    "resolver fails for the name": Case(
        "ours",
        ("dns", "dns_servfail_error"),
        says(("resolver_trouble", None)),
        rules=forged(rcode="SERVFAIL", to="RESOLVER"),
    ),
    "private address": Case(
        "OONI 10",
        ("dns", "dns_bogon_error"),
        interference("bogon"),
        rules=forged("10.10.34.35", to="RESOLVER"),
    ),
    "loopback address, over HTTP": Case(
        "OONI 12",
        ("dns", "dns_bogon_error"),
        interference("bogon", INJECTED),
        url=HTTP,
        rules=forged("127.0.0.1"),
    ),
    "loopback address, over HTTPS": Case(
        "OONI 13",
        ("dns", "dns_bogon_error"),
        interference("bogon", INJECTED),
        rules=forged("127.0.0.1", "::1"),
    ),
    "another's address, over HTTPS": Case(
        "OONI 4", found=interference("forged certificate", INJECTED), rules=forged("THERE")
    ),
    "another's address, over HTTP": Case(
        "OONI 14",
        found=interference("injected answer", ("reached", None)),
        rule="authority",
        url=HTTP,
        rules=forged("PROXY"),
    ),
    "another's address from the resolver only, over HTTP": Case(
        "ours",
        found=says(("reached", None), ("insufficient", None)),
        rule="other_address",
        url=HTTP,
        rules=forged("PROXY", to="RESOLVER"),
    ),
    "name denied by whoever is asked over UDP": Case(
        "ours",
        ("dns", "dns_nxdomain_error"),
        interference("forged answer", INJECTED),
        rules=forged(),
    ),
    "name gone everywhere but here": Case(
        "OONI 16",
        found=interference("forged answer", ("reached", None)),
        url=HTTP,
        address=None,
        rules=forged("THERE"),
    ),
    "address of a known block page": Case(
        "ours",
        ("tcp", "connection_refused"),
        interference("fingerprint:mts-dns", INJECTED),
        url=HTTP,
        rules=(*forged("134.17.0.7"), *at("refuse", "134.17.0.7")),
    ),
    "forged answer first, true one later": Case(
        "A14",
        found=says(
            ("interference", "injected answer"),
            ("interference", "forged certificate"),
            ("reached", None),
        ),
        alone=interference("injected answer", ("reached", None)),
        rules=forged("AT", "THERE", race=True),
    ),
    "forged denial first, true answer later": Case(
        "A14",
        ("dns", "dns_nxdomain_error"),
        interference("injected answer"),
        rules=forged(race=True),
    ),
    "answers by one family private": Case(
        "ours",
        found=interference("bogon", INJECTED, ("reached", None)),
        rules=forged("AT", "fc00::5"),
    ),
    "every resolver gives another's address": Case(
        "ours",
        found=interference("forged certificate"),
        alone=UNCLEAR,
        rules=at("instead", instead="THERE"),
    ),
    "questions swallowed": Case(
        "ours",
        ("dns", TIMEOUT),
        says(("resolver_trouble", None)),
        rules=({"do": "mute", "query": "SITE"},),
    ),
    # Addresses.
    "dropped": Case(
        "OONI 42",
        ("tcp", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        at("drop", port=443),
    ),
    "refused by a reset": Case(
        "ours", ("tcp", "connection_refused"), DISRUPTION, UNCLEAR, at("refuse")
    ),
    "host unreachable": Case("ours", ("tcp", "host_unreachable"), DISRUPTION, UNCLEAR, at("host")),
    "network unreachable": Case(
        "ours", ("tcp", "network_unreachable"), DISRUPTION, UNCLEAR, at("network")
    ),
    "prohibited": Case("ours", ("tcp", "host_unreachable"), DISRUPTION, UNCLEAR, at("prohibited")),
    "one family dropped": Case("ours", ("tcp", TIMEOUT), rules=at("drop"), six=True),
    "both families dropped": Case(
        "ours",
        ("tcp", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        (*at("drop"), *at("drop", "AT6")),
        six=True,
    ),
    "both families prohibited": Case(
        "ours",
        ("tcp", "host_unreachable"),
        DISRUPTION,
        UNCLEAR,
        (*at("prohibited"), *at("prohibited", "AT6")),
        six=True,
    ),
    "the only family is the other, reset on the name": Case(
        "ours",
        ("tls", RESET),
        interference("sni reset"),
        rules=on_name("reset"),
        address="",
        six=True,
    ),
    "the only family is the other, dropped": Case(
        "ours",
        ("tcp", TIMEOUT),
        UNCLEAR,  # the reference has no way to that family
        rules=at("drop", "AT6"),
        address="",
        six=True,
    ),
    "silence once connected": Case(
        "ours", ("tls", TIMEOUT), DISRUPTION, UNCLEAR, at("hole", text="")
    ),
    "silence after the first kB of a handshake": Case(
        "ours", ("tls", TIMEOUT), DISRUPTION, UNCLEAR, at("freeze", nth_byte=500)
    ),
    "a sixth of all packets lost": Case("ours", rules=at("loss", share=0.16)),
    "400 ms late": Case("ours", rules=at("delay", ms=200)),
    # Names in handshakes and requests.
    "reset on the name in the handshake": Case(
        "OONI 46", ("tls", RESET), interference("sni reset"), rules=on_name("reset")
    ),
    "the same, original goes on": Case(
        "OONI 46",
        ("tls", RESET),
        interference("sni reset"),
        rules=on_name("reset", race=True),
    ),
    "the same, both families": Case(
        "ours", ("tls", RESET), interference("sni reset"), rules=on_name("reset"), six=True
    ),
    "close on the name in the handshake": Case(
        "ours", ("tls", EOF), interference("sni eof"), rules=on_name("eof")
    ),
    "silence on the name in the handshake": Case(
        "ours", ("tls", TIMEOUT), interference("sni drop"), rules=on_name("hole")
    ),
    "silence on the name, both families": Case(
        "ours", ("tls", TIMEOUT), interference("sni drop"), rules=on_name("hole"), six=True
    ),
    "page instead of a handshake": Case(
        "ours",
        ("tls", "unknown_failure: tls: first record does not look like a TLS handshake"),
        interference("sni page"),
        rules=on_name("page", page=BLOCK_PAGE),
    ),
    "reset of every handshake": Case(
        "ours",
        ("tls", RESET),
        DISRUPTION,
        UNCLEAR,
        (*on_name("reset"), {"do": "reset", "text": "example.net", "to": "AT"}),
    ),
    "dead for a while after the name": Case(
        "A12",
        ("tcp", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        on_name("reset", seconds=60),
        rule="residual",
    ),
    "reset on the Host": Case(
        "OONI 18", ("http", RESET), interference("host reset"), url=HTTP, rules=on_name("reset")
    ),
    "reset on the Host, both families": Case(
        "ours",
        ("http", RESET),
        interference("host reset"),
        url=HTTP,
        rules=on_name("reset"),
        six=True,
    ),
    "close on the Host": Case(
        "ours", ("http", EOF), interference("host eof"), url=HTTP, rules=on_name("eof")
    ),
    "silence on the Host": Case(
        "ours", ("http", TIMEOUT), interference("host drop"), url=HTTP, rules=on_name("hole")
    ),
    "redirect to an unknown block page": Case(
        "ours",
        found=DISRUPTION,
        alone=REACHED,
        url=HTTP,
        rules=on_name(
            "page", page="HTTP/1.1 302 Found\r\nLocation: http://OTHER/\r\n\r\n", to="AT"
        ),
        other='return 200 "<title>Access Denied</title>";',
        hops=True,
    ),
    "refused by a box, over HTTP": Case(
        "ours",
        found=DISRUPTION,
        alone=REFUSES,
        url=HTTP,
        rules=on_name("page", page="HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
    ),
    "unknown block page": Case(
        "OONI 19", found=DISRUPTION, alone=REACHED, url=HTTP, rules=on_name("page", page=BLOCK_PAGE)
    ),
    "known block page": Case(
        "A9",
        found=interference("fingerprint:a1-mininfo"),
        url=HTTP,
        rules=on_name("page", page=MININFO),
    ),
    # Later.
    "frozen after 16 kB, over HTTPS": Case(
        "A6",
        ("http", TIMEOUT),
        interference("frozen"),
        rules=at("freeze", nth_byte=16_384),
        page=BIG,
    ),
    "frozen after 16 kB, over HTTP": Case(
        "A6",
        ("http", TIMEOUT),
        interference("frozen"),
        url=HTTP,
        rules=at("freeze", nth_byte=16_384),
        page=BIG,
    ),
    "reset after 16 kB": Case(
        "ours",
        ("http", RESET),
        DISRUPTION,
        UNCLEAR,
        at("cut", nth_byte=16_384),
        page=BIG,
    ),
    "3 kB a second": Case(
        "OONI 44",
        ("http", TIMEOUT),
        says(("throttled", None)),
        rules=at("rate", bytes_s=3000),
        page=BIG,
    ),
    # Behind a redirect.
    "redirect": Case("ours", page=TO_HTTPS, hops=True),
    "redirect, then refused, over HTTP": Case(
        "OONI 29",
        found=DISRUPTION,
        alone=UNCLEAR,
        page=TO_HTTP,
        rules=at("refuse", "THERE"),
        hops=True,
    ),
    "redirect, then refused, over HTTPS": Case(
        "OONI 30",
        found=DISRUPTION,
        alone=UNCLEAR,
        page=TO_HTTPS,
        rules=at("refuse", "THERE"),
        hops=True,
    ),
    "redirect, then reset, over HTTP": Case(
        "OONI 31",
        found=interference("host reset"),
        page=TO_HTTP,
        rules=on_other("reset"),
        hops=True,
    ),
    "redirect, then reset, over HTTPS": Case(
        "OONI 32",
        found=interference("sni reset"),
        page=TO_HTTPS,
        rules=on_other("reset"),
        hops=True,
    ),
    "redirect, then no such name": Case(
        "OONI 33",
        found=interference("forged answer", INJECTED),
        page=TO_HTTPS,
        rules=forged(query="OTHER"),
        hops=True,
    ),
    "redirect, then closed, over HTTP": Case(
        "OONI 34",
        found=interference("host eof"),
        page=TO_HTTP,
        rules=on_other("eof"),
        hops=True,
    ),
    "redirect, then closed, over HTTPS": Case(
        "OONI 35",
        found=interference("sni eof"),
        page=TO_HTTPS,
        rules=on_other("eof"),
        hops=True,
    ),
    "redirect, then silence, over HTTP": Case(
        "OONI 36",
        found=interference("host drop"),
        page=TO_HTTP,
        rules=on_other("hole"),
        hops=True,
    ),
    "redirect, then silence, over HTTPS": Case(
        "OONI 37",
        found=interference("sni drop"),
        page=TO_HTTPS,
        rules=on_other("hole"),
        hops=True,
    ),
    # The vantage's own line, and what needs a run of its own.
    "QUIC dropped": Case(
        "A15",
        found=says(("reached", None), ("disruption", None)),
        rules=at("drop", port=443, protocol="udp"),
        page=f"""add_header Alt-Svc 'h3=":443"'; {WELL}""",
        words=("--quic",),
    ),
    "captive portal": Case(
        "A2",
        found=says(("captive_portal", None)),
        url=HTTP,
        rules=(
            {"do": "page", "text": "", "port": 80, "page": LOGIN},
            {"do": "refuse", "port": 443, "protocol": "tcp"},
        ),
        line="portal",
    ),
    "resolver dead": Case(
        "A7",
        ("dns", TIMEOUT),
        says(("resolver_trouble", None)),
        rules=({"do": "drop", "to": "RESOLVER", "port": 53},),
        line="resolver",
    ),
    "resolver refuses to talk": Case(
        "A7",
        ("dns", "connection_refused"),
        says(("resolver_trouble", None)),
        rules=({"do": "refuse", "to": "RESOLVER", "port": 53},),
        line="resolver",
    ),
    "everything abroad dropped": Case(
        "A3",
        ("tcp", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        tuple({"do": "drop", "to": to} for to in ("AT", "FOREIGN1", "FOREIGN2", "FOREIGN3", "DNS")),
        line="border",
    ),
    "everything dropped": Case(
        "A4, A1",
        ("dns", TIMEOUT),
        says(("own_line", None)),
        rules=({"do": "drop"},),
        line="down",
    ),
    # More combinations.
    "reset on the name in one family only": Case(
        "ours",
        ("tls", RESET),
        interference("sni reset", ("reached", None)),
        rules=on_name("reset", to="AT6"),
        six=True,
    ),
    "answers refused everywhere over UDP": Case(
        "ours",
        ("dns", "dns_refused_error"),
        says(("resolver_trouble", None)),
        rules=forged(rcode="REFUSED"),
    ),
    "resolver refuses the name": Case(
        "ours",
        ("dns", "dns_refused_error"),
        says(("resolver_trouble", None)),
        rules=forged(rcode="REFUSED", to="RESOLVER"),
    ),
    "forged address that is dead, from the resolver only": Case(
        "ours",
        ("tcp", "connection_refused"),
        DISRUPTION,
        rule="other_address_answers",
        rules=(*forged("THERE", to="RESOLVER"), *at("refuse", "THERE")),
    ),
    "forged address that is silent, over HTTP": Case(
        "ours",
        ("tcp", TIMEOUT),
        DISRUPTION,
        url=HTTP,
        rule="other_address_answers",
        rules=(*forged("THERE", to="RESOLVER"), *at("drop", "THERE")),
    ),
    "another's address that passes TLS on": Case(
        "ours",
        found=REACHED,
        rules=(*forged("THERE", to="RESOLVER"), {"do": "instead", "to": "THERE", "instead": "AT"}),
    ),
    "known block page behind a forged certificate": Case(
        "ours",
        found=says(
            ("interference", "fingerprint:a1-mininfo"), ("interference", "forged certificate")
        ),
        alone=says(("interference", "fingerprint:a1-mininfo")),
        rules=at("instead", instead="THERE"),
        other="return 302 https://www.a1.by/mininfo/x;",
    ),
    "reset in the middle of the handshake": Case(
        "ours",
        ("tls", RESET),
        DISRUPTION,
        UNCLEAR,
        at("cut", nth_byte=500),
    ),
    "reset in the first bytes of the answer": Case(
        "ours",
        ("http", RESET),
        DISRUPTION,
        UNCLEAR,
        at("cut", nth_byte=20),
        url=HTTP,
    ),
    "an alert instead of a handshake": Case(
        "ours",
        ("tls", "unknown_failure: remote error: tls: handshake failure"),
        DISRUPTION,
        UNCLEAR,
        on_name("page", page="\x15\x03\x03\x00\x02\x02\x28"),
    ),
    "upgrade to HTTPS, then reset on the name": Case(
        "ours",
        found=interference("sni reset"),
        url=HTTP,
        page='if ($scheme = http) { return 302 https://SITE/; } return 200 "well\\n";',
        rules=on_name("reset", port=443),
        hops=True,
    ),
    "upgrade to HTTPS, then dropped": Case(
        "ours",
        found=DISRUPTION,
        alone=UNCLEAR,
        url=HTTP,
        page='if ($scheme = http) { return 302 https://SITE/; } return 200 "well\\n";',
        rules=at("drop", port=443),
        hops=True,
    ),
    "close on the name, original goes on": Case(
        "ours",
        ("tls", EOF),
        interference("sni eof"),
        rules=on_name("eof", race=True),
    ),
    "dead for a while after the Host": Case(
        "A12",
        ("tcp", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        on_name("reset", seconds=60),
        url=HTTP,
        rule="residual",
    ),
    "silence after the name, then dead for a while": Case(
        "A12",
        ("tcp", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        on_name("hole", seconds=60),
        rule="residual",
    ),
    "handshake at 200 bytes a second": Case(
        "ours",
        ("tls", TIMEOUT),
        DISRUPTION,
        UNCLEAR,
        at("rate", bytes_s=200),
    ),
    "frozen after 8 kB, both families": Case(
        "ours",
        ("http", TIMEOUT),
        interference("frozen"),
        rules=(*at("freeze", nth_byte=8192), *at("freeze", "AT6", nth_byte=8192)),
        page=BIG,
        six=True,
    ),
    "redirect, then frozen": Case(
        "ours",
        found=interference("frozen"),
        page=TO_HTTPS,
        rules=at("freeze", "THERE", nth_byte=16_384),
        other=BIG,
        hops=True,
    ),
    "unknown block page over HTTPS by a forged certificate": Case(
        "ours",
        found=interference("forged certificate"),
        alone=UNCLEAR,
        rules=at("instead", instead="THERE"),
        other='return 200 "<title>Access Denied</title>";',
    ),
    "451 by a box, over HTTP": Case(
        "ours",
        found=DISRUPTION,
        alone=REFUSES,
        url=HTTP,
        rules=on_name("page", page="HTTP/1.1 451 No\r\nContent-Length: 0\r\n\r\n"),
    ),
    "questions over TCP dropped": Case(
        "ours",
        rules=({"do": "drop", "to": "DNS", "port": 53, "protocol": "tcp"},),
        words=("--confirm", "1"),
    ),
    "captive portal by redirect": Case(
        "A2",
        found=says(("captive_portal", None)),
        url=HTTP,
        rules=(
            {
                "do": "page",
                "text": "",
                "port": 80,
                "page": MININFO.replace("www.a1.by", "login.test"),
            },
            {"do": "refuse", "port": 443, "protocol": "tcp"},
        ),
        line="portal",
    ),
    "captive portal by names": Case(
        "A2",
        found=says(("captive_portal", None)),
        url=HTTP,
        rules=(
            {"do": "forge", "query": "*", "answers": ("THERE",)},
            {"do": "page", "text": "", "port": 80, "page": LOGIN},
            {"do": "refuse", "port": 443, "protocol": "tcp"},
        ),
        line="portal",
    ),
    "everything abroad rejected": Case(
        "A3",
        ("tcp", "host_unreachable"),
        DISRUPTION,
        UNCLEAR,
        tuple(
            {"do": "prohibited", "to": to}
            for to in ("AT", "FOREIGN1", "FOREIGN2", "FOREIGN3", "DNS")
        ),
        line="border",
    ),
    "everything rejected": Case(
        "A4",
        ("dns", "network_unreachable"),
        says(("own_line", None)),
        rules=({"do": "network"},),
        line="down",
    ),
    "resolver prohibited": Case(
        "A7",
        ("dns", "host_unreachable"),
        says(("resolver_trouble", None)),
        rules=({"do": "prohibited", "to": "RESOLVER", "port": 53},),
        line="resolver",
    ),
    "resolver denies every name": Case(
        "A7",
        ("dns", "dns_nxdomain_error"),
        says(("resolver_trouble", None)),
        rules=({"do": "forge", "query": "*", "to": "RESOLVER"},),
        line="resolver",
    ),
    "resolver gives one address for every name": Case(
        "A7",
        ("tcp", "connection_refused"),
        DISRUPTION,
        rules=(
            {"do": "forge", "query": "*", "to": "RESOLVER", "answers": ("THERE",)},
            *at("refuse", "THERE"),
        ),
        words=("--confirm", "1"),
    ),
    "resolver gives loopback for every name": Case(
        "A7",
        ("dns", "dns_bogon_error"),
        says(("resolver_trouble", None)),
        rules=({"do": "forge", "query": "*", "to": "RESOLVER", "answers": ("127.0.0.1",)},),
        line="resolver",
    ),
}
