"""``keepiton results compact``."""

import sys
from pathlib import Path

import click

from keepiton.base.errors import UserError
from keepiton.cli import exits, i18n, reading, shared_options, times
from keepiton.commands import retention


@click.command()
@shared_options.data_option
@retention.compact_option
@click.option("--dry-run", is_flag=True, help="Say what would be packed, and write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@shared_options.language_option
def compact(
    data: Path | None, compact_after: str, lang: str | None, *, dry_run: bool, quiet: bool
) -> None:
    """Pack old days into Parquet, losing nothing.

    Every sealed run of a day goes, to the byte, into one file for that day and vantage, and gets
    out again with: keepiton results export --format files. All is read back and compared before
    the originals are removed. Runs of a packed day that come late are added by the next time.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    words = i18n.language(lang)
    if compact_after == retention.OFF:
        raise UserError("--compact-after off: nothing would be packed; write an age such as 7d")
    until = (datetime.now(UTC) - times.parse_age(compact_after, "--compact-after")).date()
    data = retention.with_results(data)
    reading.require_readers()
    from keepiton.archive.pack import days_due, pack_due  # noqa: PLC0415

    if dry_run:
        for target, found in days_due(data, until).items():
            said = words.ngettext("{n} run to pack", "{n} runs to pack", len(found))
            click.echo(f"{target.relative_to(data)}  {said}")
        click.echo(words.gettext("Nothing was written."))
        return
    runs = before = after = 0
    left: list[str] = []
    with retention.locked(data):
        for done in pack_due(data, until):
            runs, before, after = runs + done.runs, before + done.before, after + done.after
            left += done.left
    if not quiet:
        click.echo(
            words.ngettext("{n} run packed", "{n} runs packed", runs)
            + words.gettext(
                ": {before} MB became {after} MB.",
                before=words.number(retention.megabytes(before)),
                after=words.number(retention.megabytes(after)),
            )
        )
    if left:
        text = "\n".join(f"not packed: {one}" for one in left)
        sys.exit(exits.print_error(text + "\nlook at: keepiton results verify", exits.NOT_WRITTEN))
