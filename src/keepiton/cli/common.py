"""What the commands share: exit codes, configuration, where data lies, times and zones."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from keepiton.base.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime, timedelta, tzinfo

    from keepiton.base.language import Language
    from keepiton.detect import Policy
    from keepiton.storage.rounds import ReadResult

VANTAGE_OFFLINE = 4
NOT_WRITTEN = 5
NO_DATA = 6
DISRUPTION_FOUND = 3
LOCKED = 75

CONFIG = "keepiton.toml"
MOST_TOML = 16_384
"""Bytes of a file of settings, at most: of hostile ones, larger are read for minutes."""
MOST_DEEP = 8
"""Names of a key and its tables whose line is found."""
MOST_NAME = 80
"""Characters of a name that are compared with those known."""
MOST_DIGITS = 16
"""Of a size: more is no size."""
UTF_8 = b"\xef\xbb\xbf"
"""By this mark alone a spreadsheet takes a file for UTF-8."""


def print_error(text: str, code: int) -> int:
    """Say on stderr what is wrong; hand the exit code back."""
    for line in text.splitlines():
        click.echo(f"keepiton: {line}", err=True)
    return code


def data_folder() -> Path:
    """Return the default data folder. Raises UserError where no home is known."""
    import platformdirs  # noqa: PLC0415 - only where no folder is given

    with suppress(RuntimeError):
        path = platformdirs.user_data_path("keepiton")
        if path.is_absolute():
            return path
    raise UserError("no home folder is known; name the data folder with --data or KEEPITON_DATA")


def user_config() -> Path:
    """Return the user's configuration file, there or not."""
    import platformdirs  # noqa: PLC0415

    try:
        return platformdirs.user_config_path("keepiton") / CONFIG
    except RuntimeError:  # no home is known
        return Path(os.devnull) / CONFIG


def config_files() -> dict[str, Path]:
    """Return where configuration is looked for, there or not, by layer: the nearest last."""
    import platformdirs  # noqa: PLC0415

    system = platformdirs.site_config_path("keepiton") / CONFIG
    return {"system": system, "user": user_config(), "project": Path(CONFIG)}


def configured() -> bool:
    """Tell whether there may be any configuration; if not, nothing more of it is loaded."""
    return any(map(os.path.lexists, config_files().values())) or any(
        name.startswith("KEEPITON_") for name in os.environ
    )


def toml(path: Path) -> tuple[dict[tuple[str, ...], int], dict[str, Any]]:
    """Read a TOML file; return the line of every key as well. Raises UserError."""
    import tomllib  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            content = file.read(MOST_TOML + 1)
        if len(content) > MOST_TOML:
            raise UserError(f"{path}: larger than {MOST_TOML} bytes; not a file of settings")
        text = content.decode("utf-8-sig")
        return _lines(text), tomllib.loads(text)
    except OSError as exc:
        raise UserError(f"{path}: cannot be used: {exc.strerror}") from None
    except ValueError as exc:
        raise UserError(f"{path}: cannot be used: {exc}") from None
    except RecursionError:
        raise UserError(f"{path}: cannot be used: lists or tables too deep") from None


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Find the lines that begin a table or give a key: their numbers, by tables and name."""
    import re  # noqa: PLC0415

    word = r"""(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)"""
    begins = re.compile(rf"\s*(\[\[?\s*)?({word}(?:\s*\.\s*{word})*)\s*[=\]]")
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        given = None if inside else begins.match(line)
        inside ^= (line.count('"""') + line.count("'''")) % 2 == 1  # a text of many lines
        if given:
            names = tuple(one.strip("\"'") for one in re.findall(word, given[2]))
            if given[1]:
                table, names = names[:MOST_DEEP], ()
            key = (*table, *names)[:MOST_DEEP]
            for depth in range(1, len(key) + 1):
                found.setdefault(key[:depth], number)
    return found


def line_of(lines: dict[tuple[str, ...], int], *key: str) -> int:
    """Return the line of a key, else of the table around it; 1 where none gives it plainly."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def did_you_mean(name: str, known: Sequence[str], near: Sequence[str] = ()) -> str:
    """Say which of the known names, or of some near ones, was meant."""
    import difflib  # noqa: PLC0415

    close = difflib.get_close_matches(name[:MOST_NAME], [*known, *near], 1, 0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def data_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--data``."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="KEEPITON_DATA",
        help="Folder for results and state.  [default: the user's data folder]",
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
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path, allow_dash=True),
            help="Write to this file; its ending chooses the format.  [default: stdout]",
        ),
    ):
        function = option(function)
    return function


def language_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--lang``."""
    return click.option(
        "--lang",
        envvar="KEEPITON_LANG",
        help="Language of what people read: en, ru or be; files that machines read stay English."
        "  [default: that of the system, or en]",
    )(function)


def language(code: str | None) -> "Language":
    """Find the language asked for here, or the one that help is shown in. Raises UserError."""
    from keepiton.base.language import ENGLISH, load  # noqa: PLC0415

    return load(code) if code else click.get_current_context().obj or ENGLISH


def zone(name: str | None, country: str | None) -> "tzinfo":
    """Find a time zone, or without a name that of a country's events. Raises UserError."""
    from datetime import UTC  # noqa: PLC0415
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from keepiton.lists import events  # noqa: PLC0415

    listed = None if name else events.of_country(country)
    name = name or (listed.zone if listed else "UTC")
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(
            f"--tz {name}: no such zone; write one such as Europe/Minsk or UTC"
        ) from None


def choose_format(form: str | None, output: Path | None, endings: dict[str, str]) -> str:
    """Return the format asked for, or that of the output's ending; else table. Raises UserError."""
    if form or output is None or not output.suffix:
        return form or "table"
    found = endings.get(output.suffix.lower())
    if not found:
        raise UserError(
            f"--output {output}: no format is known by that ending; known: {' '.join(endings)};"
            " or name it with --format"
        )
    return found


def parse_age(text: str, flag: str) -> "timedelta":
    """Read a length of time: 30s, 90m, 24h or 7d. Raises UserError."""
    from datetime import timedelta  # noqa: PLC0415

    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if not (unit and text[:-1].isdecimal() and 0 < int(text[:-1]) < 10**6):
        raise UserError(f"{flag} {text}: not a length of time; write 5m, 24h or 7d")
    return timedelta(**{unit: int(text[:-1])})


def parse_size(text: str, flag: str) -> int:
    """Read a number of bytes: 500M, 2G, or without a unit; K is 1000. Raises UserError."""
    unit = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(text[-1:].upper(), 1)
    number = text[:-1] if unit > 1 else text
    if not (number.isascii() and number.isdecimal() and len(number) < MOST_DIGITS):
        raise UserError(f"{flag} {text}: not a size; write 500M or 2G")
    return int(number) * unit


def parse_instant(text: str | None, tz: "tzinfo", now: "datetime", flag: str) -> "datetime | None":
    """Read a time: ISO 8601, or an age such as 90m, 24h or 7d. Raises UserError."""
    from datetime import datetime  # noqa: PLC0415

    if text is None:
        return None
    if text[-1:] in "mhd":
        return now - parse_age(text, flag)
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=tz)
    except ValueError:
        raise UserError(
            f"{flag} {text}: not a time; write 2022-02-27T08:00, 2022-02-27 or an age such as 24h"
        ) from None


def parse_span(
    since: str | None, until: str | None, tz: "tzinfo", now: "datetime"
) -> "tuple[datetime | None, datetime | None]":
    """Read the range that was asked for. Raises UserError."""
    first = parse_instant(since, tz, now, "--since")
    last = parse_instant(until, tz, now, "--until")
    if first and last and last <= first:
        raise UserError(f"--until {until}: not after --since {since}; the range is empty")
    return first, last


def require_readers() -> None:
    """Raise UserError where duckdb or numpy is missing, before either is imported."""
    from keepiton.storage.reader import require  # noqa: PLC0415

    require()


def find_results(
    places: tuple[Path, ...], data: Path | None, engine: str | None = None
) -> list[str]:
    """List the result files that are meant. Raises UserError; exits 6 where there are none."""
    from keepiton.storage.reader import find  # noqa: PLC0415

    if engine and places:
        raise UserError("--engine reads what its URL names; leave out one of it and FILE|DIR")
    if engine:
        return []
    given = [path for place in places for path in _expand(place)]
    if not given:
        given = [(data or data_folder()) / "results"]
        if not given[0].is_dir():
            sys.exit(print_error(f"no results in {given[0]}; begin with: keepiton probe", NO_DATA))
    files = find(given)
    if not files:
        sys.exit(print_error(f"no result files in {', '.join(map(str, given))}", NO_DATA))
    return files


def read_results(
    files: Sequence[str],
    data: Path | None,
    since: "datetime | None" = None,
    engine: str | None = None,
) -> "ReadResult":
    """Read result files, with what is kept of them from before. Raises UserError; exits 6."""
    from keepiton.storage.cache import Cache  # noqa: PLC0415
    from keepiton.storage.reader import from_engine, read  # noqa: PLC0415

    made = (
        from_engine(engine, since) if engine else read(files, Cache(data or data_folder()), since)
    )
    if not len(made.rounds):
        none = "no data in the asked range" if since else "no measurements"
        sys.exit(print_error(f"{none} in {len(files)} result file(s)", NO_DATA))
    return made


def policy_from(path: Path | None) -> "Policy":
    """Read thresholds from a TOML file over the usual ones. Raises UserError."""
    from dataclasses import fields, replace  # noqa: PLC0415

    from keepiton.detect import Policy  # noqa: PLC0415

    usual = Policy()
    if path is None:
        return usual
    lines, given = toml(path)
    names = [one.name for one in fields(Policy)]
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
    return replace(usual, **{name: type(getattr(usual, name))(one) for name, one in given.items()})


def _expand(place: Path) -> list[Path]:
    """Take a glob that no shell expanded."""
    import glob  # noqa: PLC0415

    if place.exists() or not glob.has_magic(str(place)):
        return [place]
    return [Path(one) for one in sorted(glob.glob(str(place), recursive=True))] or [place]  # noqa: PTH207


def write_output(made: str | bytes, output: Path | None, form: str = "") -> None:
    """Print what was made, or write it to a file for its owner only; whole or not at all.

    A file that is there already keeps its mode, so that others may be let read it.
    """
    if output is None or str(output) == "-":
        click.echo(made, nl=False)
        return
    content = made.encode() if isinstance(made, str) else made
    if form == "csv":
        content = UTF_8 + content
    try:
        if output.exists() and not output.is_file():  # a pipe or a terminal
            output.write_bytes(content)
            return
        _replace(output.resolve(), content)
    except OSError as exc:
        sys.exit(print_error(f"{output}: not written: {exc.strerror}", NOT_WRITTEN))


def _replace(path: Path, content: bytes) -> None:
    with replace_file(path) as file:
        file.write(content)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write, with its path as ``name``; it takes its place when all is written.

    Raises OSError.
    """
    import secrets  # noqa: PLC0415

    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")

    def opener(name: str, _: int) -> int:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)

    try:
        with open(part, "wb", opener=opener) as file:
            os.chmod(part, mode)  # noqa: PTH101 - whatever the umask
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
