"""From one run's rows to named findings, target by target. Pure: same rows in, same findings out.

A finding says what the rows of one run show of one target (or of a place that it redirects to), by
which rule, and on which lines it rests. ``interference`` is said only with an artefact; a failure
that a reference vantage does not share is a ``disruption``; what cannot be told is
``insufficient`` (SAFETY S17). The rules stand in ``rules.py``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from keepiton.base.bogons import is_bogon
from keepiton.base.connectivity import Connectivity
from keepiton.base.failures import SUSPECT
from keepiton.findings.types import Finding, FindingKind, NameAgreement
from keepiton.storage.rows import End, Measurement, Run

BROKEN_OFF = frozenset({*SUSPECT, "connection_refused"})
"""How connections end to an address that a filter blocks after an earlier connection."""
DENIED = frozenset({"dns_nxdomain_error", "dns_no_answer"})
CERTIFICATE = frozenset(
    {"ssl_unknown_authority", "ssl_invalid_hostname", "ssl_invalid_certificate"}
)
OWN: dict[str, FindingKind] = {
    "own_line": "own_line",
    "captive_portal": "captive_portal",
    "own_resolver": "resolver_trouble",
    "own_clock": "own_clock",
    "no_controls": "insufficient",
    "local_fault": "own_line",
}
"""What a row's own reason for being inconclusive makes of it."""
FROZEN_BYTES = 4096
"""A response that stops below is too short to show a limit; known limits lie at 16 to 20 kB."""
FROZEN_STALL = 0.5
"""Share of the time from the first byte on in which nothing came any more: a limit on bytes ends a
response at once, a limit on speed lets it go on."""
FROZEN_SPREAD = 0.25
"""How far apart, relative to the larger, two stops of one limit may lie: its unit is packets."""
SLOW_BYTES_S = 4000
"""Rate below which a page of some size counts as throttled: slower than a modem of 1994."""
SLOW_LEAST_BYTES = 16_384
SLOWER = 0.1
"""Share of the reference's rate below which a sample counts as throttled: a line's own speed and a
distance make less."""
PAGE_RATIO = 0.7
"""Two pages whose lengths have a smaller ratio differ (OONI's body proportion)."""
REFUSES = (403, 451)


@dataclass(frozen=True)
class NumberedRow:
    """A row and its line in the result file, counted from 1."""

    line: int
    row: Measurement


@dataclass
class Hop:
    """All rows of one target at one place: the target itself, or one that it redirects to."""

    number: int | None
    """Of the redirect that leads there, from 1; None is the target itself."""
    rows: list[NumberedRow] = field(default_factory=list)

    def of(self, stage: str, aside: str | None = None) -> list[NumberedRow]:
        """Return the rows of a stage, in order."""
        return [
            entry for entry in self.rows if entry.row.stage == stage and entry.row.aside == aside
        ]

    @cached_property
    def ends(self) -> list[NumberedRow]:
        """The last row of the last attempt at each address: where each chain ended."""
        last: dict[tuple[str | None, int | None, str | None], NumberedRow] = {}
        for entry in self.rows:
            row = entry.row
            if row.address and row.aside is None:
                transport = row.transport if row.stage == "dns" else None
                last[row.address, row.port, transport] = entry
        return list(last.values())

    @cached_property
    def answered(self) -> NumberedRow | None:
        """An end that was reached without anything wrong."""
        return next((entry for entry in self.ends if self._good(entry)), None)

    @cached_property
    def name(self) -> str:
        """The name that was looked up; empty without one."""
        asked = (entry.row.query for entry in self.of("dns") if entry.row.address is None)
        return (next(asked, "") or "").partition(" ")[0]

    def _good(self, end: NumberedRow) -> bool:
        return end.row.state == "ok" and not end.row.unverified and not end.row.fingerprint

    @cached_property
    def verified(self) -> dict[str, int]:
        """Addresses that showed a good certificate for the name, and the lines of it."""
        return {
            entry.row.address: entry.line
            for entry in self.rows
            if entry.row.stage == "tls" and entry.row.state == "ok" and entry.row.address
            if entry.row.aside in (None, "compare")
        }


def hops(rows: Iterable[NumberedRow]) -> dict[str, list[Hop]]:
    """Group rows by target and hop; controls judge the vantage's connectivity and are left out."""
    by_target: dict[str, dict[int, Hop]] = defaultdict(dict)
    for entry in rows:
        if entry.row.control is None:
            hops = by_target[entry.row.target]
            hops.setdefault(entry.row.hop or 0, Hop(entry.row.hop)).rows.append(entry)
    return {target: [hops[number] for number in sorted(hops)] for target, hops in by_target.items()}


Reference = dict[str, list[Hop]]
"""The hops of a run from a vantage that nothing interferes with, by target."""


@dataclass(frozen=True)
class KnownAddresses:
    """What is known of names and addresses beside the rows of one run."""

    addresses: Mapping[str, set[str]] = field(default_factory=dict)
    """The addresses of a name that other runs vouch for (see :func:`vouched`)."""
    origin: Callable[[str], int | None] = lambda _: None
    """Returns the AS that announces an address, None where that is not known."""


NOTHING_KNOWN = KnownAddresses()


def judge_run(
    run: Run,
    rows: Sequence[NumberedRow],
    end: End | None,
    reference: Reference,
    known: KnownAddresses = NOTHING_KNOWN,
) -> list[Finding]:
    """Judge every target of one run, beside the same target's rows of a reference if it has any.

    ``end`` is None when the run was cut off.
    """
    findings = []
    named: dict[str, NumberedRow] = {}
    for entry in rows:
        later = entry.row.stage in ("tls", "http") and entry.row.aside is None
        if (
            later
            and entry.row.failure in SUSPECT
            and entry.row.address
            and entry.row.control is None
        ):
            named.setdefault(entry.row.address, entry)
    for target, all_hops in hops(rows).items():
        others = {hop.number: hop for hop in reference.get(target, ())}
        for judge in _judge_target(all_hops, others, end, named, known):
            at = min(entry.row.at for entry in judge.rows) if judge.rows else run.started_at
            findings.append(judge.finding(run, target, at))
    return findings


@dataclass(frozen=True)
class FindingDraft:
    """A finding in the making."""

    kind: FindingKind
    rule: str
    rows: tuple[NumberedRow, ...]
    detail: str = ""
    artefact: str | None = None
    hop: int | None = None
    names: NameAgreement = "unknown"

    def finding(self, run: Run, target: str, at: datetime) -> Finding:
        """Return the finding of a run and a target."""
        return Finding(
            run=run.run,
            vantage=run.vantage,
            target=target,
            at=at,
            kind=self.kind,
            rule=self.rule,
            rows=tuple(sorted({entry.line for entry in self.rows})),
            detail=self.detail,
            artefact=self.artefact,
            hop=self.hop,
            names=self.names,
        )


def _judge_target(
    all_hops: list[Hop],
    others: dict[int | None, Hop],
    end: End | None,
    named: dict[str, NumberedRow],
    known: KnownAddresses,
) -> Iterator[FindingDraft]:
    last = all_hops[-1]
    for hop in all_hops:
        rules = set()
        names = names_agree(hop, known)
        for draft in _judge_hop(hop, others.get(hop.number), end, named, names, last=hop is last):
            rules.add(draft.rule)
            yield replace(draft, hop=hop.number, names=names)
        if "other_page" in rules:  # where that leads to is no longer the target's
            break
    no_route = [
        entry
        for hop in all_hops
        for entry in hop.rows
        if entry.row.reason == "no_route" and entry.row.family == 6  # noqa: PLR2004 - an IP version
    ]
    if no_route:
        yield FindingDraft(
            "no_ipv6", "no_route", tuple(no_route), "this machine has no way to IPv6"
        )


def _judge_hop(
    hop: Hop,
    other: Hop | None,
    end: End | None,
    named: dict[str, NumberedRow],
    names: NameAgreement,
    *,
    last: bool,
) -> Iterator[FindingDraft]:
    """``named`` holds, by address, the first connection that broke off after a name in it."""
    own = _own_trouble(hop, end)
    if own:
        yield own
        return
    artefacts = list(_artefacts(hop, other))
    yield from artefacts
    yield from _authorities(hop)
    good = hop.answered
    if good:
        if last or artefacts:
            yield _answered(hop, good, other)
            if not artefacts and names == "inconsistent":
                yield _other_address(hop)
        elif page := _other_page(hop, good, other):
            yield page
        yield from _side_measurements(hop, other)
        return
    if not artefacts:
        yield _residual_failures(hop, other, named) or _failed(hop, other)


def _own_trouble(hop: Hop, end: End | None) -> FindingDraft | None:
    """Say what this machine's own trouble makes of a hop that did not answer."""
    line = end.line if end else Connectivity.UNKNOWN
    if line is Connectivity.MIXED:
        detail = "the way out changed in mid-run: who answered or failed by which way is unknown"
        return FindingDraft("insufficient", "line_mixed", tuple(hop.rows), detail)
    if hop.answered and (line is not Connectivity.PORTAL or hop.verified):
        return None  # a portal answers for anybody, without a certificate
    if line.is_offline:
        kind: FindingKind = "own_line" if line is Connectivity.DOWN else "captive_portal"
        return FindingDraft(kind, f"line_{line}", tuple(hop.rows), "the own line was not usable")
    unknown = [entry for entry in hop.rows if entry.row.reason in OWN and entry.row.aside is None]
    if unknown and all(entry.row.state != "fail" for entry in hop.ends):
        reason = unknown[-1].row.reason or ""
        return FindingDraft(OWN[reason], reason, tuple(unknown))
    shown = [entry for entry in hop.rows if entry.row.state != "skipped"]
    if not shown:
        reason = hop.rows[-1].row.reason or "nothing"
        return FindingDraft("insufficient", "not_measured", tuple(hop.rows), f"skipped: {reason}")
    return None


def _answers(rows: Iterable[NumberedRow]) -> set[str]:
    return {
        text
        for entry in rows
        for text in entry.row.answers or ()
        if (entry.row.query or "").endswith(" A")
    }


def _artefacts(hop: Hop, other: Hop | None) -> Iterator[FindingDraft]:
    """Find artefacts: what shows interference on the path."""
    for entry in hop.rows:
        if entry.row.fingerprint and entry.row.aside is None:
            name = entry.row.fingerprint
            detail = f"the answer is the known {name}" + (
                f" ({entry.row.title})" if entry.row.title else ""
            )
            yield FindingDraft(
                "interference", "fingerprint", (entry,), detail, f"fingerprint:{name}"
            )
            break
    yield from _dns_artefacts(hop)
    yield from _certificate_artefacts(hop, other)
    for stage, word in (("tls", "sni"), ("http", "host")):
        broken = [
            entry for entry in hop.ends if entry.row.stage == stage and entry.row.failure in SUSPECT
        ]
        for entry in broken:
            if stage == "http" and _has_tls(hop, entry):
                continue
            neutral = [
                probe
                for probe in hop.rows
                if probe.row.aside == "neutral" and probe.row.address == entry.row.address
            ]
            if (
                neutral
                and neutral[-1].row.stage == stage
                and neutral[-1].row.failure not in SUSPECT
            ):
                how = SUSPECT[entry.row.failure or ""]
                detail = (
                    f"the same address answers for {neutral[-1].row.sni}, and not for this name"
                )
                yield FindingDraft(
                    "interference", f"{word}_only", (entry, *neutral), detail, f"{word} {how}"
                )
                return
    stops = [
        entry
        for entry in hop.of("http")
        if entry.row.failure == "generic_timeout_error" and entry.row.received
    ]
    sizes = [entry.row.received or 0 for entry in stops]
    if len(stops) > 1 and min(sizes) >= FROZEN_BYTES:
        size = f"{min(sizes)} to {max(sizes)} bytes"
        alike = max(sizes) - min(sizes) <= FROZEN_SPREAD * max(sizes)
        if alike and all(_stalled(entry.row) for entry in stops):
            detail = f"every response stopped after {size}"
            yield FindingDraft("interference", "frozen", tuple(stops), detail, "frozen")
        else:
            rates = [_rate(entry.row.received or 0, entry.row) for entry in stops]
            detail = f"responses of {size} did not end, {max(rates):.0f} bytes/s at the most"
            yield FindingDraft("throttled", "unfinished", tuple(stops), detail)


def _stalled(row: Measurement) -> bool:
    """Whether nothing came any more in most of the time of a response that did not end."""
    phases = row.phases or {}
    read, stall = phases.get("read", 0.0), phases.get("stall", 0.0)
    return stall >= FROZEN_STALL * (read + stall)


def _rate(size: int, row: Measurement) -> float:
    """Return the bytes a second of a response, from its first byte to its last."""
    read_ms = (row.phases or {}).get("read", 0.0)
    return size * 1000 / read_ms if read_ms else 0.0


def _has_tls(hop: Hop, end: NumberedRow) -> bool:
    return any(entry.row.address == end.row.address for entry in hop.of("tls"))


def _views(hop: Hop) -> Iterator[tuple[list[NumberedRow], list[NumberedRow]]]:
    """Yield what each own resolver said of the name, beside what all others said of it."""
    asked = [entry for entry in hop.of("dns") if entry.row.address is None]
    for label in dict.fromkeys(entry.row.resolver for entry in asked):
        mine = [entry for entry in asked if entry.row.resolver == label]
        others = [entry for entry in asked if entry.row.resolver != label and _of_one_family(entry)]
        yield mine, [*hop.of("dns", "compare"), *others]


def _of_one_family(entry: NumberedRow) -> bool:
    return (entry.row.query or "").endswith(" A")


def _forged(hop: Hop) -> tuple[NumberedRow, ...]:
    """Return what a server of the zone said over UDP and takes back over TCP, both rows.

    An address or a denial; a server that refuses or fails over UDP may just be tired.
    """
    servers = hop.of("dns", "authority")
    refers = {entry.row.address: entry for entry in servers if entry.row.transport == "tcp"}
    refers = {address: entry for address, entry in refers.items() if entry.row.referral}
    spoke = [
        entry
        for entry in servers
        if entry.row.transport == "udp" and (entry.row.answers or entry.row.failure in DENIED)
    ]
    forged = [entry for entry in spoke if entry.row.address in refers]
    return (*forged, *(refers[entry.row.address] for entry in forged))


def _dns_artefacts(hop: Hop) -> Iterator[FindingDraft]:
    forged = _forged(hop)
    if forged:
        detail = "a server of the zone answered over UDP what it does not say over TCP"
        yield FindingDraft("interference", "authority", forged, detail, "injected answer")
    for mine, others in _views(hop):
        drafts = list(_view_artefacts(hop, mine, others))
        yield from drafts
        if drafts:
            return


def _view_artefacts(
    hop: Hop, mine: list[NumberedRow], others: list[NumberedRow]
) -> Iterator[FindingDraft]:
    """Compare one resolver's answers with those of all others."""
    doubled = [entry for entry in mine if entry.row.also is not None or entry.row.also_rcode]
    if doubled:
        detail = "one question had two different answers"
        yield FindingDraft("interference", "injected", tuple(doubled), detail, "injected answer")
        return
    public = {address for address in _answers(others) if not _bogon(address)}
    bogus = [entry for entry in mine if entry.row.failure == "dns_bogon_error"]
    if bogus and public:
        detail = "the resolver gave a private or reserved address, another one a public one"
        yield FindingDraft("interference", "bogon", (*bogus, *others), detail, "bogon")
        return
    gave = _answers(mine)
    vouched = [
        hop.verified[address]
        for address in public
        if address in hop.verified and address not in gave
    ]
    lines = {entry.line: entry for entry in hop.rows}
    denied = [entry for entry in mine if entry.row.failure in DENIED]
    if denied and not gave and vouched:
        detail = "the resolver denies a name whose address, told by another, proves itself"
        rows = (*denied, *others, *(lines[line] for line in vouched))
        yield FindingDraft("interference", "denied", rows, detail, "forged answer")
    gone = [entry for entry in others if entry.row.failure == "dns_nxdomain_error"]
    if gave and gone and len(gone) == len(others) and not hop.verified:
        detail = "the resolver gives an address for a name that does not exist elsewhere"
        yield FindingDraft("interference", "ghost", (*mine, *gone), detail, "forged answer")


def _authorities(hop: Hop) -> Iterator[FindingDraft]:
    """Say when the zone's own servers at home and abroad do not agree that the name exists."""
    servers = hop.of("dns", "authority")
    known = {entry.row.resolver for entry in servers if entry.row.referral or entry.row.answers}
    denied = {entry.row.resolver for entry in servers if entry.row.failure in DENIED} - known
    if known and denied:
        detail = f"{', '.join(sorted(filter(None, denied)))} does not know the name, another does"
        yield FindingDraft("disruption", "authorities_differ", tuple(servers), detail)


def _certificate_artefacts(hop: Hop, other: Hop | None) -> Iterator[FindingDraft]:
    bad = [entry for entry in hop.of("tls") if entry.row.failure in CERTIFICATE]
    if not bad:
        return
    good = [entry for entry in hop.of("tls", "compare") if entry.row.state == "ok"]
    if not good and other:
        good = [entry for entry in other.of("tls") if entry.row.state == "ok"]
    if good:
        detail = (
            f"a certificate that does not verify ({bad[0].row.failure}), while one elsewhere does"
        )
        mine = tuple(entry for entry in good if entry in hop.rows)
        yield FindingDraft(
            "interference", "certificate", (*bad, *mine), detail, "forged certificate"
        )


def _bogon(text: str) -> bool:
    try:
        return is_bogon(text)
    except ValueError:
        return True


def names_agree(hop: Hop, known: KnownAddresses = NOTHING_KNOWN) -> NameAgreement:
    """Say how the answers for one name agree, each own resolver's beside all others'; the worst.

    ``injected``: one question had two answers. ``bogon``: a private or reserved address.
    ``inconsistent``: no address in common. That is only ``plausible`` when an address proves itself
    by its certificate, was given by others or proved itself in another run, or is of the same AS or
    /16: content networks answer by place and time (OONI's main source of false positives).
    """
    asked = [entry for entry in hop.of("dns") if entry.row.address is None]
    if _forged(hop) or any(entry.row.also is not None or entry.row.also_rcode for entry in asked):
        return "injected"
    if any(entry.row.failure == "dns_bogon_error" for entry in asked):
        return "bogon"
    agreements: set[NameAgreement] = set()
    for own_rows, others in _views(hop):
        mine, theirs = _answers(own_rows), _answers(others)
        if mine and theirs:
            agreements.add(
                _agree(
                    mine, theirs, set(hop.verified) | known.addresses.get(hop.name, set()), known
                )
            )
    order: tuple[NameAgreement, ...] = ("inconsistent", "plausible", "same", "unknown")
    return min(agreements, key=order.index, default="unknown")


def _agree(
    mine: set[str], theirs: set[str], proven: set[str], known: KnownAddresses
) -> NameAgreement:
    if mine & theirs:
        return "same"
    if mine & proven or {address.rsplit(".", 2)[0] for address in mine} & {
        address.rsplit(".", 2)[0] for address in theirs
    }:
        return "plausible"
    networks = set(map(known.origin, mine)) & set(map(known.origin, theirs)) - {None}
    return "plausible" if networks else "inconsistent"


def confirmed_addresses(
    rows: Iterable[NumberedRow], *, reference: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the names and addresses that one run vouches for, to be known beside other runs.

    What compared resolvers gave (of a reference: all resolvers), and what showed a certificate that
    verifies. What the own resolver alone says, again and again, proves nothing.
    """
    for all_hops in hops(rows).values():
        for hop in all_hops:
            vouching = hop.of("dns", "compare") + (hop.of("dns") if reference else [])
            for address in _answers(vouching) | set(hop.verified):
                yield hop.name, address


def _answered(hop: Hop, good: NumberedRow, other: Hop | None) -> FindingDraft:
    """Say what an answer is worth."""
    row = good.row
    if row.note != "challenge":  # that is for whom the server does not know, here and not there
        elsewhere = _other_page(hop, good, other)
        if elsewhere:
            return elsewhere
    if row.status in REFUSES or row.note in ("challenge", "http_451"):
        refusals = {"challenge": "wants to see a person", "http_451": "refuses for legal reasons"}
        detail = f"the server {refusals.get(row.note or '', 'refuses')} (status {row.status})"
        rule = row.note if row.note in refusals else f"status_{row.status}"
        return FindingDraft("server_refuses", rule, (good,), detail)
    size = row.body_length or 0
    rate = _rate(size, row)
    if size >= SLOW_LEAST_BYTES and 0 < rate < SLOW_BYTES_S:
        detail = f"{size} bytes at {rate:.0f} bytes/s"
        return FindingDraft("throttled", "slow", (good,), detail)
    details = [row.note] if row.note else []
    details += [
        f"not at {entry.row.address} ({entry.row.stage}: {entry.row.failure})"
        for entry in hop.ends
        if entry.row.state == "fail"
    ]
    return FindingDraft("reached", "answered", (good,), "; ".join(details))


def _other_page(hop: Hop, good: NumberedRow, other: Hop | None) -> FindingDraft | None:
    """Say when cleartext brought something else than the reference got."""
    expected = (
        next((entry for entry in other.ends if entry.row.stage == "http"), None) if other else None
    )
    row = good.row
    if row.stage != "http" or _has_tls(hop, good) or not expected or expected.row.state != "ok":
        return None
    lengths = sorted((row.body_length or 0, expected.row.body_length or 0))
    same = row.status == expected.row.status and row.location_host == expected.row.location_host
    if same and lengths[0] >= PAGE_RATIO * lengths[1]:
        return None
    detail = (
        f"another page than the reference saw: status {row.status} and {row.body_length} bytes,"
        f" not {expected.row.status} and {expected.row.body_length}"
    )
    return FindingDraft("disruption", "other_page", (good,), detail)


def _samples(hop: Hop | None) -> list[NumberedRow]:
    return hop.of("http", "throughput") if hop else []


def _other_address(hop: Hop) -> FindingDraft:
    asked = [entry for entry in hop.rows if entry.row.stage == "dns" and entry.row.answers]
    detail = (
        "resolvers disagree, and no certificate vouches for the address that answered: a server"
        " in between, or a content network that answers by place"
    )
    return FindingDraft("insufficient", "other_address", tuple(asked), detail)


def _side_measurements(hop: Hop, other: Hop | None) -> Iterator[FindingDraft]:
    """Say what an answering target failed at beside its chain."""
    for entry in hop.of("http", "throughput"):
        rate = _rate(entry.row.received or 0, entry.row)
        there = max(
            (_rate(sample.row.received or 0, sample.row) for sample in _samples(other)), default=0.0
        )
        if 0 < rate < SLOWER * there:
            detail = (
                f"a sample of {entry.row.received} bytes at {rate:.0f} bytes/s, not {there:.0f}"
            )
            yield FindingDraft("throttled", "sample", (entry,), detail)
    offers = any("h3" in (entry.row.headers or {}).get("alt-svc", "") for entry in hop.of("http"))
    lost = [entry for entry in hop.of("tls", "quic") if entry.row.failure in SUSPECT]
    if offers and lost:
        detail = "it offers HTTP/3 and does not answer over QUIC"
        yield FindingDraft("disruption", "quic_only", tuple(lost), detail)
    differs = [entry for entry in hop.of("tls") if entry.row.system_verdict]
    if differs:
        yield FindingDraft(
            "insufficient",
            "trust_stores_differ",
            tuple(differs),
            f"this machine's own trust store says: {differs[0].row.system_verdict}",
        )


def _own_failures(hop: Hop) -> list[NumberedRow]:
    return [entry for entry in hop.rows if entry.row.state == "fail" and entry.row.aside is None]


def _residual_failures(
    hop: Hop, other: Hop | None, named: dict[str, NumberedRow]
) -> FindingDraft | None:
    """Say when an address that had answered is dead after a name was sent to it.

    Some filters drop all that goes between two addresses for minutes after a name that they look
    for (residual censorship: Bock et al., "Your Censor is My Censor", 2021).
    """
    hit = [
        (entry, named[entry.row.address])
        for entry in hop.ends
        if entry.row.stage == "tcp"
        and entry.row.failure in BROKEN_OFF
        and entry.row.address in named
    ]
    hit = [(entry, before) for entry, before in hit if before.row.at < entry.row.at]
    if not hit:
        return None
    entry, before = hit[-1]
    whose = "its" if before.row.target == entry.row.target else f"{before.row.target}'s"
    detail = f"the address took connections until {whose} name was sent to it, and none afterwards"
    kind: FindingKind = "disruption" if other and other.answered else "insufficient"
    return FindingDraft(kind, "residual", (before, entry), detail)


def _failed(hop: Hop, other: Hop | None) -> FindingDraft:
    """Judge a failure without an artefact."""
    bad = [entry for entry in hop.ends if entry.row.state == "fail"]
    bad = bad or _own_failures(hop)
    rows = tuple(bad) or tuple(hop.rows)
    row = rows[-1].row
    refusing = row.status in REFUSES or row.note == "challenge"
    if row.unmet and refusing and not row.unverified:
        return _answered(hop, rows[-1], other)
    what = f"{row.stage}: {row.failure}"
    compared = hop.of("dns", "compare")
    addresses = _answers(compared)
    if row.stage == "dns" and row.address is None:
        if row.failure not in DENIED and row.failure != "dns_bogon_error" and addresses:
            by = next(
                (entry for entry in hop.rows if entry.row.aside == "compare" and entry.row.address),
                None,
            )
            way = " and the target answers there" if by and by.row.state == "ok" else ""
            detail = f"{what}; another resolver gives an address{way}"
            return FindingDraft("resolver_trouble", "resolver_only", (*rows, *compared), detail)
        if compared and all(entry.row.failure == row.failure for entry in compared):
            detail = f"{what}, from every resolver"
            rule = "no_such_name" if row.failure in DENIED else "every_resolver"
            return FindingDraft("broken_site", rule, (*rows, *compared), detail)
    elsewhere = [entry for entry in hop.rows if entry.row.aside == "compare" and entry.row.address]
    if elsewhere and elsewhere[-1].row.stage == "http" and elsewhere[-1].row.state == "ok":
        detail = f"{what}; the target answers at an address that another resolver gives"
        asked = [entry for entry in hop.of("dns") if entry.row.address is None]
        rows = (*asked, *compared, *rows, elsewhere[-1])
        return FindingDraft("disruption", "other_address_answers", rows, detail)
    if other and other.answered:
        if not (other.answered.row.unverified or other.answered.row.fingerprint):
            return FindingDraft("disruption", "reference_answered", rows, f"{what}, here only")
    elif other and (there := _own_failures(other)):
        detail = f"{what}, and for the reference: {there[-1].row.failure}"
        return FindingDraft("broken_site", "reference_fails_too", rows, detail)
    if row.failure == "ssl_invalid_certificate" or any(entry.row.unverified for entry in rows):
        kinds = {entry.row.failure for entry in hop.of("tls")}
        if "ssl_unknown_authority" not in kinds:
            return FindingDraft(
                "broken_site", "certificate", rows, ", ".join(sorted(filter(None, kinds)))
            )
    if row.failure == "http_invalid_redirect_location_host":
        return FindingDraft("broken_site", "redirect", rows, what)
    rule = f"unmet_{row.unmet}" if row.unmet else "nothing_to_compare"
    return FindingDraft("insufficient", rule, rows, what)
