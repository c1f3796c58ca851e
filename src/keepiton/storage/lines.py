"""Reads the lines of one result file, each with its number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from keepiton.base.errors import UserError
from keepiton.storage.rows import End, Measurement, Run

MAX_LINE = 1_048_576
"""Bytes of one line; a longer one is no line of ours."""
Line = Annotated[Run | Measurement | End, Field(discriminator="type")]
_LINE: TypeAdapter[Run | Measurement | End] = TypeAdapter(Line)


def lines(path: Path) -> Iterator[tuple[int, Run | Measurement | End | None]]:
    """Yield number and line, None for what cannot be read. Raises UserError.

    Numbers count from 1, as editors do.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE):
                number += 1
                whole = raw.endswith(b"\n")
                while not whole and (rest := file.readline(MAX_LINE)):
                    raw, whole = b"", rest.endswith(b"\n")
                try:
                    yield number, _LINE.validate_json(raw)
                except ValidationError:
                    yield number, None
    except OSError as exc:
        raise UserError(f"{path}: cannot be read: {exc.strerror}") from None
