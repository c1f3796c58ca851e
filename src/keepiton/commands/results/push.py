"""``keepiton results push``."""

import os
import sys
from pathlib import Path

import click

from keepiton.cli import exits, folders, i18n
from keepiton.commands.results import remote_options


@click.command()
@remote_options.options
def push(
    url: str,
    data: Path | None,
    endpoint: str | None,
    region: str | None,
    credentials: Path | None,
    since: str | None,
    timeout: float,
    lang: str | None,
    *,
    dry_run: bool,
) -> None:
    """Copy sealed runs to a store: S3, GCS, Azure or a folder.

    URL is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER or the path
    of a folder. What is there already is not sent again, and nothing there is overwritten or
    removed; ended in the middle, the same command goes on. Each run is looked at before it is sent,
    and sent packed. Needs: pip install 'keepiton[fleet]'. Credentials come from the environment
    (AWS_..., GOOGLE_..., AZURE_...) or a file. Exit status 5 says that something was not sent.
    """
    first = remote_options.oldest(since)
    words = i18n.language(lang)
    place = (data or folders.data_folder()) / "results"
    if not dry_run:
        os.umask(0o077)  # a folder's files are made by the library
    where, store = remote_options.opened(
        url, credentials, endpoint, region, timeout, create=not dry_run
    )
    if not place.is_dir():
        sys.exit(
            exits.print_error(f"no results in {place}; begin with: keepiton probe", exits.NO_DATA)
        )
    import asyncio  # noqa: PLC0415

    from keepiton.fleet import object_store as storage  # noqa: PLC0415
    from keepiton.storage.reader import find  # noqa: PLC0415

    with remote_options.bar(words) as step:
        made = asyncio.run(storage.push(store, find([place]), first, step, dry=dry_run))
    if dry_run:
        for name in made.moved:
            click.echo(name)
        click.echo(words.gettext("Nothing was sent."))
    elif made.moved or not made.there:
        n = len(made.moved)
        click.echo(words.ngettext("{n} run sent", "{n} runs sent", n))
    remote_options.tell(where, made, words)
