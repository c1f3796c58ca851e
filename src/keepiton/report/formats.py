"""From findings to text: one module a format, each a pure ``render``."""

from collections.abc import Callable
from importlib import import_module

from keepiton.detect.types import Group
from keepiton.report.phrases import Report


def _render(module: str, function: str) -> Callable[[Report], str | bytes]:
    """Load a format when it is written: libraries for pages are nothing to a table."""

    def render(report: Report) -> str | bytes:
        made: str | bytes = getattr(import_module(f"keepiton.{module}"), function)(report)
        return made

    return render


def _status(module: str, function: str) -> Callable[[Report, Group, int], str]:
    def render(report: Report, by: Group, width: int) -> str:
        written = getattr(import_module(f"keepiton.{module}"), function)
        made: str = written(report, by, width)
        return made

    return render


RENDERERS: dict[str, Callable[[Report], str | bytes]] = {
    "table": _render("report.table", "render"),
    "md": _render("report.markdown", "render"),
    "html": _render("publish.html", "render"),
    "csv": _render("report.csv", "render"),
    "json": _render("report.json", "render"),
    "jsonl": _render("report.jsonl", "render"),
    "atom": _render("publish.atom", "render"),
    "prometheus": _render("publish.prometheus", "render"),
    "svg": _render("publish.svg", "render"),
    "png": _render("publish.png", "render"),
    "disclosure": _render("publish.disclosure", "in_markdown"),
    "disclosure-html": _render("publish.disclosure", "in_html"),
}
STATUS: dict[str, Callable[[Report, Group, int], str]] = {
    "table": _status("report.status", "table"),
    "md": _status("report.status", "in_markdown"),
    "csv": _status("report.status", "in_csv"),
    "json": _status("report.json", "status"),
    "html": _status("publish.html", "status"),
    "prometheus": _status("publish.prometheus", "status"),
}
"""Of the quick table; by which group, and how many columns the screen has."""
