"""Options and help of ``keepiton results`` and of the commands below it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from keepiton.cli import Commands, deferred, shared_options
from keepiton.commands import retention

SHORTS = {
    "info": "Say what lies in the data folder, and what it takes.",
    "verify": "Check every seal, chain and line.",
    "compact": "Pack old days into Parquet, losing nothing.",
    "prune": "Remove old days, by age or size.",
    "merge": "Take in result files of other folders.",
    "export": "Write raw rows as JSON lines, CSV or Parquet.",
    "push": "Copy sealed runs to a store: S3, GCS, Azure or a folder.",
    "pull": "Copy sealed runs from a store.",
}
PACKAGE = "keepiton.commands.results"


class ResultCommands(Commands):
    """The commands of this module."""

    shorts = SHORTS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one."""
        del ctx
        return self.commands.get(cmd_name)


@click.group(cls=ResultCommands)
def results() -> None:
    """Look after result files: check, pack, prune, merge, export, share."""


places_argument = click.argument(
    "places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]..."
)


@results.command()
@shared_options.data_option
@shared_options.format_option(("table", "json"), default="table")
@shared_options.output_option()
@shared_options.language_option
@deferred(f"{PACKAGE}.inspection")
def info() -> None:
    """Say what lies in the data folder, and what it takes.

    What a year would take is reckoned from the measurements of the last seven days that are over,
    and from what one takes here in each form.
    """


@results.command()
@places_argument
@shared_options.data_option
@shared_options.format_option(("table", "json"), default="table")
@shared_options.output_option()
@shared_options.language_option
@deferred(f"{PACKAGE}.inspection")
def verify() -> None:
    """Check every seal, chain and line.

    Takes this machine's results, or any files and folders named, plain, packed or as Parquet.
    Exit status 5 says that a seal or a chain is broken or that copies differ. A beginning that is
    not here, as after pruning, is no fault; a run that is missing from the middle is.

    A seal shows that nothing was changed since; it cannot show who made it.
    """


@results.command()
@shared_options.data_option
@retention.compact_option
@click.option("--dry-run", is_flag=True, help="Say what would be packed, and write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@shared_options.language_option
@deferred(f"{PACKAGE}.old_days")
def compact() -> None:
    """Pack old days into Parquet, losing nothing.

    Every sealed run of a day goes, to the byte, into one file for that day and vantage, and gets
    out again with: keepiton results export --format files. All is read back and compared before
    the originals are removed. Runs of a packed day that come late are added by the next time.
    """


@results.command()
@shared_options.data_option
@retention.keep_options
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared_options.language_option
@deferred(f"{PACKAGE}.old_days")
def prune() -> None:
    """Remove old days, by age or size.

    Whole days go, the oldest first. An unsealed run never does, nor do the runs of today. What is
    removed cannot be had back: copy first what may be evidence.
    """


@results.command()
@click.argument(
    "places", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FROM..."
)
@shared_options.data_option
@click.option("--dry-run", is_flag=True, help="Say what would be taken in, and write nothing.")
@shared_options.language_option
@deferred(f"{PACKAGE}.merging")
def merge() -> None:
    """Take in result files of other folders.

    FROM is any folder or file, copied by any means: rsync, syncthing, a USB stick; renamed, packed,
    twice over, or cut off in the middle. Copies of a run become one, a cut copy gives way to a
    whole one, and nothing whole is replaced. Exit status 5 says that a run could not be taken.
    """


@results.command()
@places_argument
@shared_options.data_option
@shared_options.format_option(
    ("jsonl", "csv", "parquet", "files"),
    "Lines as they were written, a flat table, columns, or the sealed files themselves."
    "  [default: by the ending of --output, or jsonl]",
)
@shared_options.output_option(
    "Write to this file, or of --format files below this folder.  [default: stdout]"
)
@click.option("--since", metavar="TIME", help="Only from this time on (UTC), or an age: 24h.")
@click.option("--until", metavar="TIME", help="Only before this time (UTC), or an age.")
@click.option("--target", "only_targets", multiple=True, help="Only this target. Repeatable.")
@click.option("--operator", "only_operators", multiple=True, help="Only this operator. Repeatable.")
@deferred(f"{PACKAGE}.exporting")
def export() -> None:
    """Write raw rows as JSON lines, CSV or Parquet.

    Of copies of a run one is taken. With --format files the sealed files come back as they were
    written, to the byte, out of Parquet and packed ones, too; --since and --until go by their
    names.
    """


def transfer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what names a store and chooses the runs to copy."""
    for option in reversed(  # the last one applied is shown first
        (
            click.argument("url", metavar="URL"),
            shared_options.data_option,
            click.option(
                "--endpoint",
                metavar="URL",
                help="Of a server that speaks S3, such as https://HOST:9000.",
            ),
            click.option("--region", metavar="NAME", help="Of the bucket.  [default: us-east-1]"),
            click.option(
                "--credentials",
                type=click.Path(path_type=Path, dir_okay=False),
                help="File of KEY=value lines or TOML, readable by its owner only, in place of the"
                " environment (docs/guides/fleet.md).",
            ),
            click.option(
                "--since", metavar="AGE", help="Only runs that began since then, such as 7d."
            ),
            click.option(
                "--timeout",
                type=click.FloatRange(0.1, 3600),
                default=60,
                show_default=True,
                help="Seconds for which a store that does not answer is asked again.",
            ),
            click.option(
                "--dry-run", is_flag=True, help="Say what would be copied, and copy nothing."
            ),
            shared_options.language_option,
        )
    ):
        function = option(function)
    return function


@results.command()
@transfer_options
@deferred(f"{PACKAGE}.transfer")
def push() -> None:
    """Copy sealed runs to a store: S3, GCS, Azure or a folder.

    URL is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER or the path
    of a folder. What is there already is not sent again, and nothing there is overwritten or
    removed; ended in the middle, the same command goes on. Each run is looked at before it is sent,
    and sent packed. Needs: pip install 'keepiton[fleet]'. Credentials come from the environment
    (AWS_..., GOOGLE_..., AZURE_...) or a file. Exit status 5 says that something was not sent.
    """


@results.command()
@transfer_options
@deferred(f"{PACKAGE}.transfer")
def pull() -> None:
    """Copy sealed runs from a store.

    URL is as for push; runs below it are found whatever the folders between. What is here already
    is not fetched again; ended in the middle, the same command goes on. Each run is looked at when
    it has come, and taken in by the rules of 'keepiton results merge'. Needs: pip install
    'keepiton[fleet]'. Exit status 5 says that something was not fetched.
    """
