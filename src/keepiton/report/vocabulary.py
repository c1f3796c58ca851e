"""The vocabulary of reports: each code of detection with the message that stands for it."""

from keepiton.base.language import gettext_noop

STATES: dict[str, str] = {
    "up": gettext_noop("up"),
    "partial": gettext_noop("partly"),
    "disrupted": gettext_noop("disrupted"),
    "unknown": gettext_noop("unknown"),
    "no_data": gettext_noop("no data"),
}
SIGNS: dict[str, str] = {
    "up": "+",
    "partial": "~",
    "disrupted": "!",
    "unknown": "?",
    "no_data": ".",
}
"""A sign beside the word, so that neither colour nor a long read is needed."""

SCOPES: dict[str, str] = {
    "own_line": gettext_noop("own line"),
    "country": gettext_noop("country"),
    "operator": gettext_noop("operator"),
    "target": gettext_noop("target"),
    "stage": gettext_noop("stage"),
    "vantage": gettext_noop("vantage"),
}
SIDES: dict[str, str] = {
    "inside": gettext_noop("inside"),
    "outside": gettext_noop("outside"),
    "both": gettext_noop("inside and outside"),
}
SEEN_FROM: dict[str, str] = {
    "inside": gettext_noop("seen from inside"),
    "outside": gettext_noop("seen from outside"),
    "both": gettext_noop("seen from inside and outside"),
}
WHOM: dict[str, str] = {
    "inside": gettext_noop("anyone inside"),
    "outside": gettext_noop("anyone outside"),
    "both": gettext_noop("anyone"),
}
SEVERITIES: dict[str, str] = {
    "full": gettext_noop("full"),
    "partial": gettext_noop("partial"),
    "degraded": gettext_noop("degraded"),
}
CONFIDENCE_LABELS = (
    gettext_noop("confirmed by several vantages"),
    gettext_noop("confirmed"),
    gettext_noop("likely"),
    gettext_noop("possible"),
)
VERDICTS = (
    gettext_noop("national isolation"),
    gettext_noop("outbound trouble"),
    gettext_noop("seen from inside and outside"),
    gettext_noop("the vantage's own line was down; it says nothing of others"),
    gettext_noop("trouble inside; answers outside"),
    gettext_noop("trouble inside; no data from outside"),
    gettext_noop("trouble inside; unclear outside"),
    gettext_noop("unreachable from abroad; answers inside"),
    gettext_noop("unreachable from abroad; unclear inside"),
    gettext_noop("unreachable from outside; no data from inside"),
)
"""What detection says; a test holds both tuples against it."""

MANY = 12
"""Remarks on own lines from which on only those of two runs and more are listed."""
CAVEAT = gettext_noop(
    "A probe sees that something did not answer from where it looked, not why. A time without"
    " data is neither up nor down."
)
LIMITS = (
    gettext_noop(
        "A probe shows that a target did not answer from where it was asked. It cannot show who"
        " caused that, or whether anybody meant to."
    ),
    gettext_noop(
        "It shows networks that somebody probes from, and targets that somebody listed. What"
        " people on other networks, or on phones, could reach is not in it."
    ),
    gettext_noop(
        "A failure of one site alone can be the site's own. A window of an operator needs several"
        " of its targets, one of a country several operators."
    ),
    gettext_noop(
        "Edges are intervals: between two looks nobody knows. A time in which nobody looked, or in"
        " which the vantage's own line was down, counts neither as up nor as down."
    ),
    gettext_noop(
        "How sure a window is says how likely it is that a real disruption of that scope overlaps"
        " it. With one vantage it is never above 0.80, with one side never above 0.95."
    ),
    gettext_noop("Each window says what would refute it. Measurements that do so are welcome."),
)
COMPARISON_HEADER = (
    *(
        gettext_noop("operator"),
        gettext_noop("seen from"),
        gettext_noop("reached before"),
        gettext_noop("during"),
    ),
    *(gettext_noop("after"), gettext_noop("during less before"), gettext_noop("after less before")),
    *(gettext_noop("answer took before, during, after"), gettext_noop("slower during than before")),
    gettext_noop("disruptions"),
)
COMPARISON_NOTE = gettext_noop(
    "Shares are of rounds (a target asked in a run); in brackets the 95% interval of a difference,"
    " by bootstrap over whole hours. Hours close together are alike, so of one long disruption the"
    " interval is too narrow. Where it holds 0 the data shows no difference; where it has no"
    " width, nothing varied, which does not say that nothing could."
)
PRECISIONS: dict[str, str] = {
    "minute": gettext_noop("minute"),
    "hour": gettext_noop("hour"),
    "day": gettext_noop("day"),
    "month": gettext_noop("month"),
}
INSUFFICIENT_LABELS: dict[str, str] = {
    "too little seen before": gettext_noop("too little seen before"),
    "too little seen during": gettext_noop("too little seen during"),
    "too little seen after": gettext_noop("too little seen after"),
    "too few answers before": gettext_noop("too few answers before"),
    "too few answers during": gettext_noop("too few answers during"),
    "too few answers after": gettext_noop("too few answers after"),
}
BARS = "▁▂▃▄▅▆▇█"
NOTHING, HIDDEN = "·", "?"
"""In a trend: nobody looked; who looked could not have known."""
