"""The rules of findings: every name that a finding may have, its kind and when it holds.

The table of docs/reference/findings.md is made from this one, in this order.
"""

from typing import NamedTuple

from keepiton.findings.types import FindingKind


class Rule(NamedTuple):
    """One rule; a name may stand for two kinds."""

    kind: FindingKind
    name: str
    meaning: str
    """When the rule holds, for the documentation."""


RULES = (
    Rule(
        "reached",
        "answered",
        "an answer; the detail names addresses of the target that did not give one",
    ),
    Rule("server_refuses", "status_403", "the server itself refuses"),
    Rule(
        "server_refuses",
        "status_451",
        "as `http_451`, in rows without a note",
    ),
    Rule(
        "server_refuses",
        "http_451",
        "the server itself refuses for legal reasons",
    ),
    Rule("server_refuses", "challenge", "the server wants to see a person"),
    Rule(
        "interference",
        "fingerprint",
        "a known answer of an operator instead of the target's: artefact `fingerprint:<id>`",
    ),
    Rule(
        "interference",
        "bogon",
        "the resolver gave a private or reserved address where another gave a public one",
    ),
    Rule(
        "interference",
        "injected",
        "two different answers to one question within 0.3 s: artefact `injected answer`",
    ),
    Rule(
        "interference",
        "authority",
        "a server of the name's zone gave an address or a denial over UDP, and over TCP the servers"
        " to ask: `injected answer`",
    ),
    Rule(
        "interference",
        "denied",
        "the resolver denies a name, and the address that another gave shows a certificate for it:"
        " `forged answer`",
    ),
    Rule(
        "interference",
        "ghost",
        "the resolver gives an address for a name that no compared resolver knows: `forged answer`",
    ),
    Rule(
        "interference",
        "certificate",
        "a certificate that does not verify, while at an address that another resolver gave, or for"
        " the reference, one does: `forged certificate`",
    ),
    Rule(
        "interference",
        "sni_only",
        "a handshake broken off for this name (`reset`, `eof`, `drop`; `page`: something else than"
        " TLS), and not for another name at the same address",
    ),
    Rule(
        "interference",
        "host_only",
        "a request broken off for this name (`reset`, `eof`, `drop`), and not for another name at"
        " the same address",
    ),
    Rule(
        "interference",
        "frozen",
        "in every attempt the response stood still after nearly the same number of bytes, 4,096 or"
        " more",
    ),
    Rule(
        "throttled",
        "unfinished",
        "responses that went on to the end of their time; bytes and rate are given",
    ),
    Rule("throttled", "slow", "16 kB or more at less than 4 kB/s; bytes and rate are given"),
    Rule(
        "throttled",
        "sample",
        "a sample (`--throughput`) at less than a tenth of the reference's rate",
    ),
    Rule("disruption", "reference_answered", "it failed here and answered the reference"),
    Rule(
        "disruption",
        "other_address_answers",
        "the addresses that the own resolver gives fail, and one that another resolver gives"
        " answers from here",
    ),
    Rule(
        "disruption",
        "other_page",
        "over cleartext, another status or a page of another length (ratio below 0.7) than the"
        " reference got",
    ),
    Rule(
        "disruption",
        "residual",
        "the address took connections until a name was sent to it (this target's or another's), and"
        " none afterwards",
    ),
    Rule(
        "disruption",
        "authorities_differ",
        "of the zone's own servers, those at home do not know the name and those abroad do, or the"
        " reverse",
    ),
    Rule("disruption", "quic_only", "it offers HTTP/3 and is silent over QUIC"),
    Rule("broken_site", "no_such_name", "every resolver denies the name"),
    Rule("broken_site", "every_resolver", "every resolver fails in the same way"),
    Rule("broken_site", "reference_fails_too", "the reference fails too"),
    Rule("broken_site", "certificate", "a certificate that expired or is for another name"),
    Rule("broken_site", "redirect", "a redirect that leads nowhere"),
    Rule("resolver_trouble", "resolver_only", "the own resolver fails where another answers"),
    Rule("resolver_trouble", "own_resolver", "the own resolver does not answer any control"),
    Rule("own_line", "line_down", "this machine was offline"),
    Rule("own_line", "own_line", "this machine was offline when the target was asked"),
    Rule("own_line", "local_fault", "a fault of this machine"),
    Rule("captive_portal", "line_portal", "a captive portal answered for others"),
    Rule(
        "captive_portal",
        "captive_portal",
        "a captive portal answered for others when the target was asked",
    ),
    Rule("own_clock", "own_clock", "this machine's clock is too wrong to judge certificates"),
    Rule("no_ipv6", "no_route", "beside the others: this machine has no way to IPv6"),
    Rule("insufficient", "nothing_to_compare", "there is nothing to compare a failure with"),
    Rule("insufficient", "not_measured", "the target was skipped"),
    Rule("insufficient", "no_controls", "no control was there to judge this machine's line by"),
    Rule("insufficient", "unmet_status", "the status is not the one that the list expects"),
    Rule("insufficient", "unmet_body", "the body is not the one that the list expects"),
    Rule("insufficient", "unmet_contains", "the body lacks the text that the list expects"),
    Rule("insufficient", "residual", "as `residual` above, without a reference that answered"),
    Rule(
        "insufficient",
        "line_mixed",
        "the way out changed in mid-run (a VPN, another network): not even what answered says"
        " anything",
    ),
    Rule(
        "insufficient",
        "other_address",
        "beside `reached`: resolvers disagree, and no certificate vouches for the address that"
        " answered",
    ),
    Rule(
        "insufficient",
        "trust_stores_differ",
        "beside the others: this machine's own trust store judges the certificate otherwise",
    ),
)
