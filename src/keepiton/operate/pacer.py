"""Times of the runs of a watch: a steady interval, and shorter ones after a change. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

LEAST = 0.8
"""Least distance of two runs over all targets, as a share of the interval (SAFETY S11)."""
BURST_EVERY_S = 30.0
BURST_S = 600.0
"""Interval and duration of the extra runs over changed targets with ``watch --burst``."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A run that is due or was made."""

    at: float
    all_targets: bool
    """Whether all targets are probed, or only those that changed recently."""


@dataclass(slots=True)
class Pacer:
    """Schedule of one watch, in seconds of a clock that also counts while the machine sleeps."""

    every_s: float
    began_at: float
    burst: bool = False
    all_probed_at: float = 0.0
    """When all targets were last probed."""
    states: dict[str, str] = field(default_factory=dict)
    """Latest of ``ok`` and ``fail`` by target id."""
    recently_changed: dict[str, float] = field(default_factory=dict)
    """Changed targets, and until when they are probed more often."""

    def after(self, tick: Tick, now: float) -> Tick:
        """Return the run after one that is over now; ``tick.at`` is when that one really began.

        Runs lie on the grid that the watch began with, so that delays do not add up. Those missed
        meanwhile, in a long run or in sleep, are replaced by one run at once.
        """
        if tick.all_targets:
            self.all_probed_at = tick.at
        elapsed_s = self.all_probed_at - self.began_at
        due = self.began_at + math.ceil(elapsed_s / self.every_s + LEAST) * self.every_s
        if due <= now:
            return Tick(now, all_targets=True)
        soon = max(now, tick.at + BURST_EVERY_S)
        if (
            self.burst
            and soon < due
            and any(soon < until for until in self.recently_changed.values())
        ):
            return Tick(soon, all_targets=False)
        return Tick(due, all_targets=True)

    def note(self, states: Mapping[str, str], now: float) -> set[str]:
        """Store the states that a run measured; return the targets whose state changed."""
        known = {name: state for name, state in states.items() if state in ("ok", "fail")}
        changed = {name for name, state in known.items() if self.states.get(name, state) != state}
        self.states |= known
        self.recently_changed = {
            name: until for name, until in self.recently_changed.items() if until > now
        }
        self.recently_changed |= dict.fromkeys(changed, now + BURST_S)
        return changed
