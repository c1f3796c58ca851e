"""Result files that a command reads."""

import glob
import sys
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.cli import exits, folders
from keepiton.storage.result_files import find


def find_results(
    places: tuple[Path, ...], data: Path | None, engine: str | None = None
) -> list[str]:
    """Return the result files in the places named, else in the data folder.

    Raises UserError; exits 6 where there are none.
    """
    if engine and places:
        raise UserError("--engine reads what its URL names; leave out one of it and FILE|DIR")
    if engine:
        return []
    searched = [path for place in places for path in _expand(place)]
    if not searched:
        searched = [(data or folders.data_folder()) / "results"]
        if not searched[0].is_dir():
            exits.exit_without_results(searched[0])
    files = find(searched)
    if not files:
        sys.exit(
            exits.print_error(f"no result files in {', '.join(map(str, searched))}", exits.NO_DATA)
        )
    return files


def _expand(place: Path) -> list[Path]:
    """Return the paths of a glob that no shell expanded."""
    if place.exists() or not glob.has_magic(str(place)):
        return [place]
    return [Path(path) for path in sorted(glob.glob(str(place), recursive=True))] or [place]  # noqa: PTH207
