"""Every threshold of detection, with the reason for it."""

from dataclasses import dataclass

HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be changed with ``--policy FILE``; times are in seconds where a unit is not named.

    Sources: the shared method (DETECTION.md), section in brackets.
    """

    recovery_s: float = 4 * HOUR
    """Mean length of a disruption: 847 checked country events have a median of 165 min (1.3)."""
    vantage_outage_every_s: float = 7 * DAY
    """Mean time between cuts of a vantage's own line; this and the next three are the false-alarm
    knob: halving one costs 0.7 nats (1.3)."""
    target_every_s: float = 20 * DAY
    """Between those of one site: small hosts fall every 80 d, volunteers' every 2 d (1.3)."""
    operator_every_s: float = 60 * DAY
    """Between those of an operator (1.3)."""
    country_every_s: float = 365 * DAY
    """Between those of a country (1.3)."""
    moves_per_hour: float = 0.02
    """How often a disruption changes between full, partial and slow (1.3)."""
    background_least: float = 0.002
    """Least background rate of failures: series with retries show 0.0003 (1.1)."""
    background_most: float = 0.35
    """Most of it: three noisy kinds give 0.3 (1.1)."""
    noise_weight: float = 1.0
    """Controls' worth of calm that a run is given before its own losses raise its background: one
    lost control is nothing."""
    slow_factor: float = 3.0
    """Least factor over the median duration that counts as slow (1.1)."""
    slow_deviations: float = 4.0
    """Robust standard deviations over the median that count as slow (1.1)."""
    slow_least: int = 50
    """Answers from which on a week tells what is usual."""
    country_left: float = 0.15
    """Share of a country that keeps working in a cut: about a third of probes in 2020, all on one
    network (1.5)."""
    operator_left: float = 0.10
    """Share of an operator that keeps working (1.5)."""
    unit_least: float = -6.0
    """Clip of one vantage's word on one operator in one run, nats (1.5)."""
    unit_most_country: float = 4.0
    """So that one operator's trouble is no country's (1.5)."""
    run_most: float = 6.0
    """Clip of one run: below every prior, so one run never decides; two can (1.5)."""
    open_below: float = 0.5
    """A window is where the belief in "up" is below this (1.7)."""
    keep_below: float = 0.1
    """And falls below this somewhere (Trinocular's 0.9; 1.7)."""
    keep_below_alone: float = 0.05
    """For one vantage against others (1.6)."""
    alone_bad: int = 3
    """Bad rounds that one vantage alone needs (1.6)."""
    country_share: float = 0.6
    """Share of targets, and of operators, that a country window must touch (1.5)."""
    country_operators: int = 2
    """Operators it must touch (1.5)."""
    country_bad: int = 6
    """Bad rounds it needs (1.5)."""
    operator_share: float = 0.7
    """Share of an operator's targets that its window must touch (1.5)."""
    operator_targets: int = 2
    """Targets it must touch: one alone cannot be told from a broken site (1.5)."""
    target_bad: int = 2
    """Bad rounds that a target window needs (1.5)."""
    bad_full: float = 0.5
    """Share of a target's rounds that must be bad for it to count as touched (1.5)."""
    bad_partial: float = 0.25
    """The same in a partial disruption (1.5)."""
    bad_noise: float = 2.5
    """Or so many times its background, where that is more (1.5)."""
    controls_dead: int = 2
    """Runs with a dead own line from which on it is a window (1.4)."""
    join_gap_s: float = 12 * HOUR
    """Longest silence one window may span: beyond 19 h "up and down again" is likelier (1.3)."""
    merge_least_s: float = 30 * 60.0
    """Good stretch up to which two windows of one subject are one (1.7)."""
    merge_steps: float = 3.0
    """Or so many usual intervals, where that is more (1.7)."""
    clock_from_s: float = 5.0
    """Clock offset from which on times are corrected (1.7)."""
    clock_unknown_s: float = 120.0
    """How far a clock that nobody compared may be off (1.7)."""
    edge_mass: float = 0.05
    """Chance left out on either side of an edge's interval (1.7)."""
    full_from: float = 0.9
    """Bad share from which on a window is full (1.7)."""
    cap_one_vantage: float = 0.80
    """Highest confidence with one vantage (1.8)."""
    cap_one_perspective: float = 0.95
    """With one perspective (1.8)."""
    cap: float = 0.99
    """With both (1.8)."""
    least_confidence: float = 0.5
    """Windows below are not listed (1.8)."""
    fresh_s: float = 2 * HOUR
    """Older observations say nothing about now."""

    @staticmethod
    def wrong(name: str, value: float) -> str | None:
        """Say what is wrong with a threshold, None where nothing is."""
        if isinstance(getattr(Policy(), name), int) and not (value >= 1 and value == int(value)):
            return "a count: must be a whole number from 1 on"
        if name == "edge_mass":
            return None if 0 < value < 0.5 else "must lie between 0 and 0.5"  # noqa: PLR2004
        if name == "unit_least":
            return None if value < 0 else "must be below 0"
        if not 0 < value < 1e10:  # noqa: PLR2004 - three hundred years
            return "must be above 0"
        shares = ("share", "left", "below", "cap", "bad_full", "bad_partial", "background")
        if any(word in name for word in (*shares, "least_confidence", "mass")) and value > 1:
            return "a share: must lie between 0 and 1"
        return None
