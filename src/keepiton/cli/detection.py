"""What detection starts from: rounds of result files, and thresholds."""

import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from importlib import import_module
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.base.suggest import did_you_mean
from keepiton.base.toml_lines import line_of
from keepiton.cli import exits, extensions, folders
from keepiton.cli.settings_file import read_toml
from keepiton.detect import Policy
from keepiton.storage.cache import Cache
from keepiton.storage.reader import read
from keepiton.storage.rounds import ReadResult


def read_results(
    files: Sequence[str],
    data: Path | None,
    since: datetime | None = None,
    engine: str | None = None,
) -> ReadResult:
    """Read result files, through the cache of the data folder. Raises UserError; exits 6."""
    if engine:
        results: ReadResult = import_module(extensions.ENGINE_READER).read(engine, since)
    else:
        results = read(files, Cache(data or folders.data_folder()), since)
    if not len(results.rounds):
        none = "no data in the asked range" if since else "no measurements"
        sys.exit(exits.print_error(f"{none} in {len(files)} result file(s)", exits.NO_DATA))
    return results


def policy_from(path: Path | None) -> Policy:
    """Return the thresholds of a TOML file over the usual ones. Raises UserError."""
    usual = Policy()
    if path is None:
        return usual
    lines, settings = read_toml(path)
    names = [field.name for field in fields(Policy)]
    mistakes = []
    for name, value in settings.items():
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
        usual, **{name: type(getattr(usual, name))(value) for name, value in settings.items()}
    )
