"""Names written so that no program takes them for links: ``example[.]com``."""

from dataclasses import replace

from keepiton.model import Status, Window
from keepiton.report.common import Report


def name(text: str) -> str:
    """Write one name, URL or address so that nothing links it."""
    return text.replace("://", "[://]").replace(".", "[.]")


def defang(report: Report) -> Report:
    """Write every target's name so."""

    def window(one: Window) -> Window:
        return replace(
            one,
            subject=name(one.subject),
            targets=tuple(map(name, one.targets)),
            witnesses=tuple(replace(seen, target=name(seen.target)) for seen in one.witnesses),
        )

    def status(one: Status) -> Status:
        return replace(one, subject=name(one.subject))

    never = tuple(name(one) for one in report.findings.never_answered)
    return replace(
        report,
        windows=tuple(map(window, report.windows)),
        statuses=tuple(map(status, report.statuses)),
        findings=replace(report.findings, never_answered=never),
    )
