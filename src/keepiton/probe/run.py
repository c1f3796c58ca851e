"""One run from lock to seal: seals what a crash left, probes, seals its own file."""

import asyncio
import gc
import platform
import secrets
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from keepiton import __version__
from keepiton.base.memory import memory_errors_as_os_errors
from keepiton.base.signals import StopSignals, handle_stop_signals
from keepiton.base.types import Perspective
from keepiton.lists.load import LoadedLists
from keepiton.probe import http
from keepiton.probe.runner import Runner
from keepiton.probe.settings import ADDRESSES_PER_FAMILY, BUDGET_S, MAX_HOPS, STAGE_S, Settings
from keepiton.probe.types import Progress
from keepiton.storage import state
from keepiton.storage import writer as write
from keepiton.storage.rows import EndReason, Run
from keepiton.storage.run_name import RunName

LIBRARIES = ("certifi", "cryptography", "dnspython", "httpx2", "pyopenssl")
STOPS: dict[int, EndReason] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

COLLECT = (50_000, 20, 20)
"""New objects between two garbage collections; Python's own 700 cost 3 % of a run."""

UserAgent = Literal["auto", "ordinary", "named"]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Plan of a run: what to probe, from where, and where its file goes."""

    data: Path
    loaded: LoadedLists
    vantage: str
    perspective: Perspective
    settings: Settings
    planned_at: datetime
    contact: str = ""
    user_agent: UserAgent = "auto"

    @property
    def named(self) -> bool:
        """Whether requests identify keepiton (SAFETY S10)."""
        return self.user_agent == "named" or (
            self.user_agent == "auto" and self.perspective == "outside"
        )


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of a run."""

    progress: Progress
    path: Path
    recovered: Path | None
    started_at: datetime
    ended_at: datetime


def run_line(plan: RunPlan, started_at: datetime) -> Run:
    """Return the run line: nothing in it names the machine or its user."""
    settings = plan.settings
    return Run(
        run=secrets.token_hex(6),
        software={
            "keepiton": __version__,
            "python": platform.python_version(),
            "openssl": ssl.OPENSSL_VERSION.split()[1],
            **{name: version(name) for name in LIBRARIES},
        },
        vantage=plan.vantage,
        perspective=plan.perspective,
        country=plan.loaded.country,
        lists=tuple(plan.loaded.lists),
        targets=len(plan.loaded.targets),
        settings={
            "resolvers": [resolver.label for resolver in settings.resolvers],
            "own_roots": settings.roots is not None,
            "confirm": settings.confirm,
            "pause_s": settings.pause_s,
            "rate": settings.rate,
            "deadline_s": settings.deadline_s,
            "max_bytes": settings.max_bytes,
            "allow_private": settings.allow_private,
            "drill": settings.drill,
            "sparse": settings.sparse,
            "budget_s": BUDGET_S,
            "addresses_per_family": ADDRESSES_PER_FAMILY,
            "compare": [resolver.label for resolver in settings.compare],
            "max_hops": MAX_HOPS,
            "user_agent": "named" if plan.named else "ordinary",
            "quic": settings.quic,
            "throughput": settings.throughput,
            **{f"{stage}_s": seconds for stage, seconds in STAGE_S.items()},
        },
        planned_at=plan.planned_at,
        started_at=started_at,
    )


def with_user_agent(plan: RunPlan) -> Settings:
    """Return the settings with the headers that requests have.

    From inside, traffic looks ordinary; from outside it says what it is (SAFETY S10).
    """
    contact = "; ".join(["network reachability measurement", *filter(None, [plan.contact])])
    agent = http.user_agent(f"keepiton/{__version__} ({contact})")
    return replace(plan.settings, headers=agent) if plan.named else plan.settings


def seal_left_behind(data: Path, memory: state.DataFolderState) -> Path | None:
    """Seal the file of a run that died; return it. Raises OSError."""
    name = RunName.parse_path(memory.open_file or "")
    if not name:
        return None
    recovered = write.recover(data, name, memory.chain.get(name.vantage))
    path = None
    if recovered:  # as with any run, the chain is noted before the file has its name
        part, memory.chain[name.vantage] = recovered
        state.save(data, memory)
        path = write.publish(part)
    memory.open_file = None
    state.save(data, memory)
    return path


@memory_errors_as_os_errors()
def run_once(
    plan: RunPlan, memory: state.DataFolderState, step: Callable[[Progress], None] = lambda _: None
) -> RunResult:
    """Do one run. The caller holds the folder's lock and has read its memory under it.

    SIGINT and SIGTERM end it early and keep what was measured. Raises OSError when results cannot
    be written or memory runs out; what was written stays readable.
    """
    recovered = seal_left_behind(plan.data, memory)
    started_at = plan.settings.now()
    run = run_line(plan, started_at)
    # Noted before it exists: a crash at any moment leaves no file that nobody seals.
    memory.open_file = RunName.of(run).path
    state.save(plan.data, memory)
    with handle_stop_signals() as signals:
        writer = write.Writer(plan.data, run)
        usual = gc.get_threshold()
        gc.freeze()  # what is here stays: a run makes many objects, and few of them in circles
        gc.set_threshold(*COLLECT)
        try:
            with writer.syncing():
                progress = asyncio.run(_probe(plan, run, writer, step, signals))
            if progress.reason in STOPS.values():
                signals.received = None
            previous = memory.chain.get(plan.vantage)
            sha256 = writer.seal(
                plan.settings.now(),
                progress.reason,
                progress.verdict,
                progress.bytes_received,
                progress.clock_offset_ms,
                progress.loop_late_ms,
                previous,
            )
        finally:
            writer.close()
            gc.set_threshold(*usual)
            gc.unfreeze()
        memory.chain[plan.vantage] = sha256
        if not progress.verdict.is_offline and not plan.settings.allow_private:  # that is a lab
            probed = [result.target.id for result in progress.results if result.state != "skipped"]
            memory.note_probed(probed, started_at)
        state.save(plan.data, memory)
        path = write.publish(writer.part)
        memory.open_file = None
        state.save(plan.data, memory)
    return RunResult(progress, path, recovered, started_at, plan.settings.now())


async def _probe(
    plan: RunPlan,
    run: Run,
    writer: write.Writer,
    step: Callable[[Progress], None],
    signals: StopSignals,
) -> Progress:
    settings = with_user_agent(plan)
    runner = Runner(run.run, plan.loaded.targets, plan.perspective, settings, writer.add)
    loop = asyncio.get_running_loop()
    signals.notify = lambda number: loop.call_soon_threadsafe(runner.stop, STOPS[number])
    if signals.received:
        loop.call_soon(runner.stop, STOPS[signals.received])
    try:
        return await runner.run_all(step)
    finally:
        signals.notify = None
