"""From findings to text: one module a format, each a pure ``render``."""

from collections.abc import Callable

from keepiton.model import Group
from keepiton.report import (
    atom,
    csv,
    disclosure,
    html,
    json,
    jsonl,
    markdown,
    png,
    prometheus,
    status,
    svg,
    table,
)
from keepiton.report.common import Report

RENDERERS: dict[str, Callable[[Report], str | bytes]] = {
    "table": table.render,
    "md": markdown.render,
    "html": html.render,
    "csv": csv.render,
    "json": json.render,
    "jsonl": jsonl.render,
    "atom": atom.render,
    "prometheus": prometheus.render,
    "svg": svg.render,
    "png": png.render,
    "disclosure": disclosure.in_markdown,
    "disclosure-html": disclosure.in_html,
}
STATUS: dict[str, Callable[[Report, Group, int], str]] = {
    "table": status.table,
    "md": status.in_markdown,
    "csv": status.in_csv,
    "json": json.status,
    "html": html.status,
    "prometheus": prometheus.status,
}
"""Of the quick table; by which group, and how many columns the screen has."""

__all__ = ["RENDERERS", "STATUS", "Report"]
