"""``keepiton report``."""

import sys
from pathlib import Path

import click

from keepiton.cli import common

LOOK_BACK_DAYS = 8
"""Read before what was asked for, so that noise and usual durations are known."""


@click.command()
@common.reading_options
@click.option("--since", help="Only what touches the time from here: 2022-02-27T08:00, or 24h.")
@click.option("--until", help="Only what touches the time up to here.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "md"]),
    default="table",
    show_default=True,
)
@click.option(
    "--round", "rounded", help="Coarsen all times for sharing, to steps such as 5m or 1h."
)
@click.option(
    "--fail-on", type=click.Choice(["disruption"]), help="Exit 3 when one is in the report."
)
def report(
    places: tuple[Path, ...],
    data: Path | None,
    engine: str | None,
    policy: Path | None,
    tz: str,
    only_targets: tuple[str, ...],
    only_operators: tuple[str, ...],
    output: Path | None,
    since: str | None,
    until: str | None,
    form: str,
    rounded: str | None,
    fail_on: str | None,
    *,
    defang: bool,
) -> None:
    """Turn result files into disruption windows.

    Reads this machine's results, or any files, folders and globs named, of any number of vantages.
    """
    from dataclasses import replace  # noqa: PLC0415
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    common.require_readers()
    from keepiton.report import RENDERERS  # noqa: PLC0415
    from keepiton.report.build import build  # noqa: PLC0415
    from keepiton.report.coarse import coarsen  # noqa: PLC0415
    from keepiton.report.defang import defang as defanged  # noqa: PLC0415
    from keepiton.results.witness import locate  # noqa: PLC0415

    zone = common.zone(tz)
    now = datetime.now(UTC)
    span = (
        common.instant(since, zone, now, "--since"),
        common.instant(until, zone, now, "--until"),
    )
    thresholds = common.policy_from(policy)
    files = common.found(places, data, engine)
    recent = span[0] and span[0] - timedelta(days=LOOK_BACK_DAYS)
    while True:
        found = common.rows(files, data, recent, engine)
        made = build(
            found,
            zone,
            now,
            targets=only_targets,
            operators=only_operators,
            span=span,
            policy=thresholds,
        )
        if found.complete or (
            made
            and not made.findings.never_answered
            and all(one.start_earliest for one in made.windows)
        ):
            break
        recent = None  # what began before, or last answered before, needs all of it
    if not made:
        sys.exit(common.complain("no data in the asked range", common.NO_DATA))
    made = replace(made, windows=locate(made.windows, files))
    if defang:
        made = defanged(made)
    if rounded:
        made = coarsen(made, common.age(rounded, "--round"))
    common.deliver(RENDERERS[form](made), output)
    if fail_on and made.windows:
        sys.exit(common.FAIL_ON)
