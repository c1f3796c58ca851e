"""Options of alarms for ``probe`` and ``watch``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from keepiton.cli.extensions import RunHooks
from keepiton.cli.option_fields import Command

OPTIONS = (
    click.option(
        "--on-change",
        metavar="CMD",
        help="Run this in a shell when a disruption opens, closes or was told wrongly"
        " (docs/guides/alarms.md).",
    ),
    click.option(
        "--notify-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Tell the services in this file the same: an Apprise URL a line (extra: notify).",
    ),
    click.option(
        "--alarm-from",
        type=click.Choice(["possible", "likely", "confirmed"]),
        default="likely",
        show_default=True,
        help="How sure a disruption must be to be told; one vantage alone never gets beyond"
        " likely.",
    ),
    click.option(
        "--ping-url-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Ping the URL in this file at the beginning and the end of a run, as healthchecks.io"
        " wants it, so that somebody notices when runs stop.",
    ),
)


def options(function: Command, /) -> Command:
    """Add every option of alarms."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def prepare_run(data: Path, values: Mapping[str, Any]) -> RunHooks:
    """Return the alarms that a run was asked for. Raises UserError; sends nothing."""
    on_change, notify_file = values["on_change"], values["notify_file"]
    ping_url_file = values["ping_url_file"]
    if not (on_change or notify_file or ping_url_file):
        return RunHooks()
    from keepiton.operate.alarms.hooks import prepare  # noqa: PLC0415

    return prepare(data, on_change, notify_file, values["alarm_from"], ping_url_file)
