"""The public interface as a type checker sees it: mypy reads this file, and nothing runs it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

import keepiton
from keepiton.cli.extensions import RunExtension
from keepiton.commands import alarm_options, retention, schedule_expiry
from keepiton.detect import Policy
from keepiton.detect.types import Detection
from keepiton.report.types import Report
from keepiton.storage.rounds import ReadResult

EXTENSIONS: list[RunExtension] = [schedule_expiry, retention, alarm_options]


def use(paths: list[Path]) -> None:
    """Read result files, detect, and make a report."""
    now = datetime.now(UTC)
    results = assert_type(keepiton.read([str(path) for path in paths]), ReadResult)
    assert_type(keepiton.detect_disruptions(results.rounds, Policy(), now), Detection)
    assert_type(keepiton.build_report(results, UTC, now), Report | None)
    assert_type(keepiton.__version__, str)
