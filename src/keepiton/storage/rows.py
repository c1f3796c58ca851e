"""The lines of a result file."""

from dataclasses import dataclass
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from keepiton.base.connectivity import Connectivity
from keepiton.base.types import (
    Instant,
    Name,
    Perspective,
    RowState,
    RunId,
    Sha256,
    SideMeasurement,
    Stage,
    Token,
)


class ResultLine(BaseModel):
    """One line of a result file: lenient when read, so that newer optional fields do no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    def to_json_line(self) -> bytes:
        """Write the object as one JSON line, without what is not known."""
        return self.model_dump_json(exclude_none=True).encode() + b"\n"


class ListUsed(ResultLine):
    """A target list as this run saw it."""

    name: str
    sha256: Sha256
    targets: int


class Run(ResultLine):
    """First line: who looked, with what, when.

    The format's number is raised only when a meaning changes (docs/reference/data-format.md).
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


class Certificate(ResultLine):
    """One certificate of a chain, in short."""

    subject: str = Field(max_length=200)
    issuer: str = Field(max_length=200)
    names: tuple[str, ...] = Field((), max_length=20, description="subjectAltName, the first 20")
    not_before: Instant
    not_after: Instant
    spki_sha256: Sha256 = Field(description="of the public key's SubjectPublicKeyInfo")


class Measurement(ResultLine):
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
    aside: SideMeasurement | None = Field(
        None, description="why this row stands beside the target's chain"
    )
    at: Instant
    duration_ms: float | None = Field(None, ge=0, description="monotonic clock")
    state: RowState
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


class MeasurementRow(Measurement):
    """A measurement to write: an unknown field, or one of another type, is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


EndReason = Literal["finished", "deadline", "byte_cap", "interrupted", "terminated", "recovered"]


class End(ResultLine):
    """Last line: counts, why it stopped, and the seal."""

    type: Literal["end"] = "end"
    run: RunId
    ended_at: Instant
    reason: EndReason
    measurements: int
    states: dict[RowState, int] = Field(description="measurements by state")
    line: Connectivity
    bytes_received: int | None = Field(None, description="over all connections to targets")
    clock_offset_ms: int | None = Field(None, description="median over at least 3 controls")
    loop_late_ms: float | None = Field(None, description="the latest that the event loop was")
    sha256: Sha256 = Field(description="of all bytes before this line")
    previous: Sha256 | None = Field(None, description="of this vantage's previous whole file")


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """Where a failure can be read, as a report names it."""

    file: str
    run: str
    target: str
    line: int | None = None
    """Counted from 1; None until somebody has looked it up, or where the file is elsewhere."""


@dataclass(frozen=True, slots=True)
class FileSeal:
    """A result file by which others can check that they hold the same."""

    vantage: str
    file: str
    sha256: str
