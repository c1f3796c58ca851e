"""Options of ``keepiton targets``."""

import click

from keepiton.cli import deferred


@click.group()
def targets() -> None:
    """Show and validate target lists."""


def _list_options(function: click.decorators.FC) -> click.decorators.FC:
    function = click.option(
        "--allow-private", is_flag=True, help="Allow private and reserved addresses."
    )(function)
    return click.argument("lists", nargs=-1, metavar="[LIST]...")(function)


@targets.command("list")
@_list_options
@click.option("--all", "every", is_flag=True, help="Name every shipped list with its risk.")
@deferred("keepiton.cli.targets_run")
def list_() -> None:
    """Show the targets of lists (by default those that are probed by default)."""


@targets.command()
@_list_options
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a list, for editors.")
@deferred("keepiton.cli.targets_run")
def check() -> None:
    """Validate lists: every mistake at once, with file, line and what would be right."""
