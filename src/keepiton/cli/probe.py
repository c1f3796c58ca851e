"""``keepiton probe``."""

import sys
from typing import TYPE_CHECKING, Unpack

import click

from keepiton.cli import exits, probe_options, summary

if TYPE_CHECKING:
    from datetime import datetime

    from keepiton.lists.load import LoadedLists
    from keepiton.probe.settings import Settings


@click.command()
@probe_options.options
@click.option(
    "--jitter",
    type=click.FloatRange(0, 86400),
    default=0.0,
    help="Wait a random time up to so many seconds first (for cron).",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day, in UTC, on which this measures; keepiton schedule writes it into schedules.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
def probe(
    jitter: float,
    until: "datetime | None",
    *,
    dry_run: bool,
    **asked: Unpack[probe_options.ProbeOptions],
) -> None:
    """Look once at every target of the lists, and write one result file.

    LIST is a file (TOML, Citizen Lab CSV, or a name, URL, host:port or address a line), a shipped
    list (see: keepiton targets list --all), or - for stdin. Without any, the default lists.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from keepiton.storage import state  # noqa: PLC0415

    planned_at = datetime.now(UTC)
    ready = probe_options.prepare(asked, sys.stdin.buffer.read)
    if dry_run:
        memory = state.load(ready.data)
        perspective = asked["perspective"] or memory.perspective or "outside"
        _show_plan(ready.loaded, ready.settings, perspective)
        return
    bar = summary.bar(ready.lang, quiet=asked["quiet"])
    looked = probe_options.perform_run(
        ready, planned_at, bar, jitter_s=jitter, until=until.date() if until else None
    )
    _conclude(looked, ready)
    sys.exit(looked.code)


def _show_plan(loaded: "LoadedLists", settings: "Settings", perspective: str) -> None:
    """Print what would be contacted."""
    fitting = [one for one in loaded.targets if one.perspective in ("any", perspective)]
    names = ", ".join(one.label for one in settings.resolvers)
    click.echo(f"Would probe {len(fitting)} targets, seen from {perspective}. Nothing is sent now.")
    click.echo(f"Names would be asked of: {names} (A and AAAA)")
    for resolver in settings.compare:
        click.echo(f"and, to compare, of: {resolver.label} (A; left out with --no-doh)")
    zones = sorted({f".{one.serves}" for one in fitting if one.serves and settings.compare})
    if zones:
        click.echo(
            f"and, to compare, names under {', '.join(zones)} of the zone's own servers in the list"
            " (A; left out with --no-doh)"
        )
    for one in fitting:
        asked = one.url or " ".join([*([one.host] if one.host else []), *one.addresses, *one.ports])
        how = f"GET {asked}" if one.url else f"connect {asked}"
        if one.query:
            how = f"ask {' '.join(one.addresses)} {' '.join(one.ports)}: "
            how += f"{one.query.name} {one.query.type}"
        click.echo(f"  {one.control + ' control' if one.control else one.role:<18} {how}")
    left = len(loaded.targets) - len(fitting)
    if left:
        click.echo(f"Not probed from {perspective}: {left} target(s) that make no sense from there")
    for why in loaded.whys:
        click.echo(f"Risk: {why}")


def _conclude(looked: probe_options.RunOutcome, ready: probe_options.RunRequest) -> None:
    """Print the summary where someone reads it."""
    done, quiet = looked.result, ready.options["quiet"]
    if done is None or quiet:
        return
    if sys.stderr.isatty() or ready.options["verbose"]:
        for line in summary.lines(done, looked.perspective, ready.lang):
            click.echo(line, err=True)
    elif looked.code == exits.VANTAGE_OFFLINE:
        click.echo("keepiton: " + summary.offline_text(done.progress, ready.lang), err=True)
