"""From findings to text: one module a format, each a pure ``render``."""

from collections.abc import Callable

from keepiton.report import csv, json, markdown, table
from keepiton.report.common import Report

RENDERERS: dict[str, Callable[[Report], str]] = {
    "table": table.render,
    "json": json.render,
    "csv": csv.render,
    "md": markdown.render,
}

__all__ = ["RENDERERS", "Report"]
