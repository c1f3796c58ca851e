"""Runs ``keepiton results push`` and ``keepiton results pull``."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from keepiton.base.language import Language
from keepiton.cli import exits, folders, i18n, times
from keepiton.fleet import object_store
from keepiton.storage.result_files import find


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
    """Copy sealed runs to a store."""
    oldest = times.parse_instant(since, UTC, datetime.now(UTC), "--since")
    words = i18n.language(lang)
    place = (data or folders.data_folder()) / "results"
    if not dry_run:
        os.umask(0o077)  # a folder's files are made by the library
    where = object_store.parse_url(url)
    store = object_store.open_store(
        where,
        object_store.credentials(credentials, where.kind) if credentials else None,
        endpoint=endpoint,
        region=region,
        timeout_s=timeout,
        create=not dry_run,
    )
    if not place.is_dir():
        exits.exit_without_results(place)
    with _progress(words) as step:
        result = asyncio.run(object_store.push(store, find([place]), oldest, step, dry=dry_run))
    if dry_run:
        summary = [*result.moved, words.gettext("Nothing was sent.")]
    else:
        summary = [words.ngettext("{n} run sent", "{n} runs sent", len(result.moved))]
    _report(where, result, summary, words)


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
    """Copy sealed runs from a store."""
    oldest = times.parse_instant(since, UTC, datetime.now(UTC), "--since")
    words = i18n.language(lang)
    data = data or folders.data_folder()
    where = object_store.parse_url(url)
    store = object_store.open_store(
        where,
        object_store.credentials(credentials, where.kind) if credentials else None,
        endpoint=endpoint,
        region=region,
        timeout_s=timeout,
    )
    try:
        with _progress(words) as step:
            result = asyncio.run(object_store.pull(store, data, oldest, step, dry=dry_run))
    except OSError as exc:
        sys.exit(exits.print_error(f"{data}: not written: {exc.strerror}", exits.NOT_WRITTEN))
    if dry_run:
        summary = [*result.moved, words.gettext("Nothing was written.")]
    else:
        summary = [words.ngettext("{n} run fetched", "{n} runs fetched", len(result.moved))]
    _report(where, result, summary, words)


@contextmanager
def _progress(words: Language) -> Iterator[object_store.Step]:
    """Show how far it is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console  # noqa: PLC0415 - on a terminal only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(words.gettext("runs"), total=None)
        yield lambda done, of: shown.update(task, total=of, completed=done)


def _report(
    where: object_store.StoreUrl,
    result: object_store.TransferResult,
    summary: list[str],
    words: Language,
) -> None:
    """Print what was copied, and on stderr what was not; exits 5 where anything was not."""
    if len(summary) > 1 or result.moved or not result.there:
        for line in summary:
            click.echo(line)
    if result.there:
        click.echo(
            words.ngettext("{n} run was there already", "{n} runs were there already", result.there)
        )
    exits.print_error("\n".join(result.notes), 0)
    exits.print_error("\n".join(result.problems), 0)
    if result.stopped:
        exits.print_error(f"{where}: {result.stopped}", 0)
    if result.problems or result.stopped:
        sys.exit(exits.NOT_WRITTEN)
