"""From rounds to windows. Pure: same rounds, policy and instant in, same findings out.

The method, its reasons and its figures: docs/detection.md.
"""

from datetime import datetime

import numpy as np

from keepiton.detect.levels import own_lines, remote
from keepiton.detect.observe import look_at_lines, observe
from keepiton.detect.policy import Policy
from keepiton.detect.status import line_periods, statuses
from keepiton.detect.windows import describe, instant, united
from keepiton.model import Detected
from keepiton.rounds import DEAD, REACHED, Rounds

__all__ = ["Policy", "detect"]


def detect(rounds: Rounds, policy: Policy, now: datetime) -> Detected:
    """Find windows, own-line windows and the state at ``now``; the order of rounds is no matter."""
    looks = look_at_lines(rounds)
    seen = observe(rounds, looks, policy)
    truth = seen.symbol.copy()
    lines = describe(united(own_lines(seen, policy), seen, policy), seen, truth, policy)
    found = remote(seen, policy)
    windows = describe(united(found, seen, policy), seen, truth, policy)
    windows = [one for one in windows if one.confidence >= policy.least_confidence]
    ever = np.zeros(len(rounds.target), bool)
    ever[rounds.subject[rounds.flags & (REACHED | DEAD) > 0]] = True
    never = set(rounds.target[ever & (rounds.control == "")]) - set(rounds.target[seen.answered])
    at = seen.at
    operators, targets = statuses(seen, truth, windows, policy, now)
    return Detected(
        windows=tuple(windows),
        own_lines=tuple(lines),
        lines=tuple(line_periods(rounds, looks)),
        operators=tuple(operators),
        targets=tuple(targets),
        never_answered=tuple(sorted(map(str, never))),
        vantages=tuple(str(one) for one in rounds.vantages),
        runs=len(rounds.run_id),
        rounds=len(at),
        first_at=instant(float(at.min())) if len(at) else None,
        last_at=instant(float(at.max())) if len(at) else None,
    )
