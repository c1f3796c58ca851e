"""Finds result files."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.base.files import PART
from keepiton.base.types import clean

PLAIN_EXTENSIONS = (".jsonl", ".jsonl" + PART)
EXTENSIONS = (*PLAIN_EXTENSIONS, ".jsonl.gz", ".jsonl.zst", ".parquet")


def require() -> None:
    """Raise UserError where what reading needs is not installed."""
    if not (find_spec("duckdb") and find_spec("numpy")):
        raise UserError(
            "duckdb and numpy are not installed here (there are none for Android); copy the results"
            " to another machine and run this there"
        )


def find(places: Sequence[Path], forms: Sequence[str] = EXTENSIONS) -> list[str]:
    """List the result files in folders and among files, sealed and not. Raises UserError."""
    files: dict[str, None] = {}
    for place in places:
        if place.is_dir():
            paths = sorted(path for form in forms for path in place.rglob("*" + form))
            files |= dict.fromkeys(str(path) for path in paths if path.is_file())
        elif place.is_file():
            files[str(place)] = None
        else:
            raise UserError(f"{place}: no such file or folder")
    return list(files)


def vanished(path: str) -> UserError:
    """Return the error for a file that was there when files were listed."""
    return UserError(f"{clean(path)}: went away meanwhile, packed or removed; run this again")
