"""``keepiton findings``."""

import sys
from collections import defaultdict, deque
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.base.errors import UserError
from keepiton.cli import exits, folders, reading, shared_options, writing

if TYPE_CHECKING:
    from keepiton.findings.judge import NumberedRow, Reference
    from keepiton.findings.types import Finding
    from keepiton.storage.rows import End, Run


LATELY = 10
"""Runs before one whose answers are known beside it: content networks give others by and by."""


@click.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]...")
@shared_options.data_option
@click.option(
    "--reference",
    "references",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Results of a vantage that nothing lies in the way of, of about the same time."
    " Repeatable.",
)
@click.option("--target", "only_targets", multiple=True, help="Only this target. Repeatable.")
@click.option("--all", "show_all", is_flag=True, help="Also what was simply reached.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
@click.option("--defang", is_flag=True, help="Write names as example[.]com.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write to this file.  [default: stdout]",
)
def findings(
    places: tuple[Path, ...],
    data: Path | None,
    references: tuple[Path, ...],
    only_targets: tuple[str, ...],
    form: str,
    output: Path | None,
    *,
    show_all: bool,
    defang: bool,
) -> None:
    """Say what one run's rows show of each target, by which rule, and on which lines.

    Takes the newest run of this machine, or every result file named. Interference is said only
    with an artefact; without a reference, most failures stay insufficient. Answers of resolvers are
    compared with those of the ten runs before, too.
    """
    reading.require_readers()
    from keepiton.findings import render  # noqa: PLC0415
    from keepiton.findings.judge import KnownAddresses, confirmed_addresses, hops  # noqa: PLC0415
    from keepiton.findings.judge import judge_run as judge  # noqa: PLC0415
    from keepiton.lists.networks import origin  # noqa: PLC0415
    from keepiton.storage.reader import PLAIN_EXTENSIONS, find  # noqa: PLC0415

    reference: Reference = {}
    told: list[tuple[str, str]] = []
    for name in find(references, PLAIN_EXTENSIONS):
        _, rows, _ = _whole(Path(name))
        reference |= hops(rows)
        told += confirmed_addresses(rows, reference=True)
    given = list(places) or [(data or folders.data_folder()) / "results"]
    if not places and not given[0].is_dir():
        text = f"no results in {given[0]}; begin with: keepiton probe"
        sys.exit(exits.print_error(text, exits.NO_DATA))
    files = sorted(map(Path, find(given, PLAIN_EXTENSIONS)), key=lambda one: one.name)
    if not places:
        files = files[-LATELY - 1 :]
    made: list[tuple[str, Finding]] = []
    lately: deque[list[tuple[str, str]]] = deque(maxlen=LATELY + 1)
    for path in files:
        run, rows, end = _whole(path)
        if run is None:
            raise UserError(f"{path}: no run line; not a result file of keepiton")
        lately.append(list(confirmed_addresses(rows)))
        if not places and path is not files[-1]:
            continue
        addresses: dict[str, set[str]] = defaultdict(set)
        for name, address in chain(told, *lately):
            addresses[name].add(address)
        found = judge(run, rows, end, reference, KnownAddresses(addresses, origin))
        made += [(path.name, one) for one in found]
    if only_targets:
        made = [(file, one) for file, one in made if one.target in only_targets]
    if not made:
        text = "no measurements of such targets"
        if not files and find(given):
            text = "only packed results there; take them out with: keepiton results export --help"
        sys.exit(exits.print_error(text, exits.NO_DATA))
    if form == "json":
        text = render.json(made, defang=defang)
    else:
        text = render.table(made, show_all=show_all, defang=defang)
    writing.write_output(text, output)


def _whole(path: Path) -> "tuple[Run | None, list[NumberedRow], End | None]":
    """Read one result file. Raises UserError of one that is packed."""
    from keepiton.findings.judge import NumberedRow  # noqa: PLC0415
    from keepiton.storage.lines import lines  # noqa: PLC0415
    from keepiton.storage.rows import End, Run  # noqa: PLC0415

    if path.suffix in (".parquet", ".gz", ".zst"):
        raise UserError(
            f"{path}: packed, and findings reads plain files; take them out of it with: keepiton"
            f" results export --format files --output FOLDER {path}"
        )
    run, end, rows = None, None, []
    for number, one in lines(path):
        if isinstance(one, Run):
            run = run or one
        elif isinstance(one, End):
            end = one
        elif one:
            rows.append(NumberedRow(number, one))
    return run, rows, end
