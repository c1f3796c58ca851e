"""Exit codes, and the messages on stderr that go with them."""

import sys
from pathlib import Path
from typing import NoReturn

import click

USAGE = 2
DISRUPTION_FOUND = 3
VANTAGE_OFFLINE = 4
NOT_WRITTEN = 5
NO_DATA = 6
LOCKED = 75
INTERRUPTED = 130
TERMINATED = 143
ENDED_EARLY = (INTERRUPTED, TERMINATED)
"""Exit codes of a run that a signal ended."""


def print_error(text: str, code: int) -> int:
    """Print a message on stderr, each line after the program's name; return the exit code."""
    for line in text.splitlines():
        click.echo(f"keepiton: {line}", err=True)
    return code


def exit_without_results(folder: Path) -> NoReturn:
    """Exit 6 because the folder of results is not there."""
    sys.exit(print_error(f"no results in {folder}; begin with: keepiton probe", NO_DATA))
