"""What the commands share: exit codes, configuration, where data lies, times and zones."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepiton.errors import Mistake

if TYPE_CHECKING:
    from datetime import datetime, timedelta, tzinfo

    from keepiton.detect import Policy
    from keepiton.language import Language
    from keepiton.rounds import Rows

OWN_LINE_DOWN = 4
NOT_WRITTEN = 5
NO_DATA = 6
FAIL_ON = 3
LOCKED = 75

CONFIG = "keepiton.toml"
UTF_8 = b"\xef\xbb\xbf"
"""By this mark alone a spreadsheet takes a file for UTF-8."""


def complain(text: str, code: int) -> int:
    """Say on stderr what is wrong; hand the exit code back."""
    for line in text.splitlines():
        click.echo(f"keepiton: {line}", err=True)
    return code


def folder() -> Path:
    """Return the default data folder."""
    import platformdirs  # noqa: PLC0415 - only where no folder is given

    return platformdirs.user_data_path("keepiton")


def user_config() -> Path:
    """Return the user's configuration file, there or not."""
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_config_path("keepiton") / CONFIG


def configuration(group: click.Group) -> dict[str, Any]:
    """Read the configuration: the project's file over the user's. Raises Mistake.

    Keys at the top hold for every command that has the option; a table named like a command holds
    for that command.
    """
    merged: dict[str, Any] = {}
    for path in (user_config(), Path(CONFIG)):
        if path.is_file():
            for name, values in _read_config(path, group).items():
                merged[name] = merged.get(name, {}) | values
    return merged


def _toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a TOML file; return its text as well, to tell places by. Raises Mistake."""
    import tomllib  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (OSError, ValueError) as exc:
        raise Mistake(f"{path}: cannot be used: {exc}") from None


def _line_of(name: str, text: str) -> int:
    """Return the number of the line that gives a key of a TOML file; 1 where none does plainly."""
    import re  # noqa: PLC0415

    written = re.compile(rf"\s*\[?\s*{re.escape(name)}\s*[=.\]]")
    return next((n for n, line in enumerate(text.splitlines(), 1) if written.match(line)), 1)


def _meant(name: str, known: Sequence[str], near: Sequence[str] = ()) -> str:
    """Say which of the known names, or of some near ones, was meant."""
    import difflib  # noqa: PLC0415

    close = difflib.get_close_matches(name, [*known, *near], 1, 0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def _read_config(path: Path, group: click.Group) -> dict[str, Any]:
    text, data = _toml(path)
    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    options = {
        name: {one.name for one in command.params if isinstance(one, click.Option) and one.name}
        for name, command in commands.items()
        if command
    }
    found: dict[str, Any] = {name: {} for name in options}
    mistakes = []
    everywhere = set().union(*options.values())
    for key, value in data.items():
        if isinstance(value, dict) and key in options:
            pairs = [(key, name, one) for name, one in value.items()]
        else:
            pairs = [("", key, value)]
        for command, name, one in pairs:
            option = name.replace("-", "_")
            known = options[command] if command else everywhere
            if option not in known:
                right = _meant(option, sorted(known), sorted(options))
                mistakes.append(f"{path}:{_line_of(name, text)}: {name}: unknown key; {right}")
                continue
            for target in [command] if command else options:
                if option in options[target]:
                    found[target][option] = one
    if mistakes:
        raise Mistake("\n".join(mistakes))
    return found


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
            " (docs/fleet.md).",
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
            help="TOML file of thresholds in place of the usual ones (docs/detection.md).",
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
    """Find the language asked for here, or the one that help is shown in. Raises Mistake."""
    from keepiton.language import ENGLISH, load  # noqa: PLC0415

    return load(code) if code else click.get_current_context().obj or ENGLISH


def zone(name: str | None, country: str | None) -> "tzinfo":
    """Find a time zone, or without a name that of a country's events. Raises Mistake."""
    from datetime import UTC  # noqa: PLC0415
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from keepiton.targets import events  # noqa: PLC0415

    listed = None if name else events.of_country(country)
    name = name or (listed.zone if listed else "UTC")
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Mistake(f"--tz {name}: no such zone; write one such as Europe/Minsk or UTC") from None


def format_of(form: str | None, output: Path | None, endings: dict[str, str]) -> str:
    """Return the format asked for, or that of the output's ending; else table. Raises Mistake."""
    if form or output is None or not output.suffix:
        return form or "table"
    found = endings.get(output.suffix.lower())
    if not found:
        raise Mistake(
            f"--output {output}: no format is known by that ending; known: {' '.join(endings)};"
            " or name it with --format"
        )
    return found


def age(text: str, flag: str) -> "timedelta":
    """Read a length of time: 90m, 24h or 7d. Raises Mistake."""
    from datetime import timedelta  # noqa: PLC0415

    unit = {"m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if not (unit and text[:-1].isdecimal() and 0 < int(text[:-1]) < 10**6):
        raise Mistake(f"{flag} {text}: not a length of time; write 5m, 24h or 7d")
    return timedelta(**{unit: int(text[:-1])})


def instant(text: str | None, tz: "tzinfo", now: "datetime", flag: str) -> "datetime | None":
    """Read a time: ISO 8601, or an age such as 90m, 24h or 7d. Raises Mistake."""
    from datetime import datetime  # noqa: PLC0415

    if text is None:
        return None
    if text[-1:] in "mhd":
        return now - age(text, flag)
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=tz)
    except ValueError:
        raise Mistake(
            f"{flag} {text}: not a time; write 2022-02-27T08:00, 2022-02-27 or an age such as 24h"
        ) from None


def span(
    since: str | None, until: str | None, tz: "tzinfo", now: "datetime"
) -> "tuple[datetime | None, datetime | None]":
    """Read the range that was asked for. Raises Mistake."""
    first = instant(since, tz, now, "--since")
    last = instant(until, tz, now, "--until")
    if first and last and last <= first:
        raise Mistake(f"--until {until}: not after --since {since}; the range is empty")
    return first, last


def require_readers() -> None:
    """Raise Mistake where duckdb or numpy is missing, before either is imported."""
    from keepiton.results.read import require  # noqa: PLC0415

    require()


def found(places: tuple[Path, ...], data: Path | None, engine: str | None = None) -> list[str]:
    """List the result files that are meant. Raises Mistake; exits 6 where there are none."""
    from keepiton.results.read import find  # noqa: PLC0415

    if engine and places:
        raise Mistake("--engine reads what its URL names; leave out one of it and FILE|DIR")
    if engine:
        return []
    given = [path for place in places for path in _expand(place)]
    if not given:
        given = [(data or folder()) / "results"]
        if not given[0].is_dir():
            sys.exit(complain(f"no results in {given[0]}; begin with: keepiton probe", NO_DATA))
    files = find(given)
    if not files:
        sys.exit(complain(f"no result files in {', '.join(map(str, given))}", NO_DATA))
    return files


def rows(
    files: Sequence[str],
    data: Path | None,
    since: "datetime | None" = None,
    engine: str | None = None,
) -> "Rows":
    """Read result files, with what is kept of them from before. Raises Mistake; exits 6."""
    from keepiton.results.cache import Cache  # noqa: PLC0415
    from keepiton.results.read import from_engine, read  # noqa: PLC0415

    made = from_engine(engine, since) if engine else read(files, Cache(data or folder()), since)
    if not len(made.rounds):
        none = "no data in the asked range" if since else "no measurements"
        sys.exit(complain(f"{none} in {len(files)} result file(s)", NO_DATA))
    return made


def policy_from(path: Path | None) -> "Policy":
    """Read thresholds from a TOML file over the usual ones. Raises Mistake."""
    from dataclasses import fields, replace  # noqa: PLC0415

    from keepiton.detect import Policy  # noqa: PLC0415

    usual = Policy()
    if path is None:
        return usual
    text, given = _toml(path)
    names = [one.name for one in fields(Policy)]
    mistakes = []
    for name, value in given.items():
        place = f"{path}:{_line_of(name, text)}: {name}"
        if name not in names:
            mistakes.append(f"{place}: no such threshold; {_meant(name, names)}")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            mistakes.append(f"{place}: write a number, such as {getattr(usual, name)}")
        elif (wrong := Policy.wrong(name, value)) is not None:
            mistakes.append(f"{place}: {wrong}")
    if mistakes:
        raise Mistake("\n".join(mistakes))
    return replace(usual, **{name: type(getattr(usual, name))(one) for name, one in given.items()})


def _expand(place: Path) -> list[Path]:
    """Take a glob that no shell expanded."""
    import glob  # noqa: PLC0415

    if place.exists() or not glob.has_magic(str(place)):
        return [place]
    return [Path(one) for one in sorted(glob.glob(str(place), recursive=True))] or [place]  # noqa: PTH207


def deliver(made: str | bytes, output: Path | None, form: str = "") -> None:
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
        sys.exit(complain(f"{output}: not written: {exc.strerror}", NOT_WRITTEN))


def _replace(path: Path, content: bytes) -> None:
    import secrets  # noqa: PLC0415

    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.chmod(part, mode)  # noqa: PTH101 - whatever the umask
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
