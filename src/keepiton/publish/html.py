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
    words = report.lang
    return (
        _environment()
        .get_template(template)
        .render(
            _=words.gettext,
            ngettext=words.ngettext,
            words=words,
            c=phrases,
            v=vocabulary,
            report=report,
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704
            policy=policy,
            version=__version__,
            made=words.instant(report.now, UTC),
            **values,
        )
    )


def render(report: Report) -> str:
    """Write the report as a page."""
    shown = sorted(report.windows, key=lambda one: -one.impact)[:MOST_WINDOWS]
    return fill(
        "page.html.jinja",
        report,
        windows=[window(one, report) for one in sorted(shown, key=lambda one: one.start)],
        more=len(report.windows) - len(shown),
        drawing=Markup(svg.inline(report)),  # noqa: S704 - escaped where it is made
        legend=[(kind, Markup(swatch(kind)), text) for kind, text in svg.LEGEND],  # noqa: S704
        contrasts=[phrases.comparison_cells(one, report) for one in report.comparisons],
        method=METHOD,
    )


def status(report: Report) -> str:
    """Write the quick table as a page."""
    return fill(
        "status.html.jinja",
        report,
        first=report.lang.gettext(vocabulary.SCOPES[report.by]),
        rows=[_row(one, report) for one in report.statuses],
        notes=[
            *(phrases.vantage_outages(report) if report.by == "vantage" else []),
            *phrases.remarks(report),
        ],
    )


def _row(one: Status, report: Report) -> dict[str, str]:
    words = report.lang
    return {
        "subject": one.subject,
        "side": words.gettext(vocabulary.SIDES[one.perspective]),
        "state": phrases.state(one, report),
        "since": phrases.since(one, report),
        "answering": words.gettext("{part} of {n}", part=one.answering, n=one.targets),
        "vantages": words.gettext("{part} of {n}", part=one.vantages_agree, n=one.vantages),
        "strip": phrases.strip(one.trend, 24),
        "spoken": phrases.finding_title(one, words),
    }


def swatch(kind: str) -> str:
    """Draw a sample of one shade for the legend."""
    inside = (
        '<rect class="void" width="26" height="10"/>'
        if kind == "void"
        else f'<path class="row {kind}" stroke-width="10" d="M0 5h26"/>'
    )
    return f'<svg class="tl" viewBox="0 0 26 10" aria-hidden="true">{inside}</svg>'


def window(one: Window, report: Report) -> dict[str, Any]:
    """Write one window as the page shows it."""
    words = report.lang
    _ = words.gettext
    return {
        "id": one.id,
        "subject": one.subject,
        "scope": _(vocabulary.SCOPES[one.scope]),
        "side": _(vocabulary.SIDES[one.perspective]),
        "sure": phrases.confidence_text(one, words),
        "confidence": f"{one.confidence:.3f}",
        "began": phrases.began(one, report),
        "began_key": one.start_latest.isoformat(),
        "ended": phrases.ended(one, report),
        "ended_key": one.end_earliest.isoformat(),
        "lasted": phrases.duration(one, words),
        "lasted_key": f"{(one.end_earliest - one.start_latest).total_seconds():012.0f}",
        "kind": phrases.kind(one, words),
        "facts": phrases.facts(one, report),
    }


__all__ = ["fill", "render", "status", "window"]
