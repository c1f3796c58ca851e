"""The types that cross borders: what a target, a line of a result file and a window are."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    create_model,
    model_validator,
)

from keepiton.language import LOCALES

Stage = Literal["dns", "tcp", "tls", "http"]
State = Literal["ok", "fail", "inconclusive", "skipped"]
Perspective = Literal["inside", "outside"]
Risk = Literal["low", "medium", "high"]
Line = Literal["up", "border", "resolver", "portal", "down", "mixed", "unknown"]
Aside = Literal["compare", "authority", "neutral", "quic", "throughput"]
LINES: tuple[Line, ...] = ("up", "border", "resolver", "portal", "down", "mixed", "unknown")
RISKS: tuple[Risk, ...] = ("low", "medium", "high")
AUTHORITIES = frozenset({"tld-ns-domestic", "tld-ns-abroad"})
"""Roles of a zone's own servers, at home and abroad; their query names the zone."""

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def clean(text: str, limit: int = 200) -> str:
    """Text from the network or a file, safe for a terminal: no control or direction characters."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:limit]


def utc(at: datetime) -> str:
    """Write an instant as results hold it: UTC, milliseconds, ``Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[AwareDatetime, PlainSerializer(utc, return_type=str, when_used="json")]


def _address(text: str) -> str:
    if "%" in text:
        raise ValueError("leave out the zone after %")
    return str(ip_address(text))


Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f-\x9f]+$")]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\x00-\x20\x7f-\x9f]+$")]
Token = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
"""What may become part of a file name: vantage names and operator ids."""
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _port(text: str) -> str:
    if int(text.split("/", maxsplit=1)[0]) > MAX_PORT:
        raise ValueError(f"a port is at most {MAX_PORT}")
    return text


MAX_PORT = 65535
Port = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}/(tcp|udp)$"), AfterValidator(_port)]


class Written(BaseModel):
    """What people write: strict, so that a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Expect(Written):
    """What a healthy answer is. A control that gives another one is a captive portal or worse."""

    status: int | None = Field(None, ge=100, le=599)
    body: str | None = Field(
        None, max_length=4096, description="whole body, compared without white space at the ends"
    )
    contains: str | None = Field(None, max_length=4096, description="text the body must hold")


class Query(Written):
    """The question put to a name server or resolver."""

    name: Name
    type: Literal["A", "AAAA", "NS", "SOA", "TXT"] = "SOA"
    recurse: bool = Field(default=False, description="true for a resolver, false for a name server")


class Target(Written):
    """One thing that is probed: a URL, or a host or addresses with ports."""

    id: Name = Field(description="a stable name; never renamed, since results are joined by it")
    url: str | None = Field(None, max_length=2000, description="http:// or https://, one GET")
    host: Host | None = Field(None, description="a name to resolve; with ports")
    addresses: tuple[Address, ...] = Field(
        (), max_length=16, description="tried as well as what DNS gives, even when DNS fails"
    )
    ports: tuple[Port, ...] = Field((), max_length=8, description='such as "443/tcp" or "53/udp"')
    query: Query | None = Field(None, description="asked of the target itself on its port 53")
    expect: Expect | None = None
    throughput: bool = Field(
        default=False, description="its owner allows a sample of 1 MB with --throughput"
    )
    operator: Token | None = Field(None, description="id of the network it belongs to")
    asn: int | None = Field(None, ge=1, le=4294967295, description="AS number of that network")
    role: Token = "other"
    perspective: Literal["any", "inside", "outside"] = Field(
        "any", description="from where probing it makes sense"
    )
    control: Literal["foreign", "domestic"] | None = Field(
        None, description="its failure says something about the vantage's own line"
    )
    source: str = Field("", max_length=1000, description="where the row comes from")
    confidence: Literal["high", "medium", "user"] = "user"
    checked: date | None = Field(None, description="the day the source was last read")
    note: str = Field("", max_length=1000)

    @property
    def serves(self) -> str | None:
        """The zone whose servers it is one of, where the list says whether at home or abroad."""
        named = self.role in AUTHORITIES and self.addresses and self.query
        return self.query.name.strip(".") if named and self.query else None

    @model_validator(mode="after")
    def _whole(self) -> "Target":
        if self.url and (self.host or self.ports or self.query):
            raise ValueError("a url stands alone: remove host, ports and query, or the url")
        if not self.url and not (self.host or self.addresses):
            raise ValueError("give a url, a host or addresses")
        if not self.url and not self.ports:
            raise ValueError('give ports, such as ports = ["443/tcp"]')
        if any(port.endswith("udp") for port in self.ports) and not self.query:
            raise ValueError('a udp port needs a query, such as query = { name = "by." }')
        if self.expect and not self.url:
            raise ValueError("expect goes with a url")
        return self


MAX_TARGETS = 20_000


class TargetList(Written):
    """One TOML file of targets."""

    title: str = Field(max_length=200)
    country: str | None = Field(
        None, pattern=r"^[a-z]{2}$", description="ISO 3166 code, lower case"
    )
    default: bool = Field(default=False, description="probed when no list is named")
    risk: Risk = "low"
    why: str = Field("", max_length=500, description="the risk, in a line; asked for above low")
    target: tuple[Target, ...] = Field(min_length=1, max_length=MAX_TARGETS)

    @model_validator(mode="after")
    def _asks(self) -> "TargetList":
        if self.risk != "low" and (self.default or not self.why):
            raise ValueError("a list above risk low cannot be default and needs a why")
        return self


class Fingerprint(Written):
    """A known answer that is not the target's: a block page, an address that serves one."""

    id: Token
    where: Literal["location", "body", "title", "dns", "certificate"] = Field(
        description="Location header, page, its title, an address in a DNS answer, the issuer"
    )
    match: Literal["full", "prefix", "contains"] = "contains"
    pattern: str = Field(min_length=4, max_length=500)
    operator: Token | None = Field(None, description="whose network it is known from")
    source: str = Field(min_length=1, max_length=1000)
    confidence: Literal["high", "medium", "low"]
    note: str = Field("", max_length=1000)

    def fits(self, text: str) -> bool:
        """Whether a text is what the pattern describes."""
        if self.match == "full":
            return text == self.pattern
        return text.startswith(self.pattern) if self.match == "prefix" else self.pattern in text


class Fingerprints(Written):
    """One file of fingerprints, a country's."""

    title: str = Field(max_length=200)
    fingerprint: tuple[Fingerprint, ...] = Field(max_length=1000)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone") from None
    return text


def _when(value: object) -> object:
    if not isinstance(value, date) or (isinstance(value, datetime) and not value.tzinfo):
        raise ValueError("neither a date nor an instant with its zone")
    if not MIN_YEAR <= value.year <= MAX_YEAR:
        raise ValueError(f"a year lies between {MIN_YEAR} and {MAX_YEAR}")
    return value


MIN_YEAR, MAX_YEAR = 1970, 2099
Zone = Annotated[str, AfterValidator(_zone)]
When = Annotated[date | datetime, PlainValidator(_when)]
"""A day, or an instant."""


if TYPE_CHECKING:
    Titles = Written
else:
    Titles = create_model(
        "Titles",
        __base__=Written,
        **{f"title_{code}": (str, Field("", max_length=200)) for code in LOCALES if code != "en"},
    )
"""A ``title_<code>`` for every language but English."""


class Event(Titles):
    """A day of which somebody wants to know, such as a vote, or a disruption known from others."""

    id: Token = Field(description="a stable name; never renamed")
    title: str = Field(min_length=1, max_length=200)
    start: When
    end: When | None = Field(None, description="a date: that whole day; absent: not known")
    zone: Zone | None = Field(None, description="where days are told in another than the file's")
    kind: Token = Field(description="vote, or what the source speaks of")
    where: str = Field(min_length=1, max_length=200, description="whom it touched")
    operators: tuple[Token, ...] = Field((), max_length=100, description="ids, where clear")
    precision: Literal["minute", "hour", "day", "month"] = Field(
        description="how far the times can be trusted"
    )
    source: str = Field(min_length=1, max_length=1000)
    confidence: Literal["high", "medium", "low"]
    note: str = Field("", max_length=1000)

    def title_in(self, code: str) -> str:
        """Return its title in a language, or in English where nobody gave that."""
        return getattr(self, f"title_{code}", "") or self.title

    def span(self) -> tuple[datetime, datetime]:
        """Return its first instant and the one after its last, UTC.

        Without an end it lasts to the end of the day it begins on; of the month, if no more is
        known than that.
        """
        zone = ZoneInfo(self.zone or "UTC")
        start = self.start if isinstance(self.start, datetime) else _midnight(self.start, zone)
        if isinstance(self.end, datetime):
            return start.astimezone(UTC), self.end.astimezone(UTC)
        last = self.end or start.astimezone(zone).date()
        if not self.end and self.precision == "month":
            last = last.replace(day=monthrange(last.year, last.month)[1])
        return start.astimezone(UTC), _midnight(last + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


class EventList(Written):
    """One file of events, a country's."""

    title: str = Field(max_length=200)
    country: str | None = Field(
        None, pattern=r"^[a-z]{2}$", description="ISO 3166 code, lower case"
    )
    zone: Zone = Field(description="in which its days are told, such as Europe/Minsk")
    event: tuple[Event, ...] = Field(max_length=1000)


class Stored(BaseModel):
    """One line of a result file: lenient when read, so that newer optional fields do no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    def encoded(self) -> bytes:
        """Write the object as one JSON line, without what is not known."""
        return self.model_dump_json(exclude_none=True).encode() + b"\n"


class ListUsed(Stored):
    """A target list as this run saw it."""

    name: str
    sha256: Sha256
    targets: int


class Run(Stored):
    """First line: who looked, with what, when.

    The format's number is raised only when a meaning changes (docs/data-format.md).
    """

    type: Literal["run"] = "run"
    format: Literal[1] = 1
    run: RunId
    software: dict[str, str] = Field(description="versions of keepiton, Python and libraries")
    vantage: Token
    perspective: Perspective
    country: str | None = Field(
        None, pattern=r"^[a-z]{2}$", description="of the lists, where they agree on one"
    )
    lists: tuple[ListUsed, ...]
    targets: int = Field(ge=0)
    settings: dict[str, bool | int | float | str | list[str]]
    planned_at: Instant = Field(description="when the run was asked for")
    started_at: Instant = Field(description="when it began, after any jitter")


class Certificate(Stored):
    """One certificate of a chain, in short."""

    subject: str = Field(max_length=200)
    issuer: str = Field(max_length=200)
    names: tuple[str, ...] = Field((), max_length=20, description="subjectAltName, the first 20")
    not_before: Instant
    not_after: Instant
    spki_sha256: Sha256 = Field(description="of the public key's SubjectPublicKeyInfo")


class Measurement(Stored):
    """One stage tried once. What never ran because an earlier stage failed is absent."""

    type: Literal["measurement"] = "measurement"
    run: RunId
    target: Name
    operator: Token | None = None
    asn: int | None = None
    role: Token | None = None
    control: Literal["foreign", "domestic"] | None = None
    check: int | None = Field(None, description="which look at the own line, counted from 0")
    stage: Stage | None = Field(None, description="absent when skipped before any stage")
    attempt: int = Field(1, ge=1, le=3, description="2 and up confirm a failure")
    hop: int | None = Field(None, ge=1, le=10, description="redirects followed before this row")
    host: str | None = Field(None, description="of a hop: the host it leads to")
    aside: Aside | None = Field(None, description="why this row stands beside the target's chain")
    at: Instant
    duration_ms: float | None = Field(None, ge=0, description="monotonic clock")
    state: State
    failure: str | None = Field(None, description="OONI df-007 string; absent when none")
    reason: str | None = Field(None, description="why inconclusive or skipped")
    family: Literal[4, 6] | None = None
    address: str | None = Field(None, max_length=45)
    port: int | None = Field(None, ge=1, le=65535)
    transport: Literal["udp", "tcp", "dot", "doh", "os"] | None = None
    resolver: str | None = Field(
        None, description="'system', or the one given; never a private one"
    )
    query: str | None = Field(None, description="name and type asked")
    rcode: str | None = None
    answers: tuple[str, ...] | None = Field(None, max_length=64)
    referral: tuple[str, ...] | None = Field(
        None, max_length=16, description="name servers that a server without recursion refers to"
    )
    flags: str | None = Field(None, description="header flags of the DNS answer, such as QR RD RA")
    cnames: tuple[str, ...] | None = Field(None, max_length=16, description="aliases passed")
    ttl: int | None = Field(None, ge=0, description="least TTL of the answers, seconds")
    ede: tuple[str, ...] | None = Field(
        None, max_length=8, description="extended DNS errors (RFC 8914): code and text"
    )
    edns: bool | None = Field(None, description="false: asked again without EDNS, and answered")
    also: tuple[str, ...] | None = Field(
        None, max_length=64, description="a later, different answer to the same question"
    )
    also_rcode: str | None = None
    capped: int | None = Field(None, description="addresses left out by the cap")
    tls_version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    certificate_sha256: Sha256 | None = None
    certificates: tuple[Certificate, ...] | None = Field(
        None, max_length=4, description="the chain that was sent, leaf first, at most 4"
    )
    system_verdict: str | None = Field(
        None, description="what this machine's own trust store says, where it differs: ok or why"
    )
    sni: str | None = Field(None, description="of an aside: the name asked for instead")
    unverified: bool | None = Field(None, description="the certificate did not verify; went on")
    http_version: str | None = None
    status: int | None = None
    body_length: int | None = Field(None, description="bytes as sent, at most the cap")
    body_sha256: Sha256 | None = None
    truncated: bool | None = Field(None, description="the body was longer than the cap")
    server: str | None = None
    location_host: str | None = None
    headers: dict[str, str] | None = Field(None, description="the few that are kept (docs)")
    title: str | None = Field(None, description="only where a fingerprint or assertion decided")
    unmet: Literal["status", "body", "contains"] | None = Field(
        None, description="which assertion of the list the answer does not meet"
    )
    fingerprint: str | None = Field(None, description="id of the block page or answer it is")
    note: str | None = Field(None, description="challenge, or http_451")
    received: int | None = Field(
        None, ge=0, description="bytes of a response that failed, or of a sample"
    )
    phases: dict[str, float] | None = Field(
        None, description="milliseconds by phase (docs); they add up to duration_ms"
    )
    late_ms: float | None = Field(
        None, description="how late the event loop was meanwhile; absent below 50 ms"
    )
    date_offset_ms: int | None = Field(
        None, description="server's Date less our clock; the Date has whole seconds"
    )


Reason = Literal["finished", "deadline", "byte_cap", "interrupted", "terminated", "recovered"]


class End(Stored):
    """Last line: counts, why it stopped, and the seal."""

    type: Literal["end"] = "end"
    run: RunId
    ended_at: Instant
    reason: Reason
    measurements: int
    states: dict[State, int] = Field(description="measurements by state")
    line: Line
    bytes_received: int | None = Field(None, description="over all connections to targets")
    clock_offset_ms: int | None = Field(None, description="median over at least 3 controls")
    loop_late_ms: float | None = Field(None, description="the latest that the event loop was")
    sha256: Sha256 = Field(description="of all bytes before this line")
    previous: Sha256 | None = Field(None, description="of this vantage's previous whole file")


Scope = Literal["own_line", "country", "operator", "target"]
Seen = Literal["inside", "outside", "both"]
Severity = Literal["full", "partial", "degraded"]


@dataclass(frozen=True, slots=True)
class Witness:
    """Where a failure of a window can be read."""

    file: str
    run: str
    target: str
    line: int | None = None
    """Counted from 1; None until somebody has looked it up, or where the file is elsewhere."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time during which a scope did not answer as it does. Edges are intervals."""

    id: str
    """Made of scope, subject and a coarse time: it stays when more data moves an edge a little."""
    scope: Scope
    subject: str
    perspective: Seen
    start: datetime
    """The likeliest instant; what is known is the interval."""
    start_earliest: datetime | None
    """None when nothing good was seen before."""
    start_latest: datetime
    end: datetime | None
    """None while it goes on, or when nobody looked afterwards."""
    end_earliest: datetime
    end_latest: datetime | None
    ongoing: bool
    severity: Severity
    flapping: bool
    """It came and went: three pieces in two hours, or more (docs/detection.md)."""
    layer: Stage | None
    """The first stage that failed in most failures; None where nothing failed (slowness)."""
    stages: dict[str, int]
    failures: dict[str, int]
    """``stage failure`` and in how many rounds."""
    targets: tuple[str, ...]
    """Those that mostly failed."""
    operators: tuple[str, ...]
    share: float
    """Affected share of the scope's targets, 0 to 1."""
    vantages_for: tuple[str, ...]
    vantages_against: tuple[str, ...]
    vantages_silent: tuple[str, ...]
    rounds: int
    rounds_bad: int
    coverage: float
    """Observed runs over expected ones inside the window, 0 to 1."""
    gaps: tuple[tuple[datetime, datetime], ...]
    """Silences inside it, longer than three usual intervals."""
    confidence: float
    """Chance that a real disruption of this scope overlaps it, 0 to 1 (docs/detection.md)."""
    words: str
    verdict: str
    impact: float
    """Bad share times minutes times affected share, to rank by."""
    on_mark: bool
    """The start interval holds a full or half hour, when ordered cuts tend to begin."""
    witnesses: tuple[Witness, ...]


Group = Literal["operator", "target", "stage", "vantage"]
"""What a status may be told by."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Counts of rounds over equal spans of time, one number a span."""

    good: tuple[int, ...]
    bad: tuple[int, ...]
    hidden: tuple[int, ...]
    """Rounds that say nothing, since the vantage could not have known."""
    tried: dict[Stage, tuple[int, ...]]
    """Rounds that got as far as a stage, among those that say something."""
    failed: dict[Stage, tuple[int, ...]]
    """And failed there."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known now of one operator, target, stage or vantage."""

    subject: str
    perspective: Perspective
    confidence: float
    """Of the window that it is in; 0 without one."""
    state: Literal["up", "partly", "disrupted", "unknown", "no data"]
    since: tuple[datetime | None, datetime] | None
    """The state began after the first instant and not after the second."""
    answering: int
    targets: int
    last_seen: datetime | None
    vantages_agree: int
    vantages: int
    trend: Trend


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much one vantage looked."""

    vantage: str
    perspective: Seen
    runs: int
    share: float
    """Observed runs over those expected between its first and its last, 0 to 1."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LinePeriod:
    """A stretch of runs in which one vantage's own line was not simply up."""

    vantage: str
    line: Line
    start: datetime
    end: datetime
    runs: int


@dataclass(frozen=True, slots=True)
class Period:
    """What was seen of a subject, from one side, between two instants."""

    start: datetime
    end: datetime
    runs: int
    rounds: int
    """Those that say anything of it."""
    share: float | None
    """Of them, those that reached it, 0 to 1; None without any."""
    latency_ms: float | None
    """Median over the hours of the median answer in each; None without any."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A later period less an earlier one, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


Thin = Literal[
    "too little seen before",
    "too little seen during",
    "too little seen after",
    "too few answers before",
    "too few answers during",
    "too few answers after",
]
"""Why there is no difference: of shares, and of latencies alone."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Before, during and after an event, of one operator (or role, of what has none)."""

    subject: str
    perspective: Perspective
    before: Period
    during: Period
    after: Period
    difference: Difference | None
    """Of the share reached, during less before; None where ``thin`` says why."""
    difference_after: Difference | None
    """After less before."""
    latency_difference_ms: Difference | None
    latency_difference_after_ms: Difference | None
    thin: tuple[Thin, ...]


FindingKind = Literal[
    "reached",
    "server_refuses",
    "interference",
    "throttled",
    "disruption",
    "broken_site",
    "resolver_trouble",
    "own_line",
    "own_clock",
    "captive_portal",
    "no_ipv6",
    "insufficient",
]


Names = Literal["same", "plausible", "inconsistent", "bogon", "injected", "unknown"]
"""How the answers of several resolvers for one name agree."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one run's rows say of one target, by a named rule; recomputable from the rows."""

    run: str
    vantage: str
    target: str
    at: datetime
    kind: FindingKind
    rule: str
    """Name of the rule that made it (docs/findings.md)."""
    rows: tuple[int, ...]
    """Lines of the result file it rests on, counted from 1."""
    detail: str = ""
    """In plain words, without the volunteer's traces."""
    artefact: str | None = None
    """What shows interference: fingerprint, bogon, forged certificate and so on."""
    hop: int | None = None
    names: Names = "unknown"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A result file by which others can check that they hold the same."""

    vantage: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Detected:
    """What detection makes of the rounds: all that a report or a status may say."""

    windows: tuple[Window, ...]
    own_lines: tuple[Window, ...]
    """Times in which a vantage's own line was down; no evidence about anything else."""
    lines: tuple[LinePeriod, ...]
    statuses: tuple[Status, ...]
    trend_start: datetime
    """Where the first span of every trend begins."""
    trend_step_s: float
    contrasts: tuple[Contrast, ...]
    """Of an event with the time around it, where one was asked for."""
    never_answered: tuple[str, ...]
    vantages: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    step_s: float
    """The usual interval between two runs of one vantage."""
    runs: int
    rounds: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Series:
    """What somebody else measured over time: drawn beside our own, never mixed with it."""

    source: str
    """Whose it is: "IODA", "OONI" or "Cloudflare Radar"."""
    name: str
    """What it counts and where, as far as the file says: "bgp, country BY"."""
    points: tuple[tuple[datetime, float | None], ...]
    """In order of time, none twice, aware UTC; None where the source says that it has no data."""
    step_s: float
    """The usual interval; what lies further apart has points missing between."""
