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


_MEANINGS: dict[FindingKind, dict[str, str]] = {
    "reached": {
        "answered": "an answer; the detail names addresses of the target that did not give one",
    },
    "server_refuses": {
        "status_403": "the server itself refuses",
        "status_451": "as `http_451`, in rows without a note",
        "http_451": "the server itself refuses for legal reasons",
        "challenge": "the server wants to see a person",
    },
    "interference": {
        "fingerprint": "a known answer of an operator instead of the target's: artefact"
        " `fingerprint:<id>`",
        "bogon": "the resolver gave a private or reserved address where another gave a public one",
        "injected": "two different answers to one question within 0.3 s: artefact"
        " `injected answer`",
        "authority": "a server of the name's zone gave an address or a denial over UDP, and over"
        " TCP the servers to ask: `injected answer`",
        "denied": "the resolver denies a name, and the address that another gave shows a"
        " certificate for it: `forged answer`",
        "ghost": "the resolver gives an address for a name that no compared resolver knows: `forged"
        " answer`",
        "certificate": "a certificate that does not verify, while at an address that another"
        " resolver gave, or for the reference, one does: `forged certificate`",
        "sni_only": "a handshake broken off for this name (`reset`, `eof`, `drop`; `page`:"
        " something else than TLS), and not for another name at the same address",
        "host_only": "a request broken off for this name (`reset`, `eof`, `drop`), and not for"
        " another name at the same address",
        "frozen": "in every attempt the response stood still after nearly the same number of bytes,"
        " 4,096 or more",
    },
    "throttled": {
        "unfinished": "responses that went on to the end of their time; bytes and rate are given",
        "slow": "16 kB or more at less than 4 kB/s; bytes and rate are given",
        "sample": "a sample (`--throughput`) at less than a tenth of the reference's rate",
    },
    "disruption": {
        "reference_answered": "it failed here and answered the reference",
        "other_address_answers": "the addresses that the own resolver gives fail, and one that"
        " another resolver gives answers from here",
        "other_page": "over cleartext, another status or a page of another length (ratio below 0.7)"
        " than the reference got",
        "residual": "the address took connections until a name was sent to it (this target's or"
        " another's), and none afterwards",
        "authorities_differ": "of the zone's own servers, those at home do not know the name and"
        " those abroad do, or the reverse",
        "quic_only": "it offers HTTP/3 and is silent over QUIC",
    },
    "broken_site": {
        "no_such_name": "every resolver denies the name",
        "every_resolver": "every resolver fails in the same way",
        "reference_fails_too": "the reference fails too",
        "certificate": "a certificate that expired or is for another name",
        "redirect": "a redirect that leads nowhere",
    },
    "resolver_trouble": {
        "resolver_only": "the own resolver fails where another answers",
        "own_resolver": "the own resolver does not answer any control",
    },
    "own_line": {
        "line_down": "this machine was offline",
        "own_line": "this machine was offline when the target was asked",
        "local_fault": "a fault of this machine",
    },
    "captive_portal": {
        "line_portal": "a captive portal answered for others",
        "captive_portal": "a captive portal answered for others when the target was asked",
    },
    "own_clock": {
        "own_clock": "this machine's clock is too wrong to judge certificates",
    },
    "no_ipv6": {
        "no_route": "beside the others: this machine has no way to IPv6",
    },
    "insufficient": {
        "nothing_to_compare": "there is nothing to compare a failure with",
        "not_measured": "the target was skipped",
        "no_controls": "no control was there to judge this machine's line by",
        "unmet_status": "the status is not the one that the list expects",
        "unmet_body": "the body is not the one that the list expects",
        "unmet_contains": "the body lacks the text that the list expects",
        "residual": "as `residual` above, without a reference that answered",
        "line_mixed": "the default route changed in mid-run (a VPN, another network): not even what"
        " answered says anything",
        "other_address": "beside `reached`: resolvers disagree, and no certificate vouches for the"
        " address that answered",
        "trust_stores_differ": "beside the others: this machine's own trust store judges the"
        " certificate otherwise",
    },
}
RULES = tuple(
    Rule(kind, name, meaning)
    for kind, meanings in _MEANINGS.items()
    for name, meaning in meanings.items()
)
