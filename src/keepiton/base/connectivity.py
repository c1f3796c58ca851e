"""Is it them or me? What the controls of one look say of the vantage's own line. Pure.

The probe asks this while it runs, to mark rows it could not have known; the reader asks it again
from the stored rows, so that a verdict can always be redrawn from facts.
"""

from dataclasses import dataclass

from keepiton.base.types import Connectivity, Perspective

DEAD_SHARE = 2 / 3
"""Share of failing controls from which a group counts as dead: one provider's own outage, or one
control that is hijacked, must not mask a run, and one lucky answer must not unmask it
(docs/method/detection.md#own-line)."""


UNEXPECTED = frozenset({"http_unexpected_status_code", "unknown_failure: unexpected body"})
"""Failures that are another answer than the list expects."""
PORTAL = 2
"""Foreign controls that must answer with something else for it to be a captive portal: unrelated
providers do not change their fixed pages at once."""


@dataclass(frozen=True, slots=True)
class ControlTally:
    """How the controls of one look fared."""

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
    return total > 0 and (total - ok) >= DEAD_SHARE * total


def verdict(tally: ControlTally, perspective: Perspective) -> Connectivity:
    """Judge the own line.

    ``down``: this vantage was offline, so its failures say nothing. ``portal``: most foreign
    controls are dead and some answer with another page: somebody in between answers for all.
    ``border``: from inside, domestic controls answer and foreign ones do not. ``resolver``: the
    line works and the vantage's own resolver does not, so only failures to resolve say nothing.
    ``unknown``: nothing was there to tell by. (A run whose way out changed is ``mixed``; that is
    not told by controls.)
    """
    if not tally.foreign:
        return "unknown"
    if _dead(tally.foreign, tally.foreign_ok):
        if tally.unexpected >= PORTAL:
            return "portal"
        domestic_alive = tally.domestic and not _dead(tally.domestic, tally.domestic_ok)
        return "border" if perspective == "inside" and domestic_alive else "down"
    if tally.named > 1 and tally.unresolved == tally.named:
        return "resolver"
    return "up"


def masks(line: Connectivity, stage: str | None) -> bool:
    """Whether a failure at this stage, on such a line, is no evidence about its target."""
    return line in ("down", "portal", "mixed", "unknown") or (line == "resolver" and stage == "dns")
