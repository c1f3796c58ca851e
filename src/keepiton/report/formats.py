"""The formats of ``report`` and ``status``: one table each, which loads no library.

A new format is a module with a function from a report to text or bytes, and one line here: the
command, its help, the completions and the manual page are made from these tables.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:  # the commands' help is made from this module, and must not load detection
    from keepiton.report.types import Report


Content = TypeVar("Content", str, str | bytes)


class Format(NamedTuple, Generic[Content]):
    """Where a format is written, and how it is recognised."""

    module: str
    function: str
    endings: tuple[str, ...] = ()
    """Endings of an output file that choose it."""
    names_files: bool = False
    """Whether it names result files with their hashes."""

    def render(self, report: "Report") -> Content:
        """Write a report; its module is loaded now, since a table needs no library of pages."""
        content: Content = getattr(import_module(self.module), self.function)(report)
        return content


REPORT_FORMATS: dict[str, Format[str | bytes]] = {
    "table": Format("keepiton.report.table", "render", (".txt",)),
    "md": Format("keepiton.report.markdown", "render", (".md",)),
    "html": Format("keepiton.publish.html", "render", (".html", ".htm"), names_files=True),
    "csv": Format("keepiton.report.csv", "render", (".csv",)),
    "json": Format("keepiton.report.json", "render", (".json",), names_files=True),
    "jsonl": Format("keepiton.report.jsonl", "render", (".jsonl",)),
    "atom": Format("keepiton.publish.atom", "render", (".atom", ".xml")),
    "prometheus": Format("keepiton.publish.prometheus", "render", (".prom",)),
    "svg": Format("keepiton.publish.svg", "render", (".svg",)),
    "png": Format("keepiton.publish.png", "render", (".png",)),
    "disclosure": Format("keepiton.publish.disclosure", "in_markdown", names_files=True),
    "disclosure-html": Format("keepiton.publish.disclosure", "in_html", names_files=True),
}
STATUS_FORMATS: dict[str, Format[str]] = {
    "table": Format("keepiton.report.status", "table", (".txt",)),
    "md": Format("keepiton.report.status", "in_markdown", (".md",)),
    "csv": Format("keepiton.report.status", "in_csv", (".csv",)),
    "json": Format("keepiton.report.json", "status", (".json",)),
    "html": Format("keepiton.publish.html", "status", (".html", ".htm")),
    "prometheus": Format("keepiton.publish.prometheus", "status", (".prom",)),
}


def endings(formats: Mapping[str, Format[Content]]) -> dict[str, str]:
    """Return the name of the format that each ending of a file chooses."""
    return {ending: name for name, form in formats.items() for ending in form.endings}
