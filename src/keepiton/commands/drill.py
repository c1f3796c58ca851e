"""Options of ``keepiton drill``."""

from pathlib import Path

import click

from keepiton.cli import deferred, shared_options

SCENARIOS = ("all", "calm", "slow", "dns", "border", "wifi")
"""As in the story, which is not loaded for ``--help``."""


@click.command()
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default="all",
    show_default=True,
    help="The whole story, or one chapter of it between calm ones.",
)
@click.option("--fast", is_flag=True, help="Leave no time for reading.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep list, results and report in this folder, a new or empty one.",
)
@shared_options.language_option
@click.pass_context
@deferred("keepiton.commands.drill_run", readers=True)
def drill() -> None:
    """Practise on a make-believe country on this machine; nothing leaves it.

    In about a minute, with real probes, result files and a real report: all is well, an operator
    is slow, a name server lies, the border is cut, your own Wi-Fi dies, all is well again.
    """
