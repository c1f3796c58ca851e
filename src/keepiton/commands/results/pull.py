"""``keepiton results pull``."""

import sys
from pathlib import Path

import click

from keepiton.cli import exits, folders, i18n
from keepiton.commands.results import remote_options


@click.command()
@remote_options.options
def pull(
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
    """Copy sealed runs from a store.

    URL is as for push; runs below it are found whatever the folders between. What is here already
    is not fetched again; ended in the middle, the same command goes on. Each run is looked at when
    it has come, and taken in by the rules of 'keepiton results merge'. Needs: pip install
    'keepiton[fleet]'. Exit status 5 says that something was not fetched.
    """
    first = remote_options.oldest(since)
    words = i18n.language(lang)
    data = data or folders.data_folder()
    where, store = remote_options.opened(url, credentials, endpoint, region, timeout)
    import asyncio  # noqa: PLC0415

    from keepiton.fleet import object_store as storage  # noqa: PLC0415

    try:
        with remote_options.bar(words) as step:
            made = asyncio.run(storage.pull(store, data, first, step, dry=dry_run))
    except OSError as exc:
        sys.exit(exits.print_error(f"{data}: not written: {exc.strerror}", exits.NOT_WRITTEN))
    if dry_run:
        for name in made.moved:
            click.echo(name)
        click.echo(words.gettext("Nothing was written."))
    elif made.moved or not made.there:
        n = len(made.moved)
        click.echo(words.ngettext("{n} run fetched", "{n} runs fetched", n))
    remote_options.tell(where, made, words)
