"""The public interface: what ``import keepiton`` promises (types: typing/api.py)."""

import ast
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import keepiton
import timelines
from keepiton.detect import Policy
from timelines import STEP, Watch


def test_every_public_name_is_there_and_typed() -> None:
    for name in keepiton.__all__:
        assert getattr(keepiton, name)
    stub = Path(str(keepiton.__file__)).with_suffix(".pyi").read_text()
    (listed,) = [
        ast.literal_eval(node.value)
        for node in ast.parse(stub).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert listed == keepiton.__all__
    assert not hasattr(keepiton, "nothing_of_the_kind")


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = (
        "import sys, keepiton\n"
        "assert [name for name in sys.modules if name.startswith('keepiton')] == ['keepiton']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_three_calls_lead_from_result_files_to_a_report(tmp_path: Path) -> None:
    marks = {"www.a.example@alpha": "." * 20 + "x" * 6 + "." * 20}
    timelines.write(tmp_path, Watch("v1", marks))
    results = keepiton.read([str(path) for path in tmp_path.rglob("*.jsonl")])
    now = datetime.fromtimestamp(max(results.rounds.at) / 1000, UTC) + STEP
    windows = keepiton.detect_disruptions(results.rounds, Policy(), now).windows
    report = keepiton.build_report(results, UTC, now)
    assert report
    assert windows
    assert [window.id for window in report.windows] == [window.id for window in windows]
