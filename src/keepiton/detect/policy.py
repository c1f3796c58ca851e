"""Every threshold of detection, with the reason for it."""

from dataclasses import dataclass

HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be changed with ``--policy FILE``; times are in seconds where a unit is not named.

    docs/method/detection.md#thresholds lists them; the sections before it have the sources.
    """

    recovery_s: float = 4 * HOUR
    """Mean length of a disruption. IODA's 847 checked events of country scope have a median of 165
    min, which is ln 2 times 238 min. Tails are heavier; the evidence of two runs outweighs this
    term."""
    vantage_outage_every_s: float = 7 * DAY
    """Mean time between outages of a vantage. This and the next three decide how many false alarms
    there are: halving one gives 0.7 nats less to overcome."""
    target_every_s: float = 20 * DAY
    """Mean time between disruptions of one target. A large site failed once in 80 days, a small
    host once in 240, volunteers' sites once in 2: this lies between."""
    operator_every_s: float = 60 * DAY
    """Mean time between disruptions of an operator: rarer than those of one target, more frequent
    than those of a country."""
    country_every_s: float = 365 * DAY
    """Mean time between disruptions of a country: they are rare, so the prior alone costs more than
    one run can give."""
    moves_per_hour: float = 0.02
    """How often a disruption changes between full, partial and slow: rarely within one, so that
    noise does not switch the state."""
    background_least: float = 0.002
    """Least background rate of failures. Series with retries show 0.0003; more is assumed, so that
    one failure is never proof."""
    background_most: float = 0.35
    """Highest background rate of failures: three stages that each fail in one of ten runs give 0.3.
    A target that fails more often is not noisy but down."""
    noise_weight: float = 1.0
    """Weight of the calm that a run is credited with, in controls, before its own losses raise its
    background: one lost control is nothing."""
    slow_factor: float = 3.0
    """Least factor over the median duration that counts as slow: ordinary congestion doubles a
    duration, throttling does more."""
    slow_deviations: float = 4.0
    """Robust standard deviations over the median, on a logarithmic scale, that count as slow, where
    that is more than the factor."""
    slow_least: int = 50
    """Answers that a week must hold before it says what duration is usual."""
    country_left: float = 0.15
    """Share of a country that keeps working in a cut: in August 2020 about a third of the probes
    did, all in one network, so not every member must fail."""
    operator_left: float = 0.10
    """Share of an operator that keeps working in its own disruption: less than of a country, since
    its members share a network."""
    unit_least: float = -6.0
    """Least evidence of one vantage about one operator in one run, nats. Its targets share a line,
    a resolver and a second, so they are one observation and not many."""
    unit_most_country: float = 4.0
    """Highest evidence of the same for a country, nats: below 6, so that one operator's trouble is
    not the country's."""
    run_most: float = 6.0
    """Highest evidence of one run, nats: below every prior (6.2 at the least), so one run never
    decides, and two can."""
    open_below: float = 0.5
    """A window is where the probability of "up" is below this: trouble is likelier than not."""
    keep_below: float = 0.1
    """A window is kept if the probability of "up" falls below this somewhere: Trinocular calls a
    block down from a belief of 0.9 on."""
    keep_below_alone: float = 0.05
    """The same for one vantage against others, whose answers speak against it."""
    alone_bad: int = 3
    """Bad rounds that one vantage alone needs: two fall together by chance in a long series, three
    hardly."""
    country_share: float = 0.6
    """Share of targets, and of operators, that a country window must affect: most of both, since
    one large operator is not a country."""
    country_operators: int = 2
    """Operators that a country window must affect: one alone is that operator's window."""
    country_bad: int = 6
    """Bad rounds that a country window needs: three for each of two operators."""
    operator_share: float = 0.7
    """Share of an operator's targets that its window must affect: more than of a country, since
    they share a network."""
    operator_targets: int = 2
    """Targets that an operator window must affect: one alone looks the same as a broken site."""
    target_bad: int = 2
    """Bad rounds that a target window needs: one is noise, whatever the belief."""
    bad_full: float = 0.5
    """Share of a target's rounds that must be bad in a full disruption for it to count as
    affected."""
    bad_partial: float = 0.25
    """The same in a partial disruption, which is one of 30 to 60 % loss."""
    bad_noise: float = 2.5
    """The same as a multiple of the target's background, where that is more: a noisy target must
    show more than its noise."""
    controls_dead: int = 2
    """Runs of an offline vantage that make a window of it: a single one is masked and not
    reported."""
    join_gap_s: float = 12 * HOUR
    """Longest silence that one window may span if both sides are bad. Up to 19 h "down throughout"
    is likelier than "up and down again" (with the rates above); this stays well below."""
    merge_least_s: float = 30 * 60.0
    """Good stretch up to which two windows of one subject are one: one missed and one lucky
    observation at ten minutes."""
    merge_steps: float = 3.0
    """The same in usual intervals, where that is more."""
    clock_from_s: float = 5.0
    """Clock offset from which times are corrected: a Date header has whole seconds and a transfer
    behind it."""
    clock_unknown_s: float = 120.0
    """How far a clock that nobody compared may be off; it widens the interval of an edge."""
    edge_mass: float = 0.05
    """Probability left out on either side of an edge's interval: 90 % lie inside."""
    full_from: float = 0.9
    """Bad share from which a window is full: background noise lets some answers of a full outage be
    lost or late."""
    cap_one_vantage: float = 0.80
    """Highest confidence with one vantage: what a broken or dishonest one may be worth."""
    cap_one_perspective: float = 0.95
    """Highest confidence with one perspective: a fault of the path from that side looks the same
    from all its vantages."""
    cap: float = 0.99
    """Highest confidence with both perspectives: a probability from a model is never certainty."""
    least_confidence: float = 0.5
    """Windows below are not listed: their opposite is likelier."""
    fresh_s: float = 2 * HOUR
    """Age from which observations say nothing about now."""

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
