"""What a target list, an event list and a fingerprint list hold."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    create_model,
    model_validator,
)

from keepiton.base.language import LOCALES
from keepiton.base.types import Address, Host, Name, Port, Risk, Token

AUTHORITIES = frozenset({"tld-ns-domestic", "tld-ns-abroad"})
"""Roles of a zone's own servers, at home and abroad; their query names the zone."""


class UserInput(BaseModel):
    """What people write: strict, so that a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Expect(UserInput):
    """What a healthy answer is. A control that gives another one is a captive portal or worse."""

    status: int | None = Field(None, ge=100, le=599)
    body: str | None = Field(
        None, max_length=4096, description="whole body, compared without white space at the ends"
    )
    contains: str | None = Field(None, max_length=4096, description="text the body must hold")


class Query(UserInput):
    """The question put to a name server or resolver."""

    name: Name
    type: Literal["A", "AAAA", "NS", "SOA", "TXT"] = "SOA"
    recurse: bool = Field(default=False, description="true for a resolver, false for a name server")


class Target(UserInput):
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


class TargetList(UserInput):
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


class Fingerprint(UserInput):
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

    def matches(self, text: str) -> bool:
        """Whether a text is what the pattern describes."""
        if self.match == "full":
            return text == self.pattern
        return text.startswith(self.pattern) if self.match == "prefix" else self.pattern in text


class Fingerprints(UserInput):
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
    Titles = UserInput
else:
    Titles = create_model(
        "Titles",
        __base__=UserInput,
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


class EventList(UserInput):
    """One file of events, a country's."""

    title: str = Field(max_length=200)
    country: str | None = Field(
        None, pattern=r"^[a-z]{2}$", description="ISO 3166 code, lower case"
    )
    zone: Zone = Field(description="in which its days are told, such as Europe/Minsk")
    event: tuple[Event, ...] = Field(max_length=1000)
