"""What a run must know or be granted before it begins."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.base.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime

    from keepiton.base.types import Perspective
    from keepiton.lists.load import LoadedLists
    from keepiton.storage.state import DataFolderState


def show_first_run_text(memory: "DataFolderState", data: Path, *, quiet: bool) -> None:
    """Say what a person must know, once (SAFETY S3)."""
    from keepiton.cli.consent import first_run  # noqa: PLC0415
    from keepiton.storage.state import CONSENT  # noqa: PLC0415

    if memory.first_run_shown < CONSENT and not quiet:
        click.echo(first_run(data), err=True)
        memory.first_run_shown = CONSENT


def vantage_and_perspective(
    memory: "DataFolderState",
    vantage: str | None,
    perspective: "Perspective | None",
    *,
    quiet: bool,
) -> "tuple[str, Perspective]":
    """Settle who looks and from where: asked once on a terminal, else a safe default, said once."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from keepiton.base.types import Token  # noqa: PLC0415
    from keepiton.cli.consent import ASK_PERSPECTIVE, ASK_VANTAGE  # noqa: PLC0415
    from keepiton.storage.state import random_vantage  # noqa: PLC0415

    known = perspective or memory.perspective
    name = vantage or memory.vantage
    if not known and sys.stdin.isatty() and sys.stderr.isatty():
        click.echo(ASK_PERSPECTIVE, err=True)
        choice = click.Choice(["inside", "outside"])
        answer = click.prompt("inside or outside", type=choice, default="outside", err=True)
        known = "inside" if answer == "inside" else "outside"
        if not name:
            click.echo(ASK_VANTAGE, err=True)
            name = click.prompt("vantage", default=random_vantage(), err=True)
    elif not known and not quiet:
        click.echo(
            "keepiton: perspective not set, taking outside; set it with --perspective"
            " or in keepiton.toml (said once)",
            err=True,
        )
    name = name or random_vantage()
    known = known or "outside"
    try:
        TypeAdapter(Token).validate_python(name)
    except ValidationError:
        raise UserError(
            f"--vantage {name}: write lower-case letters, digits and hyphens, 32 at most"
        ) from None
    memory.vantage = memory.vantage or name
    memory.perspective = memory.perspective or known
    return name, known


def require_accepted_risk(
    memory: "DataFolderState", loaded: "LoadedLists", accept_risk: str | None, now: "datetime"
) -> None:
    """Require consent for a list above the lowest risk, or use an earlier one. Raises UserError."""
    from keepiton.base.types import RISKS, Risk  # noqa: PLC0415
    from keepiton.storage.state import CONSENT, Acceptance  # noqa: PLC0415

    def covers(level: str) -> bool:
        return RISKS.index(level) >= RISKS.index(loaded.risk)

    if loaded.risk == "low":
        return
    if any(covers(level) and one.consent == CONSENT for level, one in memory.accepted.items()):
        return
    for why in loaded.whys:
        click.echo(f"Risk: {why}", err=True)
    level: Risk = loaded.risk
    if accept_risk:
        if not covers(accept_risk):
            raise UserError(f"--accept-risk {accept_risk}: these lists have risk {loaded.risk}")
    elif not (sys.stdin.isatty() and click.confirm("Probe these?", default=False, err=True)):
        raise UserError(
            f"lists of risk {loaded.risk} are not accepted; read the lines above, and if you are"
            f" sure add --accept-risk {loaded.risk} (recorded with the date)"
        )
    memory.accepted[level] = Acceptance(at=now, consent=CONSENT)


def refuse_too_soon(memory: "DataFolderState", loaded: "LoadedLists", now: "datetime") -> None:
    """Keep to five minutes between two looks at a target (SAFETY S11). Raises UserError."""
    from keepiton.base.types import utc  # noqa: PLC0415

    at = memory.too_soon([one.id for one in loaded.targets], now)
    if at:
        raise UserError(
            "these targets were probed less than 5 minutes ago; wait until"
            f" {utc(at)}, or add --again to do it all the same"
        )
