"""Reads a TOML file of settings or thresholds."""

import tomllib
from pathlib import Path
from typing import Any

from keepiton.base.errors import UserError
from keepiton.base.toml_lines import KeyPath, line_numbers

MOST_TOML = 16_384
"""Bytes of a file of settings, at most: of hostile ones, larger are read for minutes."""


def read_toml(path: Path) -> tuple[dict[KeyPath, int], dict[str, Any]]:
    """Return the line of every key of a TOML file, and what it holds. Raises UserError."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_TOML + 1)
        if len(content) > MOST_TOML:
            raise UserError(f"{path}: larger than {MOST_TOML} bytes; not a file of settings")
        text = content.decode("utf-8-sig")
        return line_numbers(text), tomllib.loads(text)
    except OSError as exc:
        raise UserError(f"{path}: cannot be used: {exc.strerror}") from None
    except ValueError as exc:
        raise UserError(f"{path}: cannot be used: {exc}") from None
    except RecursionError:
        raise UserError(f"{path}: cannot be used: lists or tables too deep") from None
