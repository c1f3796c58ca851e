"""Options of ``keepiton probe``."""

import click

from keepiton.cli import deferred, probe_options


@click.command()
@probe_options.options
@click.option(
    "--jitter",
    type=click.FloatRange(0, 86400),
    default=0.0,
    help="Wait a random time up to so many seconds first (for cron).",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day, in UTC, on which this measures; keepiton schedule writes it into schedules.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@deferred("keepiton.cli.probe_run")
def probe() -> None:
    """Look once at every target of the lists, and write one result file.

    LIST is a file (TOML, Citizen Lab CSV, or a name, URL, host:port or address a line), a shipped
    list (see: keepiton targets list --all), or - for stdin. Without any, the default lists.
    """
