"""Findings from rows: each rule with the rows that make it, and its nearest miss."""

import ast
import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepiton.findings import judge
from keepiton.findings.judge import (
    NOTHING_KNOWN,
    KnownAddresses,
    NumberedRow,
    confirmed_addresses,
    hops,
    judge_run,
    names_agree,
)
from keepiton.findings.rules import RULES
from keepiton.findings.types import Finding
from keepiton.lists.networks import origin
from keepiton.probe.failures import NOT_TLS
from keepiton.storage.rows import End, Measurement, Run

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
RUN = "0123456789ab"
HERE, THERE = "93.184.216.34", "104.154.89.105"
HEAD = Run(
    run=RUN,
    software={},
    vantage="v-test",
    perspective="inside",
    lists=(),
    targets=1,
    settings={},
    planned_at=AT,
    started_at=AT,
)


def row(stage: str, failure: str | None = None, **facts: Any) -> Measurement:  # noqa: ANN401
    if stage != "dns" and "address" not in facts:
        facts["address"] = HERE
    if facts.get("address"):
        facts.setdefault("port", 443)
    state = facts.pop("state", "fail" if failure else "ok")
    given = {"run": RUN, "target": "site", "at": AT, "stage": stage, "state": state}
    return Measurement.model_validate(given | {"failure": failure} | facts)


def dns(*answers: str, failure: str | None = None, **facts: Any) -> Measurement:  # noqa: ANN401
    given = {"query": "www.example.com A", "answers": answers} | facts
    return row("dns", failure, **given)


def doh(*answers: str, failure: str | None = None, **facts: Any) -> Measurement:  # noqa: ANN401
    return dns(*answers, failure=failure, aside="compare", **facts)


def ending(line: str = "up") -> End:
    return End.model_validate(
        {
            "run": RUN,
            "ended_at": AT,
            "reason": "finished",
            "measurements": 1,
            "states": {},
            "line": line,
            "sha256": "0" * 64,
        }
    )


def judged(
    rows: list[Measurement], reference: list[Measurement] | None = None, line: str = "up"
) -> list[Finding]:
    numbered = [NumberedRow(number, one) for number, one in enumerate(rows, 2)]
    others = hops(NumberedRow(number, one) for number, one in enumerate(reference or (), 2))
    found = judge_run(HEAD, numbered, ending(line), others)
    assert {(one.kind, one.rule) for one in found} <= {(rule.kind, rule.name) for rule in RULES}
    return found


def test_each_rule_stands_once_and_no_other_is_named_by_the_code() -> None:
    names = [(rule.kind, rule.name) for rule in RULES]
    assert len(names) == len(set(names))
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(judge)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FindingDraft"
    ]
    rules = [call.args[1] for call in calls]
    literal = {rule.value for rule in rules if isinstance(rule, ast.Constant)}
    assert literal
    assert literal <= {name for _, name in names}


def asked_of(
    role: str, failure: str | None = None, *, answers: tuple[str, ...] = (), over: str = "udp"
) -> Measurement:
    """Write the row of a question to a server of the name's zone: it refers, if nothing is said."""
    refers = ("ns.hoster.example.",) if not failure and not answers else None
    said = {"rcode": "NOERROR", "answers": answers, "referral": refers, "transport": over}
    at = {"address": "31.44.5.245", "port": 53, "resolver": role, "aside": "authority"}
    return dns(failure=failure, **(at | said))


WELL = [dns(HERE), doh(HERE), row("tcp"), row("tls"), row("http", status=200)]
RESET = [dns(HERE), row("tcp"), row("tls", "connection_reset")]
PLAIN = [row("tcp", port=80), row("http", "eof_error", port=80)]
FORGED = row("tls", "ssl_unknown_authority", address=THERE)
SAMPLE = row("http", aside="throughput", received=1_000_000, phases={"wait": 9.0, "read": 900.0})
UNVERIFIED = row("http", unverified=True, status=200, address=THERE)

CASES: dict[str, tuple[list[Measurement], set[tuple[str, str, str | None]]]] = {
    "well": (WELL, {("reached", "answered", None)}),
    "refuses": ([row("http", status=403)], {("server_refuses", "status_403", None)}),
    "challenge": (
        [row("http", status=503, note="challenge")],
        {("server_refuses", "challenge", None)},
    ),
    "block page": (
        [row("http", status=200, fingerprint="a1-mininfo")],
        {("interference", "fingerprint", "fingerprint:a1-mininfo")},
    ),
    "bogon": (
        [dns("10.10.34.35", failure="dns_bogon_error"), doh(HERE)],
        {("interference", "bogon", "bogon")},
    ),
    "bogon for all": (
        [
            dns("127.0.0.1", failure="dns_bogon_error"),
            doh("127.0.0.1", failure="dns_bogon_error"),
        ],
        {("broken_site", "every_resolver", None)},
    ),
    "bogon, nothing to compare": (
        [dns("10.10.34.35", failure="dns_bogon_error")],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "injected, and reached": (
        [dns(THERE, also=(HERE,)), *WELL[1:]],
        {("interference", "injected", "injected answer"), ("reached", "answered", None)},
    ),
    "denied, vouched for": (
        [
            dns(failure="dns_nxdomain_error"),
            doh(HERE),
            row("tcp", aside="compare"),
            row("tls", aside="compare"),
        ],
        {("interference", "denied", "forged answer")},
    ),
    "denied, not vouched for": (
        [dns(failure="dns_nxdomain_error"), doh(HERE)],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "gone": (
        [dns(failure="dns_nxdomain_error"), doh(failure="dns_nxdomain_error")],
        {("broken_site", "no_such_name", None)},
    ),
    "ghost": (
        [dns(THERE), doh(failure="dns_nxdomain_error"), row("http", address=THERE, port=80)],
        {("interference", "ghost", "forged answer"), ("reached", "answered", None)},
    ),
    "resolver dead": (
        [dns(failure="generic_timeout_error"), doh(HERE)],
        {("resolver_trouble", "resolver_only", None)},
    ),
    "forged certificate": (
        [dns(THERE), doh(HERE), FORGED, UNVERIFIED, row("tls", aside="compare")],
        {("interference", "certificate", "forged certificate")},
    ),
    "unknown authority for all that look": (
        [dns(THERE), doh(THERE), FORGED, UNVERIFIED],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "expired": (
        [row("tls", "ssl_invalid_certificate"), row("http", unverified=True)],
        {("broken_site", "certificate", None)},
    ),
    "name": (
        [*RESET, row("tls", aside="neutral", sni="example.net")],
        {("interference", "sni_only", "sni reset")},
    ),
    "name, refused by an alert": (
        [*RESET, row("tls", "ssl_invalid_hostname", aside="neutral")],
        {("interference", "sni_only", "sni reset")},
    ),
    "address": (
        [*RESET, row("tls", "connection_reset", aside="neutral")],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "Host": (
        [*PLAIN, row("http", aside="neutral", port=80, status=404)],
        {("interference", "host_only", "host eof")},
    ),
    "still going": (
        [
            row(
                "http",
                "generic_timeout_error",
                received=size,
                attempt=attempt,
                phases={"wait": 50.0, "read": 9900.0, "stall": 50.0},
            )
            for attempt, size in ((1, 30_000), (2, 30_500))
        ],
        {("throttled", "unfinished", None)},
    ),
    "one address of two": (
        [row("tcp", "connection_refused", address=THERE), *WELL],
        {("reached", "answered", None)},
    ),
    "an address that others do not give": (
        [dns(THERE), doh(HERE), row("http", port=80, address=THERE, status=200)],
        {("reached", "answered", None), ("insufficient", "other_address", None)},
    ),
    "a zone's server speaks over UDP as it does not over TCP": (
        [*WELL, asked_of("tld-ns-abroad", answers=(THERE,)), asked_of("tld-ns-abroad", over="tcp")],
        {("reached", "answered", None), ("interference", "authority", "injected answer")},
    ),
    "a zone's server that serves the name itself": (
        [
            *WELL,
            asked_of("tld-ns-abroad", answers=(HERE,)),
            asked_of("tld-ns-abroad", answers=(HERE,), over="tcp"),
        ],
        {("reached", "answered", None)},
    ),
    "unknown to the zone's servers at home": (
        [*WELL, asked_of("tld-ns-abroad"), asked_of("tld-ns-domestic", "dns_nxdomain_error")],
        {("reached", "answered", None), ("disruption", "authorities_differ", None)},
    ),
    "a denial at home that the server itself takes back": (
        [
            *WELL,
            asked_of("tld-ns-abroad"),
            asked_of("tld-ns-domestic", "dns_nxdomain_error"),
            asked_of("tld-ns-domestic", over="tcp"),
        ],
        {("reached", "answered", None), ("interference", "authority", "injected answer")},
    ),
    "a zone's server refuses over UDP only": (
        [
            *WELL,
            asked_of("tld-ns-abroad", "dns_refused_error"),
            asked_of("tld-ns-abroad", over="tcp"),
        ],
        {("reached", "answered", None)},
    ),
    "a zone's server is silent": (
        [*WELL, asked_of("tld-ns-abroad"), asked_of("tld-ns-domestic", "generic_timeout_error")],
        {("reached", "answered", None)},
    ),
    "only the resolver's address is dead": (
        [
            dns(THERE),
            doh(HERE),
            row("tcp", "connection_refused", address=THERE),
            *(row(stage, aside="compare") for stage in ("tcp", "tls", "http")),
        ],
        {("disruption", "other_address_answers", None)},
    ),
    "both addresses are dead": (
        [
            dns(THERE),
            doh(HERE),
            row("tcp", "connection_refused", address=THERE),
            row("tcp", "connection_refused", aside="compare"),
        ],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "another protocol for this name only": (
        [dns(HERE), row("tcp"), row("tls", NOT_TLS), row("tls", aside="neutral", sni="x")],
        {("interference", "sni_only", "sni page")},
    ),
    "another protocol for every name": (
        [dns(HERE), row("tcp"), row("tls", NOT_TLS), row("tls", NOT_TLS, aside="neutral")],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "dead after the name": (
        [RESET[-1], row("tcp", "generic_timeout_error", attempt=2, at=AT + timedelta(seconds=9))],
        {("insufficient", "residual", None)},
    ),
    "dead before the name": (
        [row("tcp", "generic_timeout_error", at=AT - timedelta(seconds=9)), RESET[-1]],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "another answer than expected": (
        [*WELL[:-1], row("http", "http_unexpected_status_code", unmet="status", status=500)],
        {("insufficient", "unmet_status", None)},
    ),
    "expected, and refused": (
        [*WELL[:-1], row("http", "http_unexpected_status_code", unmet="status", status=403)],
        {("server_refuses", "status_403", None)},
    ),
    "frozen": (
        [
            row("http", "generic_timeout_error", received=16000),
            row("http", "generic_timeout_error", received=16384, attempt=2),
        ],
        {("interference", "frozen", "frozen")},
    ),
    "slow": (
        [
            row("http", "generic_timeout_error", received=16000),
            row("http", "generic_timeout_error", received=90000, attempt=2),
        ],
        {("throttled", "unfinished", None)},
    ),
    "stopped a third apart": (
        [
            row("http", "generic_timeout_error", received=16000),
            row("http", "generic_timeout_error", received=24000, attempt=2),
        ],
        {("throttled", "unfinished", None)},
    ),
    "refused": ([row("tcp", "connection_refused")], {("insufficient", "nothing_to_compare", None)}),
    "no IPv6": (
        [
            *WELL,
            row(
                "tcp",
                "network_unreachable",
                address="2a00::1",
                family=6,
                state="inconclusive",
                reason="no_route",
            ),
        ],
        {("reached", "answered", None), ("no_ipv6", "no_route", None)},
    ),
    "own clock": (
        [row("tls", "ssl_invalid_certificate", state="inconclusive", reason="own_clock")],
        {("own_clock", "own_clock", None)},
    ),
    "skipped": (
        [row("tcp", state="skipped", reason="deadline")],
        {("insufficient", "not_measured", None)},
    ),
    "redirect to a block": (
        [*WELL, row("tcp", "connection_refused", hop=1)],
        {("insufficient", "nothing_to_compare", None)},
    ),
    "HTTP/3 only": (
        [
            *WELL[:-1],
            row("http", status=200, headers={"alt-svc": 'h3=":443"'}),
            row("tls", "generic_timeout_error", aside="quic"),
        ],
        {("reached", "answered", None), ("disruption", "quic_only", None)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_rule_and_its_nearest_miss(name: str) -> None:
    rows, wanted = CASES[name]
    found = judged(rows)
    assert {(one.kind, one.rule, one.artefact) for one in found} == wanted
    assert all(one.rows and max(one.rows) < len(rows) + 2 for one in found)
    assert all(one.artefact for one in found if one.kind == "interference")


def test_a_reference_tells_a_disruption_from_a_broken_site() -> None:
    refused = [row("tcp", "connection_refused")]
    assert judged(refused, [row("tcp")])[0].kind == "disruption"
    assert judged(refused, refused)[0].rule == "reference_fails_too"
    assert judged(refused, [])[0].kind == "insufficient"
    without = [row("tcp", "network_unreachable", state="inconclusive", reason="no_route")]
    assert judged(refused, without)[0].kind == "insufficient", "the reference could not look"
    forged = [FORGED, UNVERIFIED]
    assert judged(forged, [row("tls"), row("http")])[0].artefact == "forged certificate"
    dead = [*RESET[-1:], row("tcp", "generic_timeout_error", at=AT + timedelta(seconds=9))]
    assert [(one.kind, one.rule) for one in judged(dead, WELL)] == [("disruption", "residual")]
    whole_sample = [*WELL, SAMPLE]
    slow_sample = [*WELL, SAMPLE.model_copy(update={"received": 50_000})]
    assert {one.rule for one in judged(slow_sample, whole_sample)} == {"answered", "sample"}
    assert {one.rule for one in judged(whole_sample, slow_sample)} == {"answered"}
    for received, rules in ((90_000, {"answered", "sample"}), (110_000, {"answered"})):
        sample = SAMPLE.model_copy(update={"received": received})
        told = {one.rule for one in judged([*WELL, sample], whole_sample)}
        assert told == rules, "a tenth of the reference's rate is the limit"
    page = [row("http", port=80, status=200, body_length=188)]
    whole = [row("http", port=80, status=200, body_length=1533)]
    assert judged(page, whole)[0].rule == "other_page"
    assert judged(whole, whole)[0].kind == "reached"


@pytest.mark.parametrize(
    ("line", "kind"),
    [("down", "own_line"), ("portal", "captive_portal"), ("mixed", "insufficient")],
)
def test_a_bad_own_line_accuses_nobody(line: str, kind: str) -> None:
    rows = [*RESET, row("tls", aside="neutral")]
    assert [one.kind for one in judged(rows, line=line)] == [kind]


def agree(*rows: Measurement, known: KnownAddresses = NOTHING_KNOWN) -> str:
    (leg,) = hops(NumberedRow(number, one) for number, one in enumerate(rows))["site"]
    return names_agree(leg, known)


def test_answers_of_content_networks_are_plausible_and_a_certificate_vouches() -> None:
    assert agree(dns(HERE), doh(HERE, THERE)) == "same"
    assert agree(dns("93.184.9.9"), doh(HERE)) == "plausible"
    assert agree(dns(THERE), doh(HERE)) == "inconsistent"
    assert agree(dns(THERE), doh(HERE), row("tls", address=THERE)) == "plausible"
    assert agree(dns(THERE)) == "unknown"
    assert agree(dns(THERE, also=(HERE,)), doh(HERE)) == "injected"
    assert agree(dns("10.0.0.1", failure="dns_bogon_error"), doh(HERE)) == "bogon"


def test_addresses_of_one_network_are_plausible() -> None:
    """The shipped prefixes know the operators' own; of all others nothing is said."""
    known = KnownAddresses(origin=origin)
    assert (origin("178.120.0.1"), origin("2a00:c827:a:2::2"), origin(HERE)) == (6697, 60330, None)
    assert (origin("2a02:e300::1"), origin("2a02:e300:1::1")) == (60280, 35647), (
        "the longest prefix"
    )
    assert agree(dns("178.120.0.1"), doh("37.44.64.1"), known=known) == "plausible"
    assert agree(dns("178.120.0.1"), doh("93.125.25.72"), known=known) == "inconsistent"
    assert agree(dns(THERE), doh(HERE), known=known) == "inconsistent"


def test_what_others_gave_before_is_plausible_and_what_the_resolver_itself_said_is_not() -> None:
    def before(*rows: Measurement, reference: bool = False) -> KnownAddresses:
        numbered = [NumberedRow(number, one) for number, one in enumerate(rows)]
        given: dict[str, set[str]] = {}
        for name, address in confirmed_addresses(numbered, reference=reference):
            given.setdefault(name, set()).add(address)
        return KnownAddresses(given)

    def now(known: KnownAddresses) -> str:
        return agree(dns(THERE), doh(HERE), known=known)

    assert now(before(dns(HERE), doh(THERE))) == "plausible"
    assert now(before(dns(THERE), row("tls", address=THERE))) == "plausible"
    assert now(before(dns(THERE), reference=True)) == "plausible"
    assert now(before(dns(THERE), doh(HERE))) == "inconsistent"
    other = {"query": "other.example A"}
    assert now(before(dns(THERE, **other), doh(THERE, **other))) == "inconsistent"


def test_every_resolver_is_compared_by_itself() -> None:
    """An honest one beside it must not hide what the other says."""
    honest = dns(HERE, resolver="9.9.9.9")
    bogus = dns("10.10.34.35", failure="dns_bogon_error", resolver="system")
    denied = dns(failure="dns_nxdomain_error", resolver="system")
    assert agree(dns(THERE, resolver="system"), honest) == "inconsistent"
    assert [(one.rule, one.names) for one in judged([bogus, honest, *WELL[2:]])] == [
        ("bogon", "bogon"),
        ("answered", "bogon"),
    ]
    assert {one.artefact for one in judged([denied, honest, *WELL[2:]])} == {"forged answer", None}
    assert {one.artefact for one in judged([honest, honest, *WELL[2:]])} == {None}
