"""Runs ``keepiton results compact`` and ``keepiton results prune``."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from keepiton.archive.prune import days_to_prune, remove
from keepiton.base.errors import UserError
from keepiton.cli import exits, i18n, times
from keepiton.commands import retention
from keepiton.storage.result_files import require as require_readers


def compact(
    data: Path | None, compact_after: str, lang: str | None, *, dry_run: bool, quiet: bool
) -> None:
    """Pack old days into Parquet."""
    words = i18n.language(lang)
    if compact_after == retention.OFF:
        raise UserError("--compact-after off: nothing would be packed; write an age such as 7d")
    until = (datetime.now(UTC) - times.parse_age(compact_after, "--compact-after")).date()
    data = retention.with_results(data)
    require_readers()
    from keepiton.archive.pack import days_due, pack_due  # noqa: PLC0415 - prune needs no duckdb

    if dry_run:
        for target, due in days_due(data, until).items():
            count = words.ngettext("{n} run to pack", "{n} runs to pack", len(due))
            click.echo(f"{target.relative_to(data)}  {count}")
        click.echo(words.gettext("Nothing was written."))
        return
    with retention.locked(data):
        packed = list(pack_due(data, until))
    if not quiet:
        click.echo(
            words.ngettext("{n} run packed", "{n} runs packed", sum(day.runs for day in packed))
            + words.gettext(
                ": {before} MB became {after} MB.",
                before=words.number(retention.megabytes(sum(day.before for day in packed))),
                after=words.number(retention.megabytes(sum(day.after for day in packed))),
            )
        )
    left = [f"not packed: {reason}\n" for day in packed for reason in day.left]
    if left:
        text = "".join(left) + "look at: keepiton results verify"
        sys.exit(exits.print_error(text, exits.NOT_WRITTEN))


def prune(
    data: Path | None,
    keep: str | None,
    max_size: str | None,
    lang: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove old days, by age or size."""
    words = i18n.language(lang)
    if not (keep or max_size):
        raise UserError("say what is to stay: --keep 400d, --max-size 2G, or both")
    age = times.parse_age(keep, "--keep") if keep else None
    size = times.parse_size(max_size, "--max-size") if max_size else None
    data = retention.with_results(data)
    today = datetime.now(UTC).date()
    chosen = days_to_prune(data, today, age, size)
    if not chosen:
        click.echo(words.gettext("Nothing to remove."))
        return
    for stored in chosen:
        megabytes = words.number(retention.megabytes(stored.size))
        count = words.ngettext(
            "{n} file, {size} MB", "{n} files, {size} MB", len(stored.files), size=megabytes
        )
        click.echo(f"{stored.day}  {count}")
    if dry_run:
        click.echo(words.gettext("Nothing was removed."))
        return
    if not yes and not sys.stdin.isatty():
        raise UserError("results prune: nobody is here to ask; add --yes, or look with --dry-run")
    if not yes:
        click.confirm(words.gettext("Remove all of it?"), abort=True, err=True)
    with retention.locked(data):
        # What was agreed to, less what has gone meanwhile.
        agreed = {stored.day for stored in chosen}
        still_due = days_to_prune(data, today, age, size)
        removed = remove([stored for stored in still_due if stored.day in agreed])
    click.echo(words.gettext("{size} MB removed.", size=words.number(retention.megabytes(removed))))
