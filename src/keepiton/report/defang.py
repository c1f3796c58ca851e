"""Names written so that no program takes them for links: ``example[.]com``."""

from dataclasses import replace

from keepiton.detect.types import Status, Window
from keepiton.lists.types import Event
from keepiton.report.phrases import Report


def name(text: str) -> str:
    """Write one name, URL or address so that nothing links it."""
    return text.replace("://", "[://]").replace(".", "[.]")


def defang(report: Report) -> Report:
    """Write every target's name so, and what others say of them."""

    def window(one: Window) -> Window:
        return replace(
            one,
            subject=name(one.subject),
            targets=tuple(map(name, one.targets)),
            evidence=tuple(replace(seen, target=name(seen.target)) for seen in one.evidence),
        )

    def status(one: Status) -> Status:
        return replace(one, subject=name(one.subject))

    def event(one: Event) -> Event:
        titles = [each for each in Event.model_fields if each.split("_")[0] in ("title", "source")]
        return one.model_copy(update={each: name(getattr(one, each)) for each in titles})

    never = tuple(name(one) for one in report.detection.never_answered)
    return replace(
        report,
        windows=tuple(map(window, report.windows)),
        events=tuple(map(event, report.events)),
        event=report.event and event(report.event),
        external=tuple(replace(one, name=name(one.name)) for one in report.external),
        detection=replace(
            report.detection,
            never_answered=never,
            statuses=tuple(map(status, report.detection.statuses)),
        ),
    )
