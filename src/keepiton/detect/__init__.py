"""From rounds to windows. Pure: same rounds, policy and instant in, same findings out.

The method, its reasons and its figures: docs/method/detection.md.
"""

from datetime import datetime, timedelta

import numpy as np

from keepiton.detect.before_during_after import Span, around, compare_periods
from keepiton.detect.observations import judge_connectivity, observe
from keepiton.detect.policy import Policy
from keepiton.detect.scopes import remote_outages, vantage_outages
from keepiton.detect.status import connectivity_periods, coverage, statuses
from keepiton.detect.trends import Spans, spans
from keepiton.detect.types import Detection, Group
from keepiton.detect.windows import build_windows, instant, merge_candidates
from keepiton.storage.rounds import FAILED, REACHED, Rounds

__all__ = ["Policy", "Spans", "detect", "spans"]


DAY_H = 24


def detect(
    rounds: Rounds,
    policy: Policy,
    now: datetime,
    *,
    by: Group = "operator",
    over: Spans | None = None,
    event: Span | None = None,
) -> Detection:
    """Find windows, own-line windows and the state at ``now``; the order of rounds is no matter.

    States are told by operator, target, stage or vantage, each with its trend over some spans of
    time (the last 24 hours, where none are given). An event is compared with the weeks around it.
    """
    over = over or spans(now - timedelta(hours=DAY_H - 1), now, DAY_H)
    looks = judge_connectivity(rounds)
    seen = observe(rounds, looks, policy)
    unmasked = seen.symbol.copy()
    lines = build_windows(
        merge_candidates(vantage_outages(seen, policy), seen, policy), seen, unmasked, policy
    )
    candidates = remote_outages(seen, policy)
    windows = build_windows(merge_candidates(candidates, seen, policy), seen, unmasked, policy)
    windows = [window for window in windows if window.confidence >= policy.least_confidence]
    ever = np.zeros(len(rounds.target), bool)
    ever[rounds.subject[rounds.flags & (REACHED | FAILED) > 0]] = True
    never = set(rounds.target[ever & (rounds.control == "")]) - set(rounds.target[seen.answered])
    at = seen.at
    return Detection(
        windows=tuple(windows),
        vantage_outages=tuple(lines),
        connectivity_periods=tuple(connectivity_periods(rounds, looks)),
        statuses=tuple(statuses(seen, unmasked, windows, policy, now, by, over)),
        trend_start=over.start,
        trend_step_s=over.step_s,
        comparisons=compare_periods(seen, unmasked, around(event)) if event else (),
        never_answered=tuple(sorted(map(str, never))),
        vantages=tuple(str(vantage) for vantage in rounds.vantages),
        coverage=tuple(coverage(seen)),
        step_s=seen.step_s,
        runs=len(rounds.run_id),
        rounds=len(at),
        first_at=instant(float(at.min())) if len(at) else None,
        last_at=instant(float(at.max())) if len(at) else None,
    )
