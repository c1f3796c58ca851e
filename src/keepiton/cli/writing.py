"""The format of an output, and the file it is written to."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import click

from keepiton.base.errors import UserError
from keepiton.base.files import replacement
from keepiton.cli import exits

UTF_8 = b"\xef\xbb\xbf"
"""By this mark alone a spreadsheet takes a file for UTF-8."""


def choose_format(form: str | None, output: Path | None, endings: dict[str, str]) -> str:
    """Return a format: that of --format, of the output's ending, else table. Raises UserError."""
    if form or output is None or not output.suffix:
        return form or "table"
    known = endings.get(output.suffix.lower())
    if not known:
        raise UserError(
            f"--output {output}: no format is known by that ending; known: {' '.join(endings)};"
            " or name it with --format"
        )
    return known


def write_output(content: str | bytes, output: Path | None, form: str = "") -> None:
    """Print an output, or write it to a file for its owner only; whole or not at all.

    A file that is there already keeps its mode, so that others may be let read it.
    """
    if output is None or str(output) == "-":
        click.echo(content, nl=False)
        return
    data = content.encode() if isinstance(content, str) else content
    if form == "csv":
        data = UTF_8 + data
    try:
        if output.exists() and not output.is_file():  # a pipe or a terminal
            output.write_bytes(data)
            return
        with replace_file(output.resolve()) as file:
            file.write(data)
    except OSError as exc:
        sys.exit(exits.print_error(f"{output}: not written: {exc.strerror}", exits.NOT_WRITTEN))


def replace_file(path: Path) -> AbstractContextManager[BinaryIO]:
    """Replace a file for its owner only; one that is there keeps its mode. Raises OSError."""
    return replacement(path, mode=path.stat().st_mode & 0o777 if path.exists() else 0o600)
