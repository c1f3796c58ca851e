"""Timelines: what vantages saw, as marks, one a run and ten minutes apart.

Of a target: ``.`` answered, ``x`` failed and again when asked anew (TCP), ``d`` likewise at its
name, ``s`` failed once at HTTP (``t``: at TLS), ``u`` could not be asked for want of a route, ``~``
answered slowly, a blank: not asked.
Of the own line: ``.`` up, ``x`` no control answered, ``u`` none could be asked, ``b`` only domestic
ones answered, ``m`` it died in mid-run, ``r`` it came back in mid-run, ``v`` the way out changed (a
VPN), ``?`` no control was asked, a blank: no run.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

from keepiton.base.types import STAGES, Stage
from keepiton.detect import Policy, detect
from keepiton.detect.belief import MISSING
from keepiton.detect.observations import judge_connectivity, observe
from keepiton.detect.types import Detection, Window
from keepiton.storage.rounds import (
    CONFIRMED,
    FAILED,
    LOOKED_UP,
    NO_CLOCK,
    ONE_STAGE,
    REACHED,
    RESOLVED,
    TRIED,
    UNRESOLVED,
    Rounds,
)
from keepiton.storage.rounds import make_rounds as of_columns
from keepiton.storage.rows import End, Measurement, Run

START = datetime(2022, 2, 27, 8, 2, tzinfo=UTC)
STEP = timedelta(minutes=10)
LOOK = timedelta(seconds=90)
"""Between the looks at the own line; what is asked is asked after the first."""
CONTROLS = (
    *(("foreign", f"foreign-{n}") for n in range(3)),
    *(("domestic", f"domestic-{n}") for n in range(2)),
)
ALL = ("foreign", "domestic")
DEAD_CONTROLS = {
    ".": ((), ()),
    "v": ((), ()),
    "x": (ALL, ALL),
    "u": (ALL, ALL),
    "b": (("foreign",), ("foreign",)),
    "m": ((), ALL),
    "r": (ALL, ()),
}
"""What does not answer in the first look and in the others."""
MARKS_OF_LINES = "".join(DEAD_CONTROLS) + "? "
ANSWER = REACHED | LOOKED_UP | RESOLVED
FLAGS = {
    ".": ANSWER,
    "~": ANSWER,
    "x": FAILED | CONFIRMED | LOOKED_UP | RESOLVED,
    "d": FAILED | CONFIRMED | LOOKED_UP | UNRESOLVED | ONE_STAGE,
    "s": FAILED | LOOKED_UP | RESOLVED,
    "t": FAILED | LOOKED_UP | RESOLVED,
    "u": LOOKED_UP | ONE_STAGE,
}
FAILS: dict[str, tuple[Stage, str]] = {
    "x": ("tcp", "generic_timeout_error"),
    "d": ("dns", "dns_nxdomain_error"),
    "s": ("http", "connection_reset"),
    "t": ("tls", "connection_reset"),
    "u": ("dns", "network_unreachable"),
}
USUAL = Policy()
USUAL_MS = 100.0
MS = {"~": 2000.0, "d": float("nan"), "u": float("nan")}
"""The longest stage that answered."""


@dataclass(frozen=True)
class Watch:
    """What one vantage saw; ``a@alpha`` is target a of operator alpha, ``a#cdn`` one of a role."""

    vantage: str
    marks: dict[str, str]
    inside: bool = False
    line: str = ""
    """Up in every run in which something is asked, unless given."""
    late: timedelta = timedelta(0)
    clock: timedelta | None = timedelta(0)
    """What must be added to its clock; None where nobody knows."""
    looks: int = 2

    def runs(self) -> Iterator[tuple[int, str, dict[str, str]]]:
        """Yield number, mark of the own line and marks of what was asked."""
        columns = zip_longest(self.line, *self.marks.values(), fillvalue=" ")
        for number, (line, *marks) in enumerate(columns):
            told = zip(self.marks, marks, strict=True)
            asked = {name: mark for name, mark in told if mark != " "}
            if not self.line and asked:
                yield number, ".", asked
            elif line != " ":
                yield number, line, asked

    def at(self, number: int) -> datetime:
        """Return when a run began, by the vantage's own clock."""
        return START + number * STEP + self.late - (self.clock or timedelta(0))

    def run(self, number: int) -> str:
        """Name a run."""
        return hashlib.sha256(f"{self.vantage}|{number}".encode()).hexdigest()[:12]

    def file(self, number: int) -> str:
        """Name its file."""
        return f"{self.at(number):%Y%m%dT%H%M%SZ}-{self.vantage}-{self.run(number)}.jsonl"

    def controls(self, line: str) -> Iterator[tuple[int, str, str, str]]:
        """Yield every look at a control: its number, the control, and its mark."""
        if line != "?":
            for look in range(self.looks):
                dead = DEAD_CONTROLS[line][min(look, 1)]
                for group, name in CONTROLS:
                    bad = "u" if line == "u" else "x"
                    yield look, group, name, bad if group in dead else "."


def parts(name: str) -> tuple[str, str, str]:
    """Take apart what names a target, its operator and its role."""
    target, _, operator = name.partition("@")
    target, _, role = target.partition("#")
    return target, operator, role or "other"


def tried(mark: str) -> tuple[Stage, ...]:
    """Name the stages of a round: those up to the one that failed."""
    stage, _ = FAILS.get(mark, ("http", ""))
    return STAGES[: STAGES.index(stage) + 1]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def rounds(*watches: Watch) -> Rounds:
    """Turn timelines into what reading their files would give."""
    runs: list[tuple[Any, ...]] = []
    rows: list[tuple[Any, ...]] = []
    names: dict[str, dict[Any, int]] = {
        name: {} for name in ("subject", "failure", "file", "vantage")
    }

    def index(kind: str, name: object) -> int:
        return names[kind].setdefault(name, len(names[kind]))

    def add(subject: object, look: int, at: datetime, mark: str, file: str, check: int) -> None:
        failed = (-1, -1, -1)
        if mark in FAILS:
            stage, failure = FAILS[mark]
            failed = (STAGES.index(stage), index("failure", failure), index("file", file))
        flags = FLAGS[mark] | sum(TRIED[stage] for stage in tried(mark))
        row = (look, _ms(at), check, check, flags, MS.get(mark, USUAL_MS), *failed)
        rows.append((len(runs) - 1, index("subject", subject), *row))

    assert len({watch.vantage for watch in watches}) == len(watches)
    for watch in watches:
        known = NO_CLOCK if watch.clock is None else round(watch.clock / timedelta(milliseconds=1))
        for number, line, asked in watch.runs():
            place = index("vantage", watch.vantage)
            runs.append((watch.run(number), place, watch.inside, line == "v", known, "by"))
            at, file = watch.at(number), watch.file(number)
            for look, group, name, mark in watch.controls(line):
                subject = (name, "", "control", group)
                add(subject, look, at + look * LOOK, mark, file, look)
            for name, mark in asked.items():
                target, operator, role = parts(name)
                subject = (target, operator, role, "")
                add(subject, -1, at + LOOK / 2, mark, file, -1 if line == "?" else 0)
    row_names = (
        "run",
        "subject",
        "check_number",
        "at",
        "first_check",
        "last_check",
        "flags",
        "latency_ms",
    )
    columns: dict[str, Any] = _columns((*row_names, "stage", "failure", "file"), rows)
    run_names = ("id", "vantage", "inside", "mixed", "clock_ms", "country")
    columns |= _columns([f"run_{name}" for name in run_names], runs)
    columns |= _columns(("target", "operator", "role", "control"), list(names["subject"]))
    for kind, name in (("failure", "failures"), ("file", "files"), ("vantage", "vantages")):
        columns[name] = list(names[kind])
    return of_columns(columns)


def _columns(names: Sequence[str], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}


def found(*watches: Watch, policy: Policy = USUAL, after: int | None = None) -> Detection:
    """Detect in timelines; ``now`` is the beginning of a run, 1000 unless given."""
    return detect(rounds(*watches), policy, START + (1000 if after is None else after) * STEP)


def only(findings: Detection) -> Window:
    """Return the one window."""
    (window,) = findings.windows
    return window


def steps(at: datetime | None) -> float | None:
    """Write an instant as a number of runs after the beginning."""
    return None if at is None else round((at - START) / STEP, 2)


def spans(windows: Iterable[Window]) -> list[tuple[str, float, float]]:
    """Write windows as subject, latest start and earliest end, in runs."""
    return [
        (one.subject, (one.start_latest - START) / STEP, (one.end_earliest - START) / STEP)
        for one in windows
    ]


def lines_of(watch: Watch, number: int, line: str, asked: dict[str, str]) -> list[str]:
    """Write one run as the lines of its result file."""
    run, at = watch.run(number), watch.at(number)
    head = Run(
        run=run,
        software={"keepiton": "0"},
        vantage=watch.vantage,
        perspective="inside" if watch.inside else "outside",
        country="by",
        lists=(),
        targets=len(asked),
        settings={},
        planned_at=at,
        started_at=at,
    )
    out = [head.to_json_line()]
    told: list[dict[str, Any]] = []
    for look, group, name, mark in watch.controls(line):
        row: dict[str, Any] = {"target": name, "control": group, "role": "control", "check": look}
        told += _chain(row, at + look * LOOK, mark)
    for name, mark in asked.items():
        target, operator, role = parts(name)
        row = {"target": target, "operator": operator or None, "role": role}
        row |= {"check": None if line == "?" else 0}
        told += _chain(row, at + LOOK / 2, mark)
    out += [Measurement(run=run, **row).to_json_line() for row in told]
    clock = None if watch.clock is None else round(watch.clock / timedelta(milliseconds=1))
    out.append(
        End(
            run=run,
            ended_at=at + 2 * LOOK,
            reason="finished",
            measurements=len(told),
            states={},
            line="mixed" if line == "v" else "up",
            clock_offset_ms=clock,
            sha256="0" * 64,
        ).to_json_line()
    )
    return [one.decode().rstrip("\n") for one in out]


def _chain(row: dict[str, Any], at: datetime, mark: str) -> Iterator[dict[str, Any]]:
    stage, failure = FAILS.get(mark, (None, None))
    row = {**row, "at": at, "duration_ms": MS["~"] if mark == "~" else USUAL_MS, "state": "ok"}
    for one in STAGES:
        end = {} if one == "dns" else {"address": "5.45.70.1", "port": 443}
        if one != stage:
            yield {**row, "stage": one, **end}
            continue
        state = {"state": "fail", "failure": failure}
        if mark == "u":
            state |= {"state": "inconclusive", "reason": "no_route"}
        for attempt in (1, 2) if mark in "xd" else (1,):
            yield {**row, "stage": one, **end, **state, "attempt": attempt}
        return


def write(folder: Path, *watches: Watch) -> list[Path]:
    """Write timelines as result files, one a run, in a folder for each vantage."""
    made = []
    for watch in watches:
        for number, line, asked in watch.runs():
            path = folder / watch.vantage / watch.file(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = lines_of(watch, number, line, asked)
            path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
            made.append(path)
    return made


def said(kept: Rounds) -> dict[tuple[str, str], bool | None]:
    """Return what each run says of each target: reached, not reached, None: it cannot know."""
    seen = observe(kept, judge_connectivity(kept), USUAL)
    return {
        (str(kept.run_id[run]), str(kept.target[subject])): None if symbol == MISSING else not bad
        for run, subject, symbol, bad in zip(
            seen.run, seen.subject, seen.symbol, seen.bad, strict=True
        )
        if not kept.control[subject]
    }


def plain(kept: Rounds) -> list[dict[str, Any]]:
    """Turn columns back into rounds that can be read and compared, in a fixed order."""
    out = []
    for n in range(len(kept)):
        run, subject = kept.run[n], kept.subject[n]
        out.append(
            {
                "run": str(kept.run_id[run]),
                "vantage": str(kept.vantages[kept.run_vantage[run]]),
                "inside": bool(kept.run_inside[run]),
                "clock_ms": int(kept.run_clock_ms[run]),
                "country": str(kept.run_country[run]),
                "mixed": bool(kept.run_mixed[run]),
                "target": str(kept.target[subject]),
                "operator": str(kept.operator[subject]),
                "role": str(kept.role[subject]),
                "control": str(kept.control[subject]),
                "check_number": int(kept.check_number[n]),
                "checks": (int(kept.first_check[n]), int(kept.last_check[n])),
                "at": int(kept.at[n]),
                "flags": int(kept.flags[n]),
                "latency_ms": None
                if kept.latency_ms[n] != kept.latency_ms[n]
                else float(kept.latency_ms[n]),
                "stage": STAGES[kept.stage[n]] if kept.stage[n] >= 0 else "",
                "failure": str(kept.failures[kept.failure[n]]) if kept.failure[n] >= 0 else "",
                "file": str(kept.files[kept.file[n]]) if kept.file[n] >= 0 else "",
            }
        )
    return sorted(out, key=lambda one: json.dumps(one, sort_keys=True))
