"""``keepiton results merge``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.base.language import Language, gettext_noop
from keepiton.cli import exits, folders, i18n, shared_options

if TYPE_CHECKING:
    from keepiton.archive.merge import Kind, MergePlan

NAMES: "dict[Kind, str]" = {
    "new": gettext_noop("new"),
    "completed": gettext_noop("completed"),
    "cut": gettext_noop("a part"),
}


@click.command()
@click.argument(
    "places", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FROM..."
)
@shared_options.data_option
@click.option("--dry-run", is_flag=True, help="Say what would be taken in, and write nothing.")
@shared_options.language_option
def merge(places: tuple[Path, ...], data: Path | None, lang: str | None, *, dry_run: bool) -> None:
    """Take in result files of other folders.

    FROM is any folder or file, copied by any means: rsync, syncthing, a USB stick; renamed, packed,
    twice over, or cut off in the middle. Copies of a run become one, a cut copy gives way to a
    whole one, and nothing whole is replaced. Exit status 5 says that a run could not be taken.
    """
    from keepiton.archive import merge as merging  # noqa: PLC0415
    from keepiton.storage import state  # noqa: PLC0415

    words = i18n.language(lang)
    data = data or folders.data_folder()
    scan = merging.scan(merging.files(places))
    here = merging.LocalRuns(data, state.load(data).open_file)
    made = merging.plan(scan.copies, here)
    made.notes[:0] = [*scan.notes, *merging.shared_names(scan.copies, here)]
    made.problems[:0] = scan.problems
    if not (scan.copies or made.problems):
        sys.exit(exits.print_error(f"no runs in {', '.join(map(str, places))}", exits.NO_DATA))
    try:
        if not dry_run:
            merging.carry_out(made, data)
    except OSError as exc:
        sys.exit(exits.print_error(f"{data}: not written: {exc.strerror}", exits.NOT_WRITTEN))
    tell(made, words, dry_run=dry_run)


def tell(made: "MergePlan", words: Language, *, dry_run: bool) -> None:
    """Say what was done, or would be; exits 5 where something could not be."""
    if dry_run:
        for step in made.steps:
            if step.kind in NAMES:
                click.echo(f"{step.target}  {words.gettext(NAMES[step.kind])}")
    if said := counted(made, words):
        click.echo("; ".join(said))
    if dry_run:
        click.echo(words.gettext("Nothing was written."))
    exits.print_error("\n".join(made.notes), 0)
    if made.problems:
        sys.exit(exits.print_error("\n".join(made.problems), exits.NOT_WRITTEN))


def counted(made: "MergePlan", words: Language) -> list[str]:
    """Count what was done, in words."""
    new, completed = made.count("new"), made.count("completed")
    cut, there = made.count("cut"), made.count("there")
    said = (
        new and words.ngettext("{n} new run", "{n} new runs", new),
        completed and words.ngettext("{n} run completed", "{n} runs completed", completed),
        cut and words.ngettext("{n} run came only in part", "{n} runs came only in part", cut),
        there and words.ngettext("{n} run was there already", "{n} runs were there already", there),
    )
    return [one for one in said if one]
