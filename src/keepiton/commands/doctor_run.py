"""``keepiton doctor``: makes the checks and prints their results."""

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource
from rich.console import Console

from keepiton.base.errors import UserError
from keepiton.base.language import Language
from keepiton.base.types import RISKS
from keepiton.cli import config_layers, exits, folders, i18n, times
from keepiton.cli.consent import first_run
from keepiton.cli.probe import probe
from keepiton.cli.probe_options import ProbeOptions
from keepiton.cli.probe_run import RunRequest, prepare
from keepiton.operate.doctor import render, run_checks
from keepiton.operate.doctor.network import measure
from keepiton.operate.doctor.types import CheckContext, CheckResult, CheckText, NetworkCheck
from keepiton.operate.doctor.types import lazy_gettext as _
from keepiton.probe import certificate
from keepiton.probe.run import RunPlan
from keepiton.storage import state
from keepiton.storage.state import DataFolderState


def doctor(
    context: click.Context,
    /,
    form: str,
    *,
    offline: bool,
    **values: Any,  # noqa: ANN401 - options of probe
) -> None:
    """Make every check, print the results and exit with their code. Raises UserError."""
    now = datetime.now(UTC)
    lang = i18n.language(values["lang"])
    options = _as_probe(context, values)
    data = options.data or folders.data_folder()
    memory = _memory(data)
    check_context = CheckContext(
        data,
        data_given=options.data is not None,
        config=tuple(folders.config_files().values()),
        environment=os.environ,
        now=now,
        memory=memory,
        min_free=times.parse_size(options.extra["min_free"], "--min-free"),
        roots=options.roots,
    )
    if not offline:
        measured = _measure(options, data, memory, now, lang)
        check_context = replace(check_context, measured=measured)
    results = run_checks(check_context)
    code = _exit_code(results)
    if form == "json":
        click.echo(render.to_json(results, now, code), nl=False)
    else:
        _show(results, lang)
    sys.exit(code)


def _as_probe(context: click.Context, options: dict[str, Any]) -> ProbeOptions:
    """Return every option as ``probe`` would have it here, under what was given to this command."""
    usual: dict[str, Any] = {}
    if folders.configured() and context.parent:
        group = cast("click.Group", context.parent.command)
        usual = config_layers.defaults(group, "probe").get("probe", {})
    defaults = probe.make_context("probe", [], parent=context.parent, default_map=usual).params
    chosen = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return ProbeOptions.of(defaults | chosen)


def _memory(data: Path) -> DataFolderState | None:
    """Return what the folder remembers; None where that is damaged."""
    try:
        return state.load(data)
    except UserError:
        return None


def _measure(
    options: ProbeOptions,
    data: Path,
    memory: DataFolderState | None,
    now: datetime,
    lang: Language,
) -> NetworkCheck | CheckText:
    """Measure the network, or return why that was not done. Raises UserError."""
    try:
        certificate.bundle(options.roots)
    except (OSError, ValueError):
        return _("The network was not asked: see trust anchors.")
    request = prepare(options, _stdin)
    memory = memory or DataFolderState()
    if not _accepted(memory, request):
        return _(
            "The lists' risk ({risk}) is not accepted yet: begin with keepiton probe",
            risk=request.loaded.risk,
        )
    if memory.first_run_shown < state.CONSENT:  # each time until a run: nothing is stored here
        click.echo(first_run(data), err=True)
    perspective = options.perspective or memory.perspective
    user_agent = options.user_agent
    if perspective is None and user_agent == "auto":
        user_agent = "ordinary"  # this may be inside, where requests must not name keepiton
    plan = RunPlan(
        data,
        request.loaded,
        memory.vantage or "doctor",
        perspective or "outside",
        request.settings,
        now,
        options.contact,
        user_agent,
    )
    if sys.stderr and sys.stderr.isatty():
        click.echo(lang.gettext("Asking the controls; a few seconds."), err=True)
    try:
        return asyncio.run(measure(plan))
    except Exception as exc:  # noqa: BLE001 - the other checks are still useful
        return _("The network could not be asked ({kind}).", kind=type(exc).__name__)


def _stdin(most: int) -> bytes:
    """Read a list given as ``-``; only then, since stdin may be closed."""
    return sys.stdin.buffer.read(most)


def _accepted(memory: DataFolderState, request: RunRequest) -> bool:
    """Whether a run of these lists would begin without a question (SAFETY S3)."""
    least = RISKS.index(request.loaded.risk)
    return least == 0 or any(
        RISKS.index(level) >= least and acceptance.consent == state.CONSENT
        for level, acceptance in memory.accepted.items()
    )


def _exit_code(results: list[CheckResult]) -> int:
    """Return the exit code: results that cannot be written come before an offline vantage."""
    problems = {result.name for result in results if result.state == "problem"}
    if problems & {"write access", "disk"}:
        return exits.NOT_WRITTEN
    return exits.VANTAGE_OFFLINE if "own line" in problems else 0


def _show(results: list[CheckResult], lang: Language) -> None:
    """Print the table, in colour where the terminal allows it."""
    table = render.table(results, lang, shutil.get_terminal_size((100, 24)).columns)
    if sys.stdout and sys.stdout.isatty():
        Console().print(table, soft_wrap=True)
    else:
        click.echo(table.plain)
