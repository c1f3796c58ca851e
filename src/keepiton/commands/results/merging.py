"""Runs ``keepiton results merge``."""

import sys
from pathlib import Path

import click

from keepiton.archive.merge import Kind, LocalRuns, carry_out, files, plan, scan, shared_names
from keepiton.base.language import gettext_noop
from keepiton.cli import exits, folders, i18n
from keepiton.storage import state

NAMES: dict[Kind, str] = {
    "new": gettext_noop("new"),
    "completed": gettext_noop("completed"),
    "cut": gettext_noop("a part"),
}


def merge(places: tuple[Path, ...], data: Path | None, lang: str | None, *, dry_run: bool) -> None:
    """Take in result files of other folders."""
    words = i18n.language(lang)
    data = data or folders.data_folder()
    scanned = scan(files(places))
    here = LocalRuns(data, state.load(data).open_file)
    merge_plan = plan(scanned.copies, here)
    merge_plan.notes[:0] = [*scanned.notes, *shared_names(scanned.copies, here)]
    merge_plan.problems[:0] = scanned.problems
    if not (scanned.copies or merge_plan.problems):
        sys.exit(exits.print_error(f"no runs in {', '.join(map(str, places))}", exits.NO_DATA))
    try:
        if not dry_run:
            carry_out(merge_plan, data)
    except OSError as exc:
        sys.exit(exits.print_error(f"{data}: not written: {exc.strerror}", exits.NOT_WRITTEN))
    if dry_run:
        for step in merge_plan.steps:
            if step.kind in NAMES:
                click.echo(f"{step.target}  {words.gettext(NAMES[step.kind])}")
    new, completed = merge_plan.count("new"), merge_plan.count("completed")
    cut, there = merge_plan.count("cut"), merge_plan.count("there")
    counts = (
        new and words.ngettext("{n} new run", "{n} new runs", new),
        completed and words.ngettext("{n} run completed", "{n} runs completed", completed),
        cut and words.ngettext("{n} run came only in part", "{n} runs came only in part", cut),
        there and words.ngettext("{n} run was there already", "{n} runs were there already", there),
    )
    if any(counts):
        click.echo("; ".join(count for count in counts if count))
    if dry_run:
        click.echo(words.gettext("Nothing was written."))
    exits.print_error("\n".join(merge_plan.notes), 0)
    if merge_plan.problems:
        sys.exit(exits.print_error("\n".join(merge_plan.problems), exits.NOT_WRITTEN))
