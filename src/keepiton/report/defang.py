"""Names written so that no program takes them for links: ``example[.]com``."""

from dataclasses import replace

from keepiton.detect.types import Window
from keepiton.lists.types import Event
from keepiton.report.types import Report


def name(text: str) -> str:
    """Write one name, URL or address so that nothing links it."""
    return text.replace("://", "[://]").replace(".", "[.]")


def defang(report: Report) -> Report:
    """Write every target's name so, in the texts of events and external series as well."""

    def window(window: Window) -> Window:
        return replace(
            window,
            subject=name(window.subject),
            targets=tuple(map(name, window.targets)),
            evidence=tuple(replace(row, target=name(row.target)) for row in window.evidence),
        )

    def event(event: Event) -> Event:
        texts = [key for key in Event.model_fields if key.split("_")[0] in ("title", "source")]
        return event.model_copy(update={key: name(getattr(event, key)) for key in texts})

    return replace(
        report,
        windows=tuple(map(window, report.windows)),
        events=tuple(map(event, report.events)),
        event=report.event and event(report.event),
        external=tuple(replace(series, name=name(series.name)) for series in report.external),
        never_answered=tuple(map(name, report.never_answered)),
        statuses=tuple(replace(status, subject=name(status.subject)) for status in report.statuses),
    )
