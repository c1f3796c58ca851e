"""``keepiton explain``."""

import click

from keepiton.base.errors import UserError


@click.command()
@click.argument("code", nargs=-1)
def explain(code: tuple[str, ...]) -> None:
    """Say what a code means, what causes it and what it does not prove.

    CODE is a failure (connection_reset), a reason (own_line), a verdict on the own line (border)
    or the kind of a finding (interference). Without CODE, list them all. Nothing is sent.
    """
    from keepiton.report import explain as texts  # noqa: PLC0415

    if not code:
        click.echo("\n".join(texts.listing()).rstrip())
        return
    wanted = " ".join(code)
    entries = texts.find(wanted)
    if not entries:
        close = texts.near(wanted)
        hint = f"did you mean: {'; '.join(close)}?" if close else "none is spelt like it"
        raise UserError(f"{wanted[:60]!a}: no such code; {hint}\nall codes: keepiton explain")
    click.echo("\n".join(texts.text(kind, name) for kind, name in entries), nl=False)
