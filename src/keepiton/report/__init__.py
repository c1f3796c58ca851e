"""From findings to text: one module a format, each a pure ``render``."""

from collections.abc import Callable
from importlib import import_module

from keepiton.model import Group
from keepiton.report.common import Report


def _render(module: str, function: str) -> Callable[[Report], str | bytes]:
    """Load a format when it is written: libraries for pages are nothing to a table."""

    def render(report: Report) -> str | bytes:
        made: str | bytes = getattr(import_module(f"keepiton.report.{module}"), function)(report)
        return made

    return render


def _status(module: str, function: str) -> Callable[[Report, Group, int], str]:
    def render(report: Report, by: Group, width: int) -> str:
        written = getattr(import_module(f"keepiton.report.{module}"), function)
        made: str = written(report, by, width)
        return made

    return render


RENDERERS: dict[str, Callable[[Report], str | bytes]] = {
    "table": _render("table", "render"),
    "md": _render("markdown", "render"),
    "html": _render("html", "render"),
    "csv": _render("csv", "render"),
    "json": _render("json", "render"),
    "jsonl": _render("jsonl", "render"),
    "atom": _render("atom", "render"),
    "prometheus": _render("prometheus", "render"),
    "svg": _render("svg", "render"),
    "png": _render("png", "render"),
    "disclosure": _render("disclosure", "in_markdown"),
    "disclosure-html": _render("disclosure", "in_html"),
}
STATUS: dict[str, Callable[[Report, Group, int], str]] = {
    "table": _status("status", "table"),
    "md": _status("status", "in_markdown"),
    "csv": _status("status", "in_csv"),
    "json": _status("json", "status"),
    "html": _status("html", "status"),
    "prometheus": _status("prometheus", "status"),
}
"""Of the quick table; by which group, and how many columns the screen has."""

__all__ = ["RENDERERS", "STATUS", "Report"]
