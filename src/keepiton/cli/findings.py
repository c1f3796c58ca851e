"""``keepiton findings``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.cli import common
from keepiton.errors import Mistake

if TYPE_CHECKING:
    from keepiton.findings import Numbered, Reference
    from keepiton.model import End, Finding, Run


@click.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]...")
@common.data_option
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
    with an artefact; without a reference, most failures stay insufficient.
    """
    from keepiton.findings import legs  # noqa: PLC0415
    from keepiton.report import findings as render  # noqa: PLC0415
    from keepiton.results.read import find  # noqa: PLC0415

    reference: Reference = {}
    for name in find(references):
        reference |= legs(_whole(Path(name))[1])
    given = list(places) or [(data or common.folder()) / "results"]
    if not places and not given[0].is_dir():
        text = f"no results in {given[0]}; begin with: keepiton probe"
        sys.exit(common.complain(text, common.NO_DATA))
    files = find(given)
    if not places:
        files = sorted(files, key=lambda one: Path(one).name)[-1:]
    made = [one for path in files for one in _of_file(Path(path), reference)]
    if only_targets:
        made = [(file, one) for file, one in made if one.target in only_targets]
    if not made:
        sys.exit(common.complain("no measurements of such targets", common.NO_DATA))
    if form == "json":
        text = render.json(made, defang=defang)
    else:
        text = render.table(made, show_all=show_all, defang=defang)
    common.deliver(text, output)


def _whole(path: Path) -> "tuple[Run | None, list[Numbered], End | None]":
    """Read one result file."""
    from keepiton.findings import Numbered  # noqa: PLC0415
    from keepiton.model import End, Run  # noqa: PLC0415
    from keepiton.results.lines import lines  # noqa: PLC0415

    run, end, rows = None, None, []
    for number, one in lines(path):
        if isinstance(one, Run):
            run = run or one
        elif isinstance(one, End):
            end = one
        elif one:
            rows.append(Numbered(number, one))
    return run, rows, end


def _of_file(path: Path, reference: "Reference") -> "list[tuple[str, Finding]]":
    from keepiton.findings import findings as judge  # noqa: PLC0415

    run, rows, end = _whole(path)
    if run is None:
        raise Mistake(f"{path}: no run line; not a result file of keepiton")
    return [(path.name, one) for one in judge(run, rows, end, reference)]
