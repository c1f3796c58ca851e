"""``keepiton results prune``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.base.errors import UserError
from keepiton.cli import i18n, shared_options, times
from keepiton.commands import retention

if TYPE_CHECKING:
    from keepiton.archive.prune import StoredDay
    from keepiton.base.language import Language


@click.command()
@shared_options.data_option
@retention.keep_options
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared_options.language_option
def prune(
    data: Path | None,
    keep: str | None,
    max_size: str | None,
    lang: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove old days, by age or size.

    Whole days go, the oldest first. An unsealed run never does, nor do the runs of today. What is
    removed cannot be had back: copy first what may be evidence.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    words = i18n.language(lang)
    if not (keep or max_size):
        raise UserError("say what is to stay: --keep 400d, --max-size 2G, or both")
    age = times.parse_age(keep, "--keep") if keep else None
    size = times.parse_size(max_size, "--max-size") if max_size else None
    data = retention.with_results(data)
    from keepiton.archive.prune import days_to_prune, remove  # noqa: PLC0415

    today = datetime.now(UTC).date()
    chosen = days_to_prune(data, today, age, size)
    if not chosen:
        click.echo(words.gettext("Nothing to remove."))
        return
    for line in listed(chosen, words):
        click.echo(line)
    if dry_run:
        click.echo(words.gettext("Nothing was removed."))
        return
    if not yes and not sys.stdin.isatty():
        raise UserError("results prune: nobody is here to ask; add --yes, or look with --dry-run")
    if not yes:
        click.confirm(words.gettext("Remove all of it?"), abort=True, err=True)
    with retention.locked(data):
        # What was agreed to, less what has gone meanwhile.
        agreed = {one.day for one in chosen}
        gone = remove([one for one in days_to_prune(data, today, age, size) if one.day in agreed])
    click.echo(words.gettext("{size} MB removed.", size=words.number(retention.megabytes(gone))))


def listed(chosen: "list[StoredDay]", words: "Language") -> list[str]:
    """Say of each day how much goes."""
    return [
        f"{one.day}  "
        + words.ngettext(
            "{n} file, {size} MB",
            "{n} files, {size} MB",
            len(one.files),
            size=words.number(retention.megabytes(one.size)),
        )
        for one in chosen
    ]
