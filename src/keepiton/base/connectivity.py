"""The vantage's own connectivity: the seven verdicts, and how control targets decide between them.

The probe decides while it runs, to mark rows it could not have known; the reader decides again from
the stored rows, so that a verdict can always be derived from facts. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum

from keepiton.base.language import gettext_noop

DEAD_SHARE = 2 / 3
"""Share of failing controls from which a group counts as dead: one provider's own outage, or one
control that is hijacked, must not mask a run, and one lucky answer must not unmask it
(docs/method/detection.md#vantage-connectivity)."""


UNEXPECTED = frozenset({"http_unexpected_status_code", "unknown_failure: unexpected body"})
"""Failures that are another answer than the list expects."""
PORTAL = 2
"""Foreign controls that must answer with something else for it to be a captive portal: unrelated
providers do not change their fixed pages at once."""


class Connectivity(StrEnum):
    """The verdict on a vantage's connectivity, of one check or of a run."""

    # The predicates differ on purpose, and each set holds the one before it:
    # is_offline: down, portal; counts_as_offline: mixed as well; not is_evidence: unknown as well.

    UP = "up"
    BORDER = "border"
    """From inside, domestic controls answer and foreign ones do not."""
    RESOLVER = "resolver"
    """Controls answer by address, and the vantage's own resolver does not answer."""
    PORTAL = "portal"
    """Most foreign controls are dead and some answer with another page: a captive portal."""
    DOWN = "down"
    """Most controls are dead."""
    MIXED = "mixed"
    """The default route changed in mid-run. Controls do not tell this."""
    UNKNOWN = "unknown"
    """No control was there to decide by."""

    @property
    def is_offline(self) -> bool:
        """Whether controls showed that this vantage reached nobody.

        Not "mixed": the line worked, so targets were contacted and need not be asked again.
        """
        return self in (Connectivity.DOWN, Connectivity.PORTAL)

    @property
    def counts_as_offline(self) -> bool:
        """Whether a whole run is spoilt by trouble of the vantage: exit code 4, shaded on the page.

        Not "unknown": a list without controls is the user's choice and no trouble.
        """
        return self.is_offline or self is Connectivity.MIXED

    @property
    def is_evidence(self) -> bool:
        """Whether failures over TCP, TLS and HTTP say something of their targets."""
        return not self.counts_as_offline and self is not Connectivity.UNKNOWN

    def hides(self, stage: str | None) -> bool:
        """Whether a failure at this stage is no evidence about its target."""
        return not self.is_evidence or (self is Connectivity.RESOLVER and stage == "dns")

    @property
    def text(self) -> str:
        """Return the message to translate, of any vantage and a time that is over."""
        return TEXTS[self]

    @property
    def text_here(self) -> str:
        """Return the message to translate, of this machine and of now."""
        return TEXT_DOWN_HERE if self is Connectivity.DOWN else TEXTS[self]


CONNECTIVITIES = tuple(Connectivity)
TEXTS = {
    Connectivity.UP: gettext_noop("this machine's own line is up"),
    Connectivity.BORDER: gettext_noop("abroad did not answer, domestic controls did"),
    Connectivity.RESOLVER: gettext_noop(
        "own resolver did not answer: failures to resolve are inconclusive"
    ),
    Connectivity.PORTAL: gettext_noop(
        "a captive portal answered for others: results of that time are inconclusive"
    ),
    Connectivity.DOWN: gettext_noop("own line down: results of that time are inconclusive"),
    Connectivity.MIXED: gettext_noop(
        "the way out changed in mid-run (a VPN, another network): results are inconclusive"
    ),
    Connectivity.UNKNOWN: gettext_noop("no controls: failures are inconclusive"),
}
TEXT_DOWN_HERE = gettext_noop("this machine's own line is down: results are inconclusive")


@dataclass(frozen=True, slots=True)
class ControlTally:
    """How the controls of one connectivity check fared."""

    foreign: int = 0
    foreign_ok: int = 0
    domestic: int = 0
    domestic_ok: int = 0
    named: int = 0
    """Controls that need a name resolved."""
    unresolved: int = 0
    """Those of them that failed for want of an address."""
    unexpected: int = 0
    """Foreign controls that answered, with something else than they must."""


def _dead(total: int, ok: int) -> bool:
    return (total - ok) >= DEAD_SHARE * total


def verdict(tally: ControlTally, *, inside: bool) -> Connectivity:
    """Decide from the control targets whether the vantage itself is offline.

    ``inside``: whether the vantage is in the country that is observed.
    """
    if not tally.foreign:
        return Connectivity.UNKNOWN
    if _dead(tally.foreign, tally.foreign_ok):
        if tally.unexpected >= PORTAL:
            return Connectivity.PORTAL
        domestic_alive = tally.domestic and not _dead(tally.domestic, tally.domestic_ok)
        return Connectivity.BORDER if inside and domestic_alive else Connectivity.DOWN
    if tally.named > 1 and tally.unresolved == tally.named:
        return Connectivity.RESOLVER
    return Connectivity.UP
