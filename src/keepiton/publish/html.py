"""One page that stands alone: it loads nothing, links nothing and needs no script."""

from base64 import b64encode
from datetime import UTC
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from keepiton import __version__
from keepiton.detect.types import Status, Window
from keepiton.publish import svg
from keepiton.report import phrases, vocabulary
from keepiton.report.types import Report

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_WINDOWS = 200
"""On the page, by impact; all are in the other formats."""
METHOD = "docs/method/detection.md"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - of pages alone

    return Environment(
        loader=PackageLoader("keepiton", "publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name a text as a Content-Security-Policy does."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def fill(template: str, report: Report, **values: Any) -> str:  # noqa: ANN401 - a template's
    """Fill a template with what every page has."""
    style = svg.styles() + _asset("page.css")
    script = _asset("page.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    language = report.lang
    return (
        _environment()
        .get_template(template)
        .render(
            _=language.gettext,
            ngettext=language.ngettext,
            language=language,
            c=phrases,
            v=vocabulary,
            report=report,
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704
            policy=policy,
            version=__version__,
            made=language.instant(report.now, UTC),
            **values,
        )
    )


def render(report: Report) -> str:
    """Write the report as a page."""
    shown = sorted(report.windows, key=lambda window: -window.impact)[:MOST_WINDOWS]
    return fill(
        "page.html.jinja",
        report,
        windows=[
            _window(window, report) for window in sorted(shown, key=lambda window: window.start)
        ],
        more=len(report.windows) - len(shown),
        drawing=Markup(svg.inline(report)),  # noqa: S704 - escaped where it is made
        legend=[(kind, Markup(swatch(kind)), text) for kind, text in svg.LEGEND],  # noqa: S704
        comparisons=[
            phrases.comparison_cells(comparison, report) for comparison in report.comparisons
        ],
        method=METHOD,
    )


def status(report: Report) -> str:
    """Write the quick table as a page."""
    return fill(
        "status.html.jinja",
        report,
        first=report.lang.gettext(vocabulary.SCOPES[report.by]),
        rows=[_row(status, report) for status in report.statuses],
        notes=[
            *(phrases.vantage_outages(report) if report.by == "vantage" else []),
            *phrases.remarks(report),
        ],
    )


def _row(status: Status, report: Report) -> dict[str, str]:
    language = report.lang
    return {
        "subject": status.subject,
        "side": language.gettext(vocabulary.SIDES[status.perspective]),
        "state": phrases.state(status, report),
        "since": phrases.since(status, report),
        "answering": language.gettext("{part} of {n}", part=status.answering, n=status.targets),
        "vantages": language.gettext(
            "{part} of {n}", part=status.vantages_agree, n=status.vantages
        ),
        "strip": phrases.strip(status.trend, 24),
        "spoken": phrases.finding_title(status, language),
    }


def swatch(kind: str) -> str:
    """Draw a sample of one shade for the legend."""
    inside = (
        '<rect class="void" width="26" height="10"/>'
        if kind == "void"
        else f'<path class="row {kind}" stroke-width="10" d="M0 5h26"/>'
    )
    return f'<svg class="tl" viewBox="0 0 26 10" aria-hidden="true">{inside}</svg>'


def _window(window: Window, report: Report) -> dict[str, Any]:
    """Write one window as the page shows it."""
    language = report.lang
    _ = language.gettext
    return {
        "id": window.id,
        "subject": window.subject,
        "scope": _(vocabulary.SCOPES[window.scope]),
        "side": _(vocabulary.SIDES[window.perspective]),
        "sure": phrases.confidence_text(window, language),
        "confidence": f"{window.confidence:.3f}",
        "began": phrases.began(window, report),
        "began_key": window.start_latest.isoformat(),
        "ended": phrases.ended(window, report),
        "ended_key": window.end_earliest.isoformat(),
        "lasted": phrases.duration(window, language),
        "lasted_key": f"{(window.end_earliest - window.start_latest).total_seconds():012.0f}",
        "kind": phrases.kind(window, language),
        "facts": phrases.facts(window, report),
    }
