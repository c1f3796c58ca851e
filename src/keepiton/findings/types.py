"""What a finding is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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


NameAgreement = Literal["same", "plausible", "inconsistent", "bogon", "injected", "unknown"]
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
    """Name of the rule that made it (docs/reference/findings.md)."""
    rows: tuple[int, ...]
    """Lines of the result file it rests on, counted from 1."""
    detail: str = ""
    """In plain words, without the volunteer's traces."""
    artefact: str | None = None
    """What shows interference: fingerprint, bogon, forged certificate and so on."""
    hop: int | None = None
    names: NameAgreement = "unknown"
