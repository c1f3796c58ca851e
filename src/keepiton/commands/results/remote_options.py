"""What ``push`` and ``pull`` share: how a store is named, and how long it is waited for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepiton.base.language import Language
from keepiton.cli import exits, shared_options, times

if TYPE_CHECKING:
    from datetime import datetime

    from obstore.store import ObjectStore

    from keepiton.fleet.object_store import Step, StoreUrl, TransferResult


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what names a store."""
    chosen = (
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
        click.option("--since", metavar="AGE", help="Only runs that began since then, such as 7d."),
        click.option(
            "--timeout",
            type=click.FloatRange(0.1, 3600),
            default=60,
            show_default=True,
            help="Seconds for which a store that does not answer is asked again.",
        ),
        click.option("--dry-run", is_flag=True, help="Say what would be copied, and copy nothing."),
        shared_options.language_option,
    )
    for option in reversed(chosen):  # the last one applied is shown first
        function = option(function)
    return function


def opened(
    url: str,
    credentials: Path | None,
    endpoint: str | None,
    region: str | None,
    timeout: float,
    *,
    create: bool = False,
) -> "tuple[StoreUrl, ObjectStore]":
    """Make ready to speak to a store. Raises UserError."""
    from keepiton.fleet import object_store  # noqa: PLC0415

    where = object_store.parse_url(url)
    given = object_store.credentials(credentials, where.kind) if credentials else None
    made = object_store.open_store(
        where, given, endpoint=endpoint, region=region, timeout_s=timeout, create=create
    )
    return where, made


def oldest(since: str | None) -> "datetime | None":
    """Read ``--since``. Raises UserError."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return times.parse_instant(since, UTC, datetime.now(UTC), "--since")


@contextmanager
def bar(words: Language) -> "Iterator[Step]":
    """Show how far it is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(words.gettext("runs"), total=None)
        yield lambda done, of: shown.update(task, total=of, completed=done)


def tell(where: "StoreUrl", made: "TransferResult", words: Language) -> None:
    """Say what was there already, and on stderr what went wrong; exits 5 where anything did."""
    if made.there:
        click.echo(
            words.ngettext("{n} run was there already", "{n} runs were there already", made.there)
        )
    exits.print_error("\n".join(made.notes), 0)
    exits.print_error("\n".join(made.problems), 0)
    if made.stopped:
        exits.print_error(f"{where}: {made.stopped}", 0)
    if made.problems or made.stopped:
        sys.exit(exits.NOT_WRITTEN)
