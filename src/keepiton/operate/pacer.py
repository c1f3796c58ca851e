"""When to look next: a steady beat, and for a while a quick one after a change. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

LEAST = 0.8
"""Of the interval, what lies between two whole looks at least: less a fifth (SAFETY S11)."""
BURST_EVERY_S = 30.0
BURST_S = 600.0
"""How often, and how long, what changed its state is asked again with ``watch --burst``."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One look, to come or done."""

    at: float
    all_targets: bool
    """Whether all targets are asked, or only those that changed lately."""


@dataclass(slots=True)
class Pacer:
    """Beats of one watch. Instants are seconds of a clock that also counts while asleep."""

    every_s: float
    began_at: float
    burst: bool = False
    whole_at: float = 0.0
    """When all targets were last asked."""
    states: dict[str, str] = field(default_factory=dict)
    """Of each target, the latest of ``ok`` and ``fail``."""
    recently_changed: dict[str, float] = field(default_factory=dict)
    """Targets that changed, and until when they are asked more often."""

    def after(self, beat: Tick, now: float) -> Tick:
        """Return the look that follows one that is over now; its ``at`` is when it really began.

        Beats lie on the grid that the watch began with, so no lateness adds up. Those that passed
        meanwhile, in a long look or in sleep, are made up for by one look at once.
        """
        if beat.all_targets:
            self.whole_at = beat.at
        since = self.whole_at - self.began_at
        due = self.began_at + math.ceil(since / self.every_s + LEAST) * self.every_s
        if due <= now:
            return Tick(now, all_targets=True)
        soon = max(now, beat.at + BURST_EVERY_S)
        if (
            self.burst
            and soon < due
            and any(soon < until for until in self.recently_changed.values())
        ):
            return Tick(soon, all_targets=False)
        return Tick(due, all_targets=True)

    def note(self, seen: Mapping[str, str], now: float) -> set[str]:
        """Take in the states that a look found; return the targets whose state changed."""
        told = {name: state for name, state in seen.items() if state in ("ok", "fail")}
        changed = {name for name, state in told.items() if self.states.get(name, state) != state}
        self.states |= told
        self.recently_changed = {
            name: until for name, until in self.recently_changed.items() if until > now
        }
        self.recently_changed |= dict.fromkeys(changed, now + BURST_S)
        return changed
