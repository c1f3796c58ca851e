"""States for the textfile collector of node_exporter, in the Prometheus text format 0.0.4."""

from collections.abc import Callable

from keepiton.base.types import clean
from keepiton.detect.types import Status
from keepiton.report.types import Report
from keepiton.report.vocabulary import STATES

FIGURES: tuple[tuple[str, str, Callable[[Status], float]], ...] = (
    ("answering_targets", "Targets that answer now.", lambda one: one.answering),
    ("targets", "Targets that were asked.", lambda one: one.targets),
    ("confidence", "Of the disruption that it is in; 0 without one.", lambda one: one.confidence),
    ("vantages", "Vantages with fresh data.", lambda one: one.vantages),
    ("vantages_agree", "Those that say what the state says.", lambda one: one.vantages_agree),
)


def label(text: str) -> str:
    """Write a label's value."""
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')


def status(report: Report) -> str:
    """Write one gauge a figure, a state as 1 beside the others' 0, and how old the data is."""
    out = []

    def gauge(name: str, told: str, rows: list[tuple[str, float]]) -> None:
        out.append(f"# HELP keepiton_{name} {told}")
        out.append(f"# TYPE keepiton_{name} gauge")
        out.extend(f"keepiton_{name}{labels} {value:.12g}" for labels, value in rows)

    def named(one: Status, more: str = "") -> str:
        return f'{{{report.by}="{label(one.subject)}",perspective="{one.perspective}"{more}}}'

    statuses = report.statuses
    gauge(
        "state",
        "1 for the state that holds, 0 for the others.",
        [
            (named(one, f',state="{state}"'), one.state == state)
            for one in statuses
            for state in STATES
        ],
    )
    for name, told, figure in FIGURES:
        gauge(name, told, [(named(one), figure(one)) for one in statuses])
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
    for one in report.windows:
        if one.ongoing:
            told = {name: getattr(one, name) for name in ("scope", "subject", "perspective")}
            told |= {"severity": one.severity, "id": one.id}
            labels = ",".join(f'{name}="{label(value)}"' for name, value in told.items())
            out.append(f"keepiton_disruption{{{labels}}} {one.confidence:.12g}")
    return status(report) + "\n".join(out) + "\n"
