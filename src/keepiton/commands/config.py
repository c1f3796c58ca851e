"""Options of ``keepiton config``."""

import click

from keepiton.cli import deferred, shared_options


@click.group()
def config() -> None:
    """Show what is configured, and where each value comes from."""


@config.command()
@click.argument("command", nargs=-1, metavar="[COMMAND]...")
@click.option("--origin", is_flag=True, help="Say behind each value where it comes from.")
@click.option("--all", "every", is_flag=True, help="Also what nobody set, with its default.")
@shared_options.format_option(
    ["toml", "json"], "What to print; json always has the origins.", default="toml"
)
@click.pass_context
@deferred("keepiton.commands.config_run")
def show() -> None:
    """Show what holds for every command, or for one, as a keepiton.toml.

    What every command that has the key shares stands at the top. Defaults are comments, so that
    what is shown can be saved and means the same. Docs: docs/reference/configuration.md.
    """
