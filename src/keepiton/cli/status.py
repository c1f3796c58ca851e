"""Options of ``keepiton status``."""

import click

from keepiton.cli import deferred, shared_options
from keepiton.report.formats import STATUS_FORMATS


@click.command()
@shared_options.reading_options
@click.option(
    "--by",
    type=click.Choice(["operator", "target", "stage", "vantage"]),
    default="operator",
    show_default=True,
    help="What a row is.",
)
@shared_options.format_option(
    STATUS_FORMATS, "Kind of table.  [default: by the ending of --output, or table]"
)
@click.option("--watch", is_flag=True, help="Show it anew every 30 seconds, until Ctrl-C.")
@deferred("keepiton.cli.status_run", readers=True)
def status() -> None:
    """Show a quick table: who answers now, and since when.

    One row an operator (or the group of a target without one). Reads this machine's results, or
    any files and folders named.
    """
