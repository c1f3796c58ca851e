"""Scalar types that every room uses, and how text and instants are written."""

import re
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    PlainSerializer,
)

Stage = Literal["dns", "tcp", "tls", "http"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""In the order in which a chain goes through them."""
RowState = Literal["ok", "fail", "inconclusive", "skipped"]
Perspective = Literal["inside", "outside"]
Risk = Literal["low", "medium", "high"]
SideMeasurement = Literal["compare", "authority", "neutral", "quic", "throughput"]
RISKS: tuple[Risk, ...] = ("low", "medium", "high")

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
IDENTIFIER_PATTERN = "[a-z0-9][a-z0-9-]{0,31}"
"""What may become part of a file name: vantage names and operator ids."""
Token = Annotated[str, Field(pattern=f"^{IDENTIFIER_PATTERN}$")]
RUN_ID_PATTERN = "[0-9a-f]{12}"
RunId = Annotated[str, Field(pattern=f"^{RUN_ID_PATTERN}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _port(text: str) -> str:
    if int(text.split("/", maxsplit=1)[0]) > MAX_PORT:
        raise ValueError(f"a port is at most {MAX_PORT}")
    return text


MAX_PORT = 65535
Port = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}/(tcp|udp)$"), AfterValidator(_port)]
