"""Options of ``keepiton doctor``."""

import click

from keepiton.cli import deferred, shared_options
from keepiton.cli.probe import probe

TAKEN = frozenset(
    {"lists", "data", "lang", "perspective", "resolvers", "roots", "do_not_probe", "allow_private"}
)
"""Options of ``probe`` that can be given here too."""


@click.command(params=[option for option in probe.params if option.name in TAKEN])
@click.option("--offline", is_flag=True, help="Send nothing: leave the checks of the network out.")
@shared_options.format_option(["table", "json"], "For people or for machines.", default="table")
@click.pass_context
@deferred("keepiton.commands.doctor_run")
def doctor() -> None:
    """Look over this machine and the data folder, with plain advice.

    Sent is what a run sends to the controls of the lists (the default ones, or each LIST), once,
    and one look-up more at each resolver: random letters below example.net, which must not exist.
    No other target is contacted, and nothing is asked of --doh. What is configured for
    probe holds here too.

    Nothing is altered, and the lock is not taken: it can be used while a run is under way.

    Exit status: 4 when this machine's own line is down, 5 when results could not be written, else
    0, with whatever is in trouble listed.
    """
