"""Golden outputs: what reports, statuses, pages and findings of fixed result files look like.

Inputs are the result files of format 1 in ``tests/data/format-1`` and three simulated series of
``benchmarks/series.py``, written as result files. ``tests/generate.py`` writes the expected outputs
in ``tests/golden``; each change of one is listed in the changelog.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from click.testing import CliRunner

from keepiton.cli import keepiton
from keepiton.cli.report_run import MOST_SPANS
from keepiton.lists import events
from keepiton.report.build import build, number_evidence
from keepiton.report.formats import REPORT_FORMATS, STATUS_FORMATS
from keepiton.storage.evidence import find_lines, find_seals
from keepiton.storage.reader import read
from keepiton.storage.result_files import find

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "benchmarks"))

import detection  # noqa: E402 - benchmarks are no package
import series  # noqa: E402

FOLDER = ROOT / "tests" / "golden"
SAMPLES = ROOT / "tests" / "data" / "format-1"
SERIES = ("national_shutdown", "dns_tampering", "tls_blocking")
SEED = 201
DAYS = 5
REPORTS = {
    "report.json": "json",
    "page.html": "html",
    "report.txt": "table",
    "report.md": "md",
    "report.csv": "csv",
    "report.atom": "atom",
    "report.prom": "prometheus",
    "disclosure.md": "disclosure",
}
STATUSES = {"status.json": "json", "status.txt": "table", "status.csv": "csv"}
WIDTH = 100
"""Columns of the screen that a status is fitted to."""


def outputs(results: Path, now: datetime) -> Iterator[tuple[str, bytes]]:
    """Yield file name and content of every output for a folder of result files."""
    files = find([results])
    rows = read(files)
    listed = [event for event_list in events.shipped() for event in event_list.event]
    report = build(rows, UTC, now, most=MOST_SPANS, events=tuple(listed))
    assert report
    evidence = [row for window in report.windows for row in window.evidence]
    windows = number_evidence(report.windows, find_lines(evidence, files))
    report = replace(report, windows=windows, sealed=find_seals(evidence, files))
    for name, form in REPORTS.items():
        content = REPORT_FORMATS[form].render(report)
        yield name, content.encode() if isinstance(content, str) else content
    status = build(rows, UTC, now, width=WIDTH)
    assert status
    for name, form in STATUSES.items():
        yield name, STATUS_FORMATS[form].render(status).encode()


def findings(results: Path) -> bytes:
    """Return what ``keepiton findings --format json`` prints of a folder's sealed files."""
    names = [str(path) for path in sorted(results.glob("*.jsonl"))]
    done = CliRunner().invoke(keepiton, ["findings", *names, "--format", "json"])
    assert done.exit_code == 0, done.output
    return done.output.encode()


@lru_cache
def expected() -> dict[str, bytes]:
    """Return every output: path below ``tests/golden`` and content."""
    made = {"format-1/findings.json": findings(SAMPLES)}
    inputs = {"format-1": (SAMPLES, datetime(2022, 2, 27, 9, tzinfo=UTC))}
    with tempfile.TemporaryDirectory() as scratch:
        for name in SERIES:
            folder = Path(scratch) / "series" / name
            series.write(folder, series.World(name, SEED, DAYS))
            results = Path(scratch) / "results" / name
            results.mkdir(parents=True)
            truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
            detection.convert(folder, truth, results, clock=True)
            inputs[name] = results, datetime.fromisoformat(truth["end"]) + timedelta(minutes=1)
        for name, (results, now) in inputs.items():
            made |= {f"{name}/{file}": content for file, content in outputs(results, now)}
    return made
