"""``keepiton doctor``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from keepiton.base.errors import UserError
from keepiton.cli import exits, folders, i18n, times
from keepiton.cli.probe import probe

if TYPE_CHECKING:
    from datetime import datetime

    from keepiton.base.language import Language
    from keepiton.cli.probe_options import ProbeOptions, RunRequest
    from keepiton.operate.doctor.types import CheckResult, CheckText, NetworkCheck
    from keepiton.storage.state import DataFolderState

TAKEN = frozenset(
    {"lists", "data", "lang", "perspective", "resolvers", "roots", "do_not_probe", "allow_private"}
)
"""Options of ``probe`` that can be given here too."""


@click.command(params=[one for one in probe.params if one.name in TAKEN])
@click.option("--offline", is_flag=True, help="Send nothing: leave the checks of the network out.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or for machines.",
)
@click.pass_context
def doctor(
    context: click.Context,
    /,
    form: str,
    *,
    offline: bool,
    **given: Any,  # noqa: ANN401 - options of probe
) -> None:
    """Look over this machine and the data folder, with plain advice.

    Sent is what a run sends to the controls of the lists (the default ones, or each LIST), once,
    and one look-up more at each resolver: random letters below example.net, which must not exist.
    No other target is contacted, and nothing is asked of --doh. What is configured for
    probe holds here too.

    Nothing is altered, and the lock is not taken: it can be used while a run is under way.

    Exit status: 4 when this machine's own line is down, 5 when results could not be written, else
    0, with whatever is in trouble listed.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from keepiton.operate.doctor import render, run_checks  # noqa: PLC0415
    from keepiton.operate.doctor.types import CheckContext  # noqa: PLC0415

    now = datetime.now(UTC)
    words = i18n.language(given["lang"])
    asked = _as_probe(context, given)
    data = asked["data"] or folders.data_folder()
    memory = _memory(data)
    heard, unheard = (None, None) if offline else _listen(asked, data, memory, now, words)
    place = CheckContext(
        data,
        chosen=asked["data"] is not None,
        config=tuple(folders.config_files().values()),
        environment=os.environ,
        now=now,
        memory=memory,
        floor=times.parse_size(asked["min_free"], "--min-free"),
        roots=asked["roots"],
        network=heard,
        **({"unheard": unheard} if unheard else {}),
    )
    looks = run_checks(place)
    code = _code(looks)
    if form == "json":
        click.echo(render.to_json(looks, now, code), nl=False)
    else:
        _show(looks, words)
    sys.exit(code)


def _as_probe(context: click.Context, given: dict[str, Any]) -> "ProbeOptions":
    """Return every option as ``probe`` would have it here, under what was given to this command."""
    from click.core import ParameterSource  # noqa: PLC0415

    usual: dict[str, Any] = {}
    if folders.configured() and context.parent:
        from keepiton.cli import config_layers  # noqa: PLC0415

        group = cast("click.Group", context.parent.command)
        usual = config_layers.defaults(group, "probe").get("probe", {})
    made = probe.make_context("probe", [], parent=context.parent, default_map=usual).params
    said = {
        name: value
        for name, value in given.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return cast("ProbeOptions", made | said)


def _memory(data: Path) -> "DataFolderState | None":
    """Read the folder's memory; None where it is damaged."""
    from keepiton.storage import state  # noqa: PLC0415

    try:
        return state.load(data)
    except UserError:
        return None


def _listen(
    asked: "ProbeOptions",
    data: Path,
    memory: "DataFolderState | None",
    now: "datetime",
    words: "Language",
) -> "tuple[NetworkCheck | None, CheckText | None]":
    """Ask the network, or say why not. Raises UserError."""
    import asyncio  # noqa: PLC0415

    from keepiton.base.language import gettext_noop  # noqa: PLC0415
    from keepiton.cli import probe_options  # noqa: PLC0415
    from keepiton.cli.consent import first_run  # noqa: PLC0415
    from keepiton.operate.doctor.network import measure  # noqa: PLC0415
    from keepiton.operate.doctor.types import check_text  # noqa: PLC0415
    from keepiton.probe import certificate  # noqa: PLC0415
    from keepiton.probe.run import RunPlan  # noqa: PLC0415
    from keepiton.storage import state  # noqa: PLC0415

    try:
        certificate.bundle(asked["roots"])
    except (OSError, ValueError):
        return None, check_text(gettext_noop("The network was not asked: see trust anchors."))
    ready = probe_options.prepare(asked, _stdin)
    memory = memory or state.DataFolderState()
    if not _accepted(memory, ready):
        text = gettext_noop(
            "The lists' risk ({risk}) is not accepted yet: begin with keepiton probe"
        )
        return None, check_text(text, risk=ready.loaded.risk)
    if (
        memory.first_run_shown < state.CONSENT
    ):  # again each time, until a run has said it: nothing is noted
        click.echo(first_run(data), err=True)
    perspective = asked["perspective"] or memory.perspective
    plan = RunPlan(
        data,
        ready.loaded,
        memory.vantage or "doctor",
        perspective or "outside",
        ready.settings,
        now,
        asked["contact"],
        # Where it is not known whether this is inside, it must not be told who asks.
        "ordinary"
        if perspective is None and asked["user_agent"] == "auto"
        else asked["user_agent"],
    )
    if sys.stderr and sys.stderr.isatty():
        click.echo(words.gettext("Asking the controls; a few seconds."), err=True)
    try:
        return asyncio.run(measure(plan)), None
    except Exception as exc:  # noqa: BLE001 - the other checks are still worth having
        text = gettext_noop("The network could not be asked ({kind}).")
        return None, check_text(text, kind=type(exc).__name__)


def _stdin(most: int) -> bytes:
    """Read lists that are given as ``-``; not before, since it may be closed."""
    return sys.stdin.buffer.read(most)


def _accepted(memory: "DataFolderState", ready: "RunRequest") -> bool:
    """Whether a run of these lists would begin without a question (SAFETY S3)."""
    from keepiton.base.types import RISKS  # noqa: PLC0415
    from keepiton.storage.state import CONSENT  # noqa: PLC0415

    least = RISKS.index(ready.loaded.risk)
    return least == 0 or any(
        RISKS.index(level) >= least and one.consent == CONSENT
        for level, one in memory.accepted.items()
    )


def _code(looks: "list[CheckResult]") -> int:
    """Return the exit code: results that cannot be written come before a line that is down."""
    bad = {one.name for one in looks if one.state == "trouble"}
    if bad & {"write access", "disk"}:
        return exits.NOT_WRITTEN
    return exits.VANTAGE_OFFLINE if "own line" in bad else 0


def _show(looks: "list[CheckResult]", words: "Language") -> None:
    """Print the table, in colour where there is a terminal that may have it."""
    import shutil  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from keepiton.operate.doctor import render  # noqa: PLC0415

    text = render.table(looks, words, shutil.get_terminal_size((100, 24)).columns)
    if sys.stdout and sys.stdout.isatty():
        Console().print(text, soft_wrap=True)
    else:
        click.echo(text.plain)
