"""Result files and thresholds that a command reads."""

import glob
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keepiton.base.errors import UserError
from keepiton.base.suggest import did_you_mean
from keepiton.base.toml_lines import line_of
from keepiton.cli import exits, folders
from keepiton.cli.settings_file import read_toml

if TYPE_CHECKING:
    from keepiton.detect import Policy
    from keepiton.storage.rounds import ReadResult


def require_readers() -> None:
    """Raise UserError where duckdb or numpy is missing, before either is imported."""
    from keepiton.storage.reader import require  # noqa: PLC0415

    require()


def find_results(
    places: tuple[Path, ...], data: Path | None, engine: str | None = None
) -> list[str]:
    """Return the result files in the places named, else in the data folder.

    Raises UserError; exits 6 where there are none.
    """
    from keepiton.storage.reader import find  # noqa: PLC0415

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


def read_results(
    files: Sequence[str],
    data: Path | None,
    since: datetime | None = None,
    engine: str | None = None,
) -> "ReadResult":
    """Read result files, through the cache of the data folder. Raises UserError; exits 6."""
    from keepiton.storage.cache import Cache  # noqa: PLC0415
    from keepiton.storage.reader import from_engine, read  # noqa: PLC0415

    results = (
        from_engine(engine, since)
        if engine
        else read(files, Cache(data or folders.data_folder()), since)
    )
    if not len(results.rounds):
        none = "no data in the asked range" if since else "no measurements"
        sys.exit(exits.print_error(f"{none} in {len(files)} result file(s)", exits.NO_DATA))
    return results


def policy_from(path: Path | None) -> "Policy":
    """Return the thresholds of a TOML file over the usual ones. Raises UserError."""
    from keepiton.detect import Policy  # noqa: PLC0415

    usual = Policy()
    if path is None:
        return usual
    lines, given = read_toml(path)
    names = [field.name for field in fields(Policy)]
    mistakes = []
    for name, value in given.items():
        place = f"{path}:{line_of(lines, name)}: {name}"
        if name not in names:
            mistakes.append(f"{place}: no such threshold; {did_you_mean(name, names)}")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            mistakes.append(f"{place}: write a number, such as {getattr(usual, name)}")
        elif (wrong := Policy.wrong(name, value)) is not None:
            mistakes.append(f"{place}: {wrong}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return replace(
        usual, **{name: type(getattr(usual, name))(value) for name, value in given.items()}
    )


def _expand(place: Path) -> list[Path]:
    """Return the paths of a glob that no shell expanded."""
    if place.exists() or not glob.has_magic(str(place)):
        return [place]
    return [Path(path) for path in sorted(glob.glob(str(place), recursive=True))] or [place]  # noqa: PTH207
