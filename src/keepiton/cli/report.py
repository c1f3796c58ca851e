"""Options of ``keepiton report``."""

from pathlib import Path

import click

from keepiton.cli import deferred, shared_options
from keepiton.report.formats import REPORT_FORMATS


@click.command()
@shared_options.reading_options
@click.option("--since", help="Only what touches the time from here: 2022-02-27T08:00, or 24h.")
@click.option("--until", help="Only what touches the time up to here.")
@click.option(
    "--event",
    "event_id",
    metavar="ID",
    help="Compare before, during and after an event, such as referendum-2022"
    " (docs/guides/events.md).",
)
@click.option(
    "--events",
    "event_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A TOML file of events of your own, beside those that are shipped. Repeatable.",
)
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw figures of IODA, OONI or Cloudflare Radar, as downloaded, below ours. Repeatable.",
)
@shared_options.format_option(
    REPORT_FORMATS, "Kind of report.  [default: by the ending of --output, or table]"
)
@click.option(
    "--coarsen", "coarse_step", help="Coarsen all times for sharing, to steps such as 5m or 1h."
)
@click.option(
    "--fail-on", type=click.Choice(["disruption"]), help="Exit 3 when one is in the report."
)
@deferred("keepiton.cli.report_run", readers=True)
def report() -> None:
    """Turn result files into disruption windows.

    Reads this machine's results, or any files, folders and globs named, of any number of vantages.
    """
