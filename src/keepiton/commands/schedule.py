"""Options of ``keepiton schedule``."""

import click

from keepiton.cli import deferred, shared_options
from keepiton.operate.schedule import KINDS


@click.command()
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROBE OPTIONS]...")
@click.option(
    "--kind",
    type=click.Choice(["auto", *KINDS]),
    default="auto",
    show_default=True,
    help="What starts the runs; auto is what this machine has.",
)
@click.option(
    "--every",
    help="How often: 5m, 6m, 10m, 12m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h."
    "  [default: that of the schedule before, or 10m; 15m on Termux]",
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=90,
    show_default=True,
    help="How long, until it is renewed by installing it again.",
)
@shared_options.data_option
@shared_options.language_option
@click.option("--install", is_flag=True, help="Install it, in place of the one before.")
@click.option("--remove", is_flag=True, help="Remove what was installed, and nothing else.")
@deferred("keepiton.commands.schedule_run")
def schedule() -> None:
    """Print, install or remove a schedule of runs.

    What stands after -- goes to every run, as it does with keepiton probe. Without --install the
    files are printed and nothing is written. Installed again without options, a schedule keeps
    those it had, and its time begins anew.
    """
