"""What a run must know or be granted before it begins."""

import sys
from datetime import datetime
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from keepiton.base.errors import UserError
from keepiton.base.types import RISKS, Perspective, Risk, Token, utc
from keepiton.cli.consent import ASK_PERSPECTIVE, ASK_VANTAGE, first_run
from keepiton.lists.load import LoadedLists
from keepiton.storage.state import CONSENT, Acceptance, DataFolderState, random_vantage


def show_first_run_text(memory: DataFolderState, data: Path, *, quiet: bool) -> None:
    """Print what a person must know before the first run, once (SAFETY S3)."""
    if memory.first_run_shown < CONSENT and not quiet:
        click.echo(first_run(data), err=True)
        memory.first_run_shown = CONSENT


def vantage_and_perspective(
    memory: DataFolderState,
    vantage: str | None,
    perspective: Perspective | None,
    *,
    quiet: bool,
) -> tuple[str, Perspective]:
    """Return the vantage and its perspective: asked once on a terminal, else a safe default."""
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
    memory: DataFolderState, loaded: LoadedLists, accept_risk: str | None, now: datetime
) -> None:
    """Require consent for a list above the lowest risk, or use an earlier one. Raises UserError."""

    def covers(level: str) -> bool:
        return RISKS.index(level) >= RISKS.index(loaded.risk)

    if loaded.risk == "low":
        return
    if any(
        covers(level) and acceptance.consent == CONSENT
        for level, acceptance in memory.accepted.items()
    ):
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


def refuse_too_soon(memory: DataFolderState, loaded: LoadedLists, now: datetime) -> None:
    """Raise UserError less than five minutes after a target's last check (SAFETY S11)."""
    probed_at = memory.too_soon([target.id for target in loaded.targets], now)
    if probed_at:
        raise UserError(
            "these targets were probed less than 5 minutes ago; wait until"
            f" {utc(probed_at)}, or add --again to do it all the same"
        )
