"""States for the textfile collector of node_exporter, in the Prometheus text format 0.0.4."""

from collections.abc import Callable

from keepiton.base.types import clean
from keepiton.detect.types import Status
from keepiton.report.types import Report
from keepiton.report.vocabulary import STATES

FIGURES: tuple[tuple[str, str, Callable[[Status], float]], ...] = (
    ("answering_targets", "Targets that answer now.", lambda status: status.answering),
    ("targets", "Targets that were asked.", lambda status: status.targets),
    (
        "confidence",
        "Of the disruption that it is in; 0 without one.",
        lambda status: status.confidence,
    ),
    ("vantages", "Vantages with fresh data.", lambda status: status.vantages),
    ("vantages_agree", "Those that say what the state says.", lambda status: status.vantages_agree),
)


def label(text: str) -> str:
    """Write a label's value."""
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')


def status(report: Report) -> str:
    """Write one gauge a figure, a state as 1 beside the others' 0, and how old the data is."""
    out = []

    def gauge(name: str, help_text: str, rows: list[tuple[str, float]]) -> None:
        out.append(f"# HELP keepiton_{name} {help_text}")
        out.append(f"# TYPE keepiton_{name} gauge")
        out.extend(f"keepiton_{name}{labels} {value:.12g}" for labels, value in rows)

    def named(status: Status, more: str = "") -> str:
        return f'{{{report.by}="{label(status.subject)}",perspective="{status.perspective}"{more}}}'

    statuses = report.statuses
    gauge(
        "state",
        "1 for the state that holds, 0 for the others.",
        [
            (named(status, f',state="{state}"'), status.state == state)
            for status in statuses
            for state in STATES
        ],
    )
    for name, help_text, figure in FIGURES:
        gauge(name, help_text, [(named(status), figure(status)) for status in statuses])
    if report.last_at:
        at = report.last_at.timestamp()
        gauge(
            "newest_data_timestamp_seconds",
            "When the newest data was taken, since 1970.",
            [("", at)],
        )
    return "\n".join(out) + "\n"


def render(report: Report) -> str:
    """Write the states of operators, and each disruption that goes on with how sure it is."""
    out = ["# HELP keepiton_disruption A disruption that goes on: how sure it is."]
    out.append("# TYPE keepiton_disruption gauge")
    for window in report.windows:
        if window.ongoing:
            facts = {name: getattr(window, name) for name in ("scope", "subject", "perspective")}
            facts |= {"severity": window.severity, "id": window.id}
            labels = ",".join(f'{name}="{label(value)}"' for name, value in facts.items())
            out.append(f"keepiton_disruption{{{labels}}} {window.confidence:.12g}")
    return status(report) + "\n".join(out) + "\n"
