"""Judges detection on series with known truth, by the very code that ``report`` runs.

    python benchmarks/detection.py DIR... --scorer FILE [--out FOLDER] [--no-clock] [--verbose]

Each DIR holds ``probes.jsonl.gz`` and ``truth.json`` (see series.py). The probes become result
lines, are folded and detected as any result files are, and the windows are written as
``FOLDER/<folder name>.json``. Of truth.json only what a target list and a run would have said is
used: members, targets, and each vantage's skew, which a run learns from Date headers (--no-clock
withholds it). The windows of truth.json are for the scorer alone.
"""

import argparse
import gzip
import hashlib
import importlib.util
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from keepiton.base.types import utc
from keepiton.cli.detection import policy_from
from keepiton.detect import Policy
from keepiton.detect.types import Detection, Window
from keepiton.report.build import build
from keepiton.storage.reader import read
from keepiton.storage.result_files import find

PAUSE_S = 90
"""A longer silence of a vantage ends its run (the form has no run ids)."""
ADDRESS = "192.0.2.1"


def probes(folder: Path) -> list[tuple[float, dict[str, Any]]]:
    """Read a series in order of time."""
    rows = []
    with gzip.open(folder / "probes.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            at = datetime.fromisoformat(row["ts"]).timestamp()
            rows.append((at, row))
    rows.sort(key=lambda one: (one[1]["vantage"], one[0]))
    return rows


def convert(folder: Path, truth: dict[str, Any], to: Path, *, clock: bool) -> dict[str, str]:
    """Write a series as result files; return the vantages' names by those used."""
    names = {f"v{number}": name for number, name in enumerate(sorted(truth["vantages"]))}
    token = {name: short for short, name in names.items()}
    country = next((one.lower() for one in truth["members"].get("country", {})), None)
    days: dict[str, list[str]] = defaultdict(list)
    run: list[tuple[float, dict[str, Any]]] = []
    for at, row in [*probes(folder), (float("inf"), {"vantage": None})]:
        if run and (row["vantage"] != run[-1][1]["vantage"] or at - run[-1][0] > PAUSE_S):
            told = truth["vantages"][run[0][1]["vantage"]]
            skew = told.get("skew_s") if clock else None
            lines = list(_run(run, token[run[0][1]["vantage"]], truth, country, skew))
            days[datetime.fromtimestamp(run[0][0], UTC).strftime("%Y%m%d")] += lines
            run = []
        run.append((at, row))
    for day, lines in days.items():
        (to / f"{day}T000000Z-series.jsonl").write_text("".join(lines), encoding="utf-8")
    return names


def _run(
    rows: list[tuple[float, dict[str, Any]]],
    vantage: str,
    truth: dict[str, Any],
    country: str | None,
    skew: float | None,
) -> Iterator[str]:
    start = utc(datetime.fromtimestamp(rows[0][0], UTC))
    run = hashlib.sha256(f"{vantage} {start}".encode()).hexdigest()[:12]
    yield _line(
        type="run",
        format=1,
        run=run,
        vantage=vantage,
        perspective=rows[0][1]["perspective"],
        country=country,
    )
    controls = any(_control(truth, row["target"]) for _, row in rows)
    for at, row in rows:
        target = row["target"]
        about = truth["targets"][target]
        control = _control(truth, target)
        known = {
            "type": "measurement",
            "run": run,
            "target": target,
            "operator": None if control or about["operator"] == "cdn" else about["operator"],
            "role": "cdn" if about["operator"] == "cdn" else "site",
            "control": control,
            # A handshake has no kind of its own in the form; its failure tells it.
            "stage": "tls" if (row["failure"] or "").startswith("tls") else row["kind"],
            "attempt": 1,
            "at": utc(datetime.fromtimestamp(at, UTC)),
            "duration_ms": row["latency_ms"],
            "state": "ok" if row["ok"] else "fail",
            "failure": row["failure"],
            "address": None if row["kind"] == "dns" else ADDRESS,
        }
        # The form has one look a run at the controls: it stands before and after the targets.
        for check in (0, 1) if control else (0,):
            yield _line(**known, check=check if controls else None)
    yield _line(
        type="end",
        run=run,
        line="up",
        clock_offset_ms=None if skew is None else round(-skew * 1000),
    )


def _control(truth: dict[str, Any], target: str) -> str | None:
    about = truth["targets"][target]
    if about["operator"] != "control":
        return None
    return "domestic" if about.get("home") else "foreign"


def _line(**fields: object) -> str:
    return json.dumps({name: value for name, value in fields.items() if value is not None}) + "\n"


def detected(folder: Path, policy: Policy, *, clock: bool) -> tuple[Detection, dict[str, str]]:
    """Run a series through the way that ``report`` goes."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        names = convert(folder, truth, Path(scratch), clock=clock)
        rows = read(find([Path(scratch)]))
    now = datetime.fromisoformat(truth["end"])
    made = build(rows, UTC, now, policy=policy)
    if not made:
        sys.exit(f"{folder}: no measurements")
    return made, names


def prediction(window: Window, names: dict[str, str]) -> dict[str, Any]:
    """Write a window as the scorer reads it."""
    subject = names[window.subject] if window.scope == "own_line" else window.subject
    return {
        "id": window.id,
        "scope": window.scope,
        "subject": subject,
        "perspective": window.perspective,
        "start": utc(window.start),
        "end": None if window.ongoing else utc(window.end or window.end_earliest),
        "start_earliest": window.start_earliest and utc(window.start_earliest),
        "start_latest": window.start_earliest and utc(window.start_latest),
        "end_earliest": window.end_latest and utc(window.end_earliest),
        "end_latest": window.end_latest and utc(window.end_latest),
        "confidence": window.confidence,
        "layer": window.layer,
        "severity": window.severity,
        "verdict": window.verdict,
        "vantages": [names[one] for one in window.vantages_for],
    }


def scorer(path: Path) -> ModuleType:
    """Load the scorer."""
    spec = importlib.util.spec_from_file_location("score", path)
    if not (spec and spec.loader):
        sys.exit(f"{path}: no scorer")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Judge every folder; print a line each and one a scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--scorer",
        type=Path,
        required=True,
        help="a Python file with a class Scorer(truth), whose score(windows) compares the two",
    )
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--no-clock", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="list what was missed and false")
    asked = parser.parse_args()
    score = scorer(asked.scorer)
    policy = policy_from(asked.policy)
    results = []
    for folder in asked.folders:
        found, names = detected(folder, policy, clock=not asked.no_clock)
        windows = [prediction(one, names) for one in (*found.windows, *found.vantage_outages)]
        if asked.out:
            asked.out.mkdir(parents=True, exist_ok=True)
            text = json.dumps(windows, indent=1, ensure_ascii=False)
            (asked.out / f"{folder.resolve().name}.json").write_text(text, encoding="utf-8")
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        judged = score.Scorer(truth).score(windows)
        results.append((folder.resolve().name, truth, judged))
        print(_row(folder.resolve().name, judged), flush=True)
        if asked.verbose:
            for kind in ("missed", "false_alarm_list"):
                for one in judged[kind]:
                    print(f"    {kind}: {one}")
    print("\n".join(["", *_summary(results)]))


def _row(name: str, r: dict[str, Any]) -> str:
    return (
        f"{name:26} true {r['true_windows']:3} found {r['predicted']:3}"
        f" recall {r['recall_any']} iou {r['recall_iou50']} precision {r['precision_any']}"
        f" false/vantage-week {r['false_alarms_per_vantage_week']}"
        f" pieces {r['fragments_per_found']}"
        f" start {r['start_error_min']['median_abs']} end {r['end_error_min']['median_abs']}"
        f" interval {r['interval_coverage']} layer {r['layer_right']}"
        f" severity {r['severity_right']}"
    )


def _summary(results: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    """Write a table by scenario, pooled over seeds, and one of what confidences were worth."""
    groups: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for _, truth, judged in results:
        groups[truth["scenario"]].append((truth, judged))
    yield "| scenario | series | true | recall | precision | false alarms a vantage-week |"
    yield "|---|---|---|---|---|---|"
    columns = []
    for name, pairs in [*sorted(groups.items()), ("all", [one[1:] for one in results])]:
        true = sum(r["true_windows"] for _, r in pairs)
        missed = sum(len(r["missed"]) for _, r in pairs)
        false = sum(r["false_alarms"] for _, r in pairs)
        right = sum(r["predicted"] - r["explained"] - r["false_alarms"] for _, r in pairs)
        weeks = sum(truth["vantage_weeks"] for truth, _ in pairs)
        recall = f"{1 - missed / true:.3f}" if true else "-"
        precision = f"{right / (right + false):.3f}" if right + false else "-"
        yield f"| {name} | {len(pairs)} | {true} | {recall} | {precision} | {false / weeks:.3f} |"
        columns.append((name, pairs))
    yield ""
    yield "| scenario | start, median of series (min) | end | true edge inside the interval |"
    yield "|---|---|---|---|"
    for name, pairs in columns:
        found = [r for _, r in pairs if r["start_error_min"]["median_abs"] is not None]
        if found:
            start, end = (
                statistics.median(r[f"{edge}_error_min"]["median_abs"] for r in found)
                for edge in ("start", "end")
            )
            held = [r["interval_coverage"] for r in found if r["interval_coverage"] is not None]
            share = f"{statistics.mean(held):.3f}" if held else "-"
            yield f"| {name} | {start:.1f} | {end:.1f} | {share} |"
    yield ""
    yield "| confidence said | windows | share right |"
    yield "|---|---|---|"
    bins: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for _, _, judged in results:
        for one in (judged.get("calibration") or {"bins": []})["bins"]:
            place = min(19, int(one["confidence"] * 20 + 1e-6))
            bins[place].append((one["confidence"], one["right"], one["n"]))
    for _, told in sorted(bins.items()):
        n = sum(one[2] for one in told)
        said, right = (sum(one[k] * one[2] for one in told) / n for k in (0, 1))
        yield f"| {said:.3f} | {n} | {right:.3f} |"


if __name__ == "__main__":
    main()
