"""Options of ``keepiton findings``."""

from pathlib import Path

import click

from keepiton.cli import deferred, shared_options


@click.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]...")
@shared_options.data_option
@click.option(
    "--reference",
    "references",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Results of a vantage that nothing lies in the way of, of about the same time."
    " Repeatable.",
)
@click.option("--target", "only_targets", multiple=True, help="Only this target. Repeatable.")
@click.option("--all", "show_all", is_flag=True, help="Also what was simply reached.")
@shared_options.format_option(["table", "json"], default="table")
@click.option("--defang", is_flag=True, help="Write names as example[.]com.")
@shared_options.output_option()
@deferred("keepiton.commands.findings_run", readers=True)
def findings() -> None:
    """Say what one run's rows show of each target, by which rule, and on which lines.

    Takes the newest run of this machine, or every result file named. Interference is said only
    with an artefact; without a reference, most failures stay insufficient. Answers of resolvers are
    compared with those of the ten runs before, too.
    """
