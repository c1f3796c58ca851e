"""Options of ``keepiton watch``."""

import click

from keepiton.cli import deferred, probe_options


@click.command()
@probe_options.options
@click.option(
    "--every",
    default="5m",
    show_default=True,
    help="Interval, from beginning to beginning: 5m or 1h. Below 5m only with --again.",
)
@click.option(
    "--burst",
    is_flag=True,
    help="For ten minutes after a change of state, ask the targets that changed every 30 seconds.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=90,
    show_default=True,
    help="End by itself after so many days.",
)
@deferred("keepiton.commands.watch_run")
def watch() -> None:
    """Look again and again in the foreground, with a live table.

    Each look is a run as of keepiton probe, with a file of its own; lists are read anew for each.
    Ends with Ctrl-C, or by itself after --days.
    """
