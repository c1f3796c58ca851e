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
"""How connections end to an address that is being punished for an earlier one."""
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
    """All rows of one target on the way to one place: the target itself, or a hop."""

    hop: int | None
    rows: list[NumberedRow] = field(default_factory=list)

    def of(self, stage: str, aside: str | None = None) -> list[NumberedRow]:
        """Return the rows of a stage, in order."""
        return [one for one in self.rows if one.row.stage == stage and one.row.aside == aside]

    @cached_property
    def ends(self) -> list[NumberedRow]:
        """The last row of the last attempt at each address: where each chain ended."""
        last: dict[tuple[str | None, int | None, str | None], NumberedRow] = {}
        for one in self.rows:
            row = one.row
            if row.address and row.aside is None:
                transport = row.transport if row.stage == "dns" else None
                last[row.address, row.port, transport] = one
        return list(last.values())

    @cached_property
    def answered(self) -> NumberedRow | None:
        """An end that was reached without anything wrong."""
        return next((one for one in self.ends if self._good(one)), None)

    @cached_property
    def name(self) -> str:
        """The name that was looked up; empty without one."""
        asked = (one.row.query for one in self.of("dns") if one.row.address is None)
        return (next(asked, "") or "").partition(" ")[0]

    def _good(self, end: NumberedRow) -> bool:
        return end.row.state == "ok" and not end.row.unverified and not end.row.fingerprint

    @cached_property
    def verified(self) -> dict[str, int]:
        """Addresses that showed a good certificate for the name, and the lines of it."""
        return {
            one.row.address: one.line
            for one in self.rows
            if one.row.stage == "tls" and one.row.state == "ok" and one.row.address
            if one.row.aside in (None, "compare")
        }


def hops(rows: Iterable[NumberedRow]) -> dict[str, list[Hop]]:
    """Group rows by target and hop; controls speak of the own line and are left out."""
    found: dict[str, dict[int, Hop]] = defaultdict(dict)
    for one in rows:
        if one.row.control is None:
            hops = found[one.row.target]
            hops.setdefault(one.row.hop or 0, Hop(one.row.hop)).rows.append(one)
    return {target: [hops[number] for number in sorted(hops)] for target, hops in found.items()}


Reference = dict[str, list[Hop]]
"""The legs of a run from a vantage that nothing lies in the way of, by target."""


@dataclass(frozen=True)
class KnownAddresses:
    """What is known of names and addresses beside the rows of one run."""

    given: Mapping[str, set[str]] = field(default_factory=dict)
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
    found = []
    named: dict[str, NumberedRow] = {}
    for one in rows:
        later = one.row.stage in ("tls", "http") and one.row.aside is None
        if later and one.row.failure in SUSPECT and one.row.address and one.row.control is None:
            named.setdefault(one.row.address, one)
    for target, all_legs in hops(rows).items():
        others = {leg.hop: leg for leg in reference.get(target, ())}
        for judge in _judge_target(all_legs, others, end, named, known):
            at = min(one.row.at for one in judge.rows) if judge.rows else run.started_at
            found.append(judge.finding(run, target, at))
    return found


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
            rows=tuple(sorted({one.line for one in self.rows})),
            detail=self.detail,
            artefact=self.artefact,
            hop=self.hop,
            names=self.names,
        )


def _judge_target(
    all_legs: list[Hop],
    others: dict[int | None, Hop],
    end: End | None,
    named: dict[str, NumberedRow],
    known: KnownAddresses,
) -> Iterator[FindingDraft]:
    last = all_legs[-1]
    for leg in all_legs:
        rules = set()
        names = names_agree(leg, known)
        for said in _judge_hop(leg, others.get(leg.hop), end, named, names, last=leg is last):
            rules.add(said.rule)
            yield replace(said, hop=leg.hop, names=names)
        if "other_page" in rules:  # where that leads to is no longer the target's
            break
    no_route = [
        one
        for leg in all_legs
        for one in leg.rows
        if one.row.reason == "no_route" and one.row.family == 6  # noqa: PLR2004 - an IP version
    ]
    if no_route:
        yield FindingDraft(
            "no_ipv6", "no_route", tuple(no_route), "this machine has no way to IPv6"
        )


def _judge_hop(
    leg: Hop,
    other: Hop | None,
    end: End | None,
    named: dict[str, NumberedRow],
    names: NameAgreement,
    *,
    last: bool,
) -> Iterator[FindingDraft]:
    """``named`` holds, by address, the first connection that broke off after a name in it."""
    own = _own_trouble(leg, end)
    if own:
        yield own
        return
    artefacts = list(_artefacts(leg, other))
    yield from artefacts
    yield from _authorities(leg)
    good = leg.answered
    if good:
        if last or artefacts:
            yield _answered(leg, good, other)
            if not artefacts and names == "inconsistent":
                yield _other_address(leg)
        elif page := _other_page(leg, good, other):
            yield page
        yield from _side_measurements(leg, other)
        return
    if not artefacts:
        yield _residual_failures(leg, other, named) or _failed(leg, other)


def _own_trouble(leg: Hop, end: End | None) -> FindingDraft | None:
    """Say what this machine's own trouble makes of a leg that did not answer."""
    line = end.line if end else Connectivity.UNKNOWN
    if line is Connectivity.MIXED:
        detail = "the way out changed in mid-run: who answered or failed by which way is unknown"
        return FindingDraft("insufficient", "line_mixed", tuple(leg.rows), detail)
    if leg.answered and (line is not Connectivity.PORTAL or leg.verified):
        return None  # a portal answers for anybody, without a certificate
    if line.is_offline:
        kind: FindingKind = "own_line" if line is Connectivity.DOWN else "captive_portal"
        return FindingDraft(kind, f"line_{line}", tuple(leg.rows), "the own line was not usable")
    unknown = [one for one in leg.rows if one.row.reason in OWN and one.row.aside is None]
    if unknown and all(one.row.state != "fail" for one in leg.ends):
        reason = unknown[-1].row.reason or ""
        return FindingDraft(OWN[reason], reason, tuple(unknown))
    shown = [one for one in leg.rows if one.row.state != "skipped"]
    if not shown:
        reason = leg.rows[-1].row.reason or "nothing"
        return FindingDraft("insufficient", "not_measured", tuple(leg.rows), f"skipped: {reason}")
    return None


def _answers(rows: Iterable[NumberedRow]) -> set[str]:
    return {
        text
        for one in rows
        for text in one.row.answers or ()
        if (one.row.query or "").endswith(" A")
    }


def _artefacts(leg: Hop, other: Hop | None) -> Iterator[FindingDraft]:
    """Find what shows that somebody in between had a hand in it."""
    for one in leg.rows:
        if one.row.fingerprint and one.row.aside is None:
            name = one.row.fingerprint
            detail = f"the answer is the known {name}" + (
                f" ({one.row.title})" if one.row.title else ""
            )
            yield FindingDraft("interference", "fingerprint", (one,), detail, f"fingerprint:{name}")
            break
    yield from _dns_artefacts(leg)
    yield from _certificate_artefacts(leg, other)
    for stage, word in (("tls", "sni"), ("http", "host")):
        broken = [one for one in leg.ends if one.row.stage == stage and one.row.failure in SUSPECT]
        for one in broken:
            if stage == "http" and _has_tls(leg, one):
                continue
            neutral = [
                two
                for two in leg.rows
                if two.row.aside == "neutral" and two.row.address == one.row.address
            ]
            if (
                neutral
                and neutral[-1].row.stage == stage
                and neutral[-1].row.failure not in SUSPECT
            ):
                how = SUSPECT[one.row.failure or ""]
                detail = (
                    f"the same address answers for {neutral[-1].row.sni}, and not for this name"
                )
                yield FindingDraft(
                    "interference", f"{word}_only", (one, *neutral), detail, f"{word} {how}"
                )
                return
    stops = [
        one
        for one in leg.of("http")
        if one.row.failure == "generic_timeout_error" and one.row.received
    ]
    sizes = [one.row.received or 0 for one in stops]
    if len(stops) > 1 and min(sizes) >= FROZEN_BYTES:
        size = f"{min(sizes)} to {max(sizes)} bytes"
        alike = max(sizes) - min(sizes) <= FROZEN_SPREAD * max(sizes)
        if alike and all(_stalled(one.row) for one in stops):
            detail = f"every response stopped after {size}"
            yield FindingDraft("interference", "frozen", tuple(stops), detail, "frozen")
        else:
            rates = [_rate(one.row.received or 0, one.row) for one in stops]
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


def _has_tls(leg: Hop, end: NumberedRow) -> bool:
    return any(one.row.address == end.row.address for one in leg.of("tls"))


def _views(leg: Hop) -> Iterator[tuple[list[NumberedRow], list[NumberedRow]]]:
    """Yield what each own resolver said of the name, beside what all others said of it."""
    asked = [one for one in leg.of("dns") if one.row.address is None]
    for label in dict.fromkeys(one.row.resolver for one in asked):
        mine = [one for one in asked if one.row.resolver == label]
        others = [one for one in asked if one.row.resolver != label and _of_one_family(one)]
        yield mine, [*leg.of("dns", "compare"), *others]


def _of_one_family(one: NumberedRow) -> bool:
    return (one.row.query or "").endswith(" A")


def _forged(leg: Hop) -> tuple[NumberedRow, ...]:
    """Return what a server of the zone said over UDP and takes back over TCP, both rows.

    An address or a denial; a server that refuses or fails over UDP may just be tired.
    """
    servers = leg.of("dns", "authority")
    refers = {one.row.address: one for one in servers if one.row.transport == "tcp"}
    refers = {address: one for address, one in refers.items() if one.row.referral}
    spoke = [
        one
        for one in servers
        if one.row.transport == "udp" and (one.row.answers or one.row.failure in DENIED)
    ]
    forged = [one for one in spoke if one.row.address in refers]
    return (*forged, *(refers[one.row.address] for one in forged))


def _dns_artefacts(leg: Hop) -> Iterator[FindingDraft]:
    forged = _forged(leg)
    if forged:
        detail = "a server of the zone answered over UDP what it does not say over TCP"
        yield FindingDraft("interference", "authority", forged, detail, "injected answer")
    for mine, others in _views(leg):
        said = list(_view_artefacts(leg, mine, others))
        yield from said
        if said:
            return


def _view_artefacts(
    leg: Hop, mine: list[NumberedRow], others: list[NumberedRow]
) -> Iterator[FindingDraft]:
    """Compare one resolver's answers with those of all others."""
    two = [one for one in mine if one.row.also is not None or one.row.also_rcode]
    if two:
        detail = "one question had two different answers"
        yield FindingDraft("interference", "injected", tuple(two), detail, "injected answer")
        return
    told = {one for one in _answers(others) if not _bogon(one)}
    bogus = [one for one in mine if one.row.failure == "dns_bogon_error"]
    if bogus and told:
        detail = "the resolver gave a private or reserved address, another one a public one"
        yield FindingDraft("interference", "bogon", (*bogus, *others), detail, "bogon")
        return
    gave = _answers(mine)
    vouched = [leg.verified[one] for one in told if one in leg.verified and one not in gave]
    lines = {one.line: one for one in leg.rows}
    denied = [one for one in mine if one.row.failure in DENIED]
    if denied and not gave and vouched:
        detail = "the resolver denies a name whose address, told by another, proves itself"
        rows = (*denied, *others, *(lines[line] for line in vouched))
        yield FindingDraft("interference", "denied", rows, detail, "forged answer")
    gone = [one for one in others if one.row.failure == "dns_nxdomain_error"]
    if gave and gone and len(gone) == len(others) and not leg.verified:
        detail = "the resolver gives an address for a name that does not exist elsewhere"
        yield FindingDraft("interference", "ghost", (*mine, *gone), detail, "forged answer")


def _authorities(leg: Hop) -> Iterator[FindingDraft]:
    """Say when the zone's own servers at home and abroad do not agree that the name exists."""
    servers = leg.of("dns", "authority")
    known = {one.row.resolver for one in servers if one.row.referral or one.row.answers}
    denied = {one.row.resolver for one in servers if one.row.failure in DENIED} - known
    if known and denied:
        detail = f"{', '.join(sorted(filter(None, denied)))} does not know the name, another does"
        yield FindingDraft("disruption", "authorities_differ", tuple(servers), detail)


def _certificate_artefacts(leg: Hop, other: Hop | None) -> Iterator[FindingDraft]:
    bad = [one for one in leg.of("tls") if one.row.failure in CERTIFICATE]
    if not bad:
        return
    good = [one for one in leg.of("tls", "compare") if one.row.state == "ok"]
    if not good and other:
        good = [one for one in other.of("tls") if one.row.state == "ok"]
    if good:
        detail = (
            f"a certificate that does not verify ({bad[0].row.failure}), while one elsewhere does"
        )
        mine = tuple(one for one in good if one in leg.rows)
        yield FindingDraft(
            "interference", "certificate", (*bad, *mine), detail, "forged certificate"
        )


def _bogon(text: str) -> bool:
    try:
        return is_bogon(text)
    except ValueError:
        return True


def names_agree(leg: Hop, known: KnownAddresses = NOTHING_KNOWN) -> NameAgreement:
    """Say how the answers for one name agree, each own resolver's beside all others'; the worst.

    ``injected``: one question had two answers. ``bogon``: a private or reserved address.
    ``inconsistent``: no address in common. That is only ``plausible`` when an address proves itself
    by its certificate, was given by others or proved itself in another run, or is of the same AS or
    /16: content networks answer by place and time (OONI's main source of false positives).
    """
    asked = [one for one in leg.of("dns") if one.row.address is None]
    if _forged(leg) or any(one.row.also is not None or one.row.also_rcode for one in asked):
        return "injected"
    if any(one.row.failure == "dns_bogon_error" for one in asked):
        return "bogon"
    found: set[NameAgreement] = set()
    for one, others in _views(leg):
        mine, theirs = _answers(one), _answers(others)
        if mine and theirs:
            found.add(
                _agree(mine, theirs, set(leg.verified) | known.given.get(leg.name, set()), known)
            )
    order: tuple[NameAgreement, ...] = ("inconsistent", "plausible", "same", "unknown")
    return min(found, key=order.index, default="unknown")


def _agree(
    mine: set[str], theirs: set[str], proven: set[str], known: KnownAddresses
) -> NameAgreement:
    if mine & theirs:
        return "same"
    if mine & proven or {one.rsplit(".", 2)[0] for one in mine} & {
        one.rsplit(".", 2)[0] for one in theirs
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
    for all_legs in hops(rows).values():
        for leg in all_legs:
            told = leg.of("dns", "compare") + (leg.of("dns") if reference else [])
            for address in _answers(told) | set(leg.verified):
                yield leg.name, address


def _answered(leg: Hop, good: NumberedRow, other: Hop | None) -> FindingDraft:
    """Say what an answer is worth."""
    row = good.row
    if row.note != "challenge":  # that is for whom the server does not know, here and not there
        elsewhere = _other_page(leg, good, other)
        if elsewhere:
            return elsewhere
    if row.status in REFUSES or row.note in ("challenge", "http_451"):
        words = {"challenge": "wants to see a person", "http_451": "refuses for legal reasons"}
        detail = f"the server {words.get(row.note or '', 'refuses')} (status {row.status})"
        rule = row.note if row.note in words else f"status_{row.status}"
        return FindingDraft("server_refuses", rule, (good,), detail)
    size = row.body_length or 0
    rate = _rate(size, row)
    if size >= SLOW_LEAST_BYTES and 0 < rate < SLOW_BYTES_S:
        detail = f"{size} bytes at {rate:.0f} bytes/s"
        return FindingDraft("throttled", "slow", (good,), detail)
    said = [row.note] if row.note else []
    said += [
        f"not at {one.row.address} ({one.row.stage}: {one.row.failure})"
        for one in leg.ends
        if one.row.state == "fail"
    ]
    return FindingDraft("reached", "answered", (good,), "; ".join(said))


def _other_page(leg: Hop, good: NumberedRow, other: Hop | None) -> FindingDraft | None:
    """Say when cleartext brought something else than the reference got."""
    seen = next((one for one in other.ends if one.row.stage == "http"), None) if other else None
    row = good.row
    if row.stage != "http" or _has_tls(leg, good) or not seen or seen.row.state != "ok":
        return None
    lengths = sorted((row.body_length or 0, seen.row.body_length or 0))
    same = row.status == seen.row.status and row.location_host == seen.row.location_host
    if same and lengths[0] >= PAGE_RATIO * lengths[1]:
        return None
    detail = (
        f"another page than the reference saw: status {row.status} and {row.body_length} bytes,"
        f" not {seen.row.status} and {seen.row.body_length}"
    )
    return FindingDraft("disruption", "other_page", (good,), detail)


def _samples(leg: Hop | None) -> list[NumberedRow]:
    return leg.of("http", "throughput") if leg else []


def _other_address(leg: Hop) -> FindingDraft:
    asked = [one for one in leg.rows if one.row.stage == "dns" and one.row.answers]
    detail = (
        "resolvers disagree, and no certificate vouches for the address that answered: a server"
        " in between, or a content network that answers by place"
    )
    return FindingDraft("insufficient", "other_address", tuple(asked), detail)


def _side_measurements(leg: Hop, other: Hop | None) -> Iterator[FindingDraft]:
    """Say what an answering target failed at beside its chain."""
    for one in leg.of("http", "throughput"):
        rate = _rate(one.row.received or 0, one.row)
        there = max((_rate(two.row.received or 0, two.row) for two in _samples(other)), default=0.0)
        if 0 < rate < SLOWER * there:
            detail = f"a sample of {one.row.received} bytes at {rate:.0f} bytes/s, not {there:.0f}"
            yield FindingDraft("throttled", "sample", (one,), detail)
    offers = any("h3" in (one.row.headers or {}).get("alt-svc", "") for one in leg.of("http"))
    lost = [one for one in leg.of("tls", "quic") if one.row.failure in SUSPECT]
    if offers and lost:
        detail = "it offers HTTP/3 and does not answer over QUIC"
        yield FindingDraft("disruption", "quic_only", tuple(lost), detail)
    differs = [one for one in leg.of("tls") if one.row.system_verdict]
    if differs:
        yield FindingDraft(
            "insufficient",
            "trust_stores_differ",
            tuple(differs),
            f"this machine's own trust store says: {differs[0].row.system_verdict}",
        )


def _own_failures(leg: Hop) -> list[NumberedRow]:
    return [one for one in leg.rows if one.row.state == "fail" and one.row.aside is None]


def _residual_failures(
    leg: Hop, other: Hop | None, named: dict[str, NumberedRow]
) -> FindingDraft | None:
    """Say when an address that had answered is dead after a name was sent to it.

    Some filters drop all that goes between two addresses for minutes after a name that they look
    for (residual censorship: Bock et al., "Your Censor is My Censor", 2021).
    """
    hit = [
        (one, named[one.row.address])
        for one in leg.ends
        if one.row.stage == "tcp" and one.row.failure in BROKEN_OFF and one.row.address in named
    ]
    hit = [(one, before) for one, before in hit if before.row.at < one.row.at]
    if not hit:
        return None
    one, before = hit[-1]
    whose = "its" if before.row.target == one.row.target else f"{before.row.target}'s"
    detail = f"the address took connections until {whose} name was sent to it, and none afterwards"
    kind: FindingKind = "disruption" if other and other.answered else "insufficient"
    return FindingDraft(kind, "residual", (before, one), detail)


def _failed(leg: Hop, other: Hop | None) -> FindingDraft:
    """Judge a failure without an artefact."""
    bad = [one for one in leg.ends if one.row.state == "fail"]
    bad = bad or _own_failures(leg)
    rows = tuple(bad) or tuple(leg.rows)
    row = rows[-1].row
    refusing = row.status in REFUSES or row.note == "challenge"
    if row.unmet and refusing and not row.unverified:
        return _answered(leg, rows[-1], other)
    what = f"{row.stage}: {row.failure}"
    compared = leg.of("dns", "compare")
    told = _answers(compared)
    if row.stage == "dns" and row.address is None:
        if row.failure not in DENIED and row.failure != "dns_bogon_error" and told:
            by = next(
                (one for one in leg.rows if one.row.aside == "compare" and one.row.address), None
            )
            way = " and the target answers there" if by and by.row.state == "ok" else ""
            detail = f"{what}; another resolver gives an address{way}"
            return FindingDraft("resolver_trouble", "resolver_only", (*rows, *compared), detail)
        if compared and all(one.row.failure == row.failure for one in compared):
            detail = f"{what}, from every resolver"
            rule = "no_such_name" if row.failure in DENIED else "every_resolver"
            return FindingDraft("broken_site", rule, (*rows, *compared), detail)
    elsewhere = [one for one in leg.rows if one.row.aside == "compare" and one.row.address]
    if elsewhere and elsewhere[-1].row.stage == "http" and elsewhere[-1].row.state == "ok":
        detail = f"{what}; the target answers at an address that another resolver gives"
        asked = [one for one in leg.of("dns") if one.row.address is None]
        rows = (*asked, *compared, *rows, elsewhere[-1])
        return FindingDraft("disruption", "other_address_answers", rows, detail)
    if other and other.answered:
        if not (other.answered.row.unverified or other.answered.row.fingerprint):
            return FindingDraft("disruption", "reference_answered", rows, f"{what}, here only")
    elif other and (there := _own_failures(other)):
        detail = f"{what}, and for the reference: {there[-1].row.failure}"
        return FindingDraft("broken_site", "reference_fails_too", rows, detail)
    if row.failure == "ssl_invalid_certificate" or any(one.row.unverified for one in rows):
        kinds = {one.row.failure for one in leg.of("tls")}
        if "ssl_unknown_authority" not in kinds:
            return FindingDraft(
                "broken_site", "certificate", rows, ", ".join(sorted(filter(None, kinds)))
            )
    if row.failure == "http_invalid_redirect_location_host":
        return FindingDraft("broken_site", "redirect", rows, what)
    rule = f"unmet_{row.unmet}" if row.unmet else "nothing_to_compare"
    return FindingDraft("insufficient", rule, rows, what)
