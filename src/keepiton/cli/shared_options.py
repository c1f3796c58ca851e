"""Options that several commands share."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import click

Option = Callable[[Callable[..., Any]], Callable[..., Any]]
"""A decorator that adds an option to a command's function."""


def data_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--data``."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="KEEPITON_DATA",
        help="Folder for results and state.  [default: the user's data folder]",
    )(function)


def language_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--lang``."""
    return click.option(
        "--lang",
        envvar="KEEPITON_LANG",
        help="Language of what people read: en, ru or be; files that machines read stay English."
        "  [default: that of the system, or en]",
    )(function)


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what chooses results and how their times are shown."""
    for option in (
        click.argument(
            "places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]..."
        ),
        data_option,
        click.option(
            "--engine",
            envvar="KEEPITON_ENGINE",
            metavar="URL",
            help="Fold rows where they lie: spark://HOST:PORT?lines=FOLDER and others"
            " (docs/guides/fleet.md).",
        ),
        click.option(
            "--tz",
            envvar="KEEPITON_TZ",
            help="Zone of the times shown and given, such as Europe/Minsk; UTC is shown beside it."
            "  [default: that of the country the results are about, or UTC]",
        ),
        language_option,
        click.option(
            "--target", "only_targets", multiple=True, help="Only this target. Repeatable."
        ),
        click.option(
            "--operator", "only_operators", multiple=True, help="Only this operator. Repeatable."
        ),
        click.option(
            "--policy",
            type=click.Path(path_type=Path, dir_okay=False),
            help="TOML file of thresholds in place of the usual ones (docs/method/detection.md).",
        ),
        click.option("--defang", is_flag=True, help="Write names as example[.]com."),
        output_option("Write to this file; its ending chooses the format.  [default: stdout]"),
    ):
        function = option(function)
    return function


def format_option(
    formats: Collection[str], help_text: str | None = None, *, default: str | None = None
) -> Option:
    """Return ``--format``, a parameter ``form``; without a default it may be None."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(list(formats)),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def output_option(help_text: str = "Write to this file.  [default: stdout]") -> Option:
    """Return ``--output``: a file, or ``-`` for stdout."""
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path, allow_dash=True), help=help_text
    )
