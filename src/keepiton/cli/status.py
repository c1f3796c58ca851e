"""``keepiton status``."""

import sys
from pathlib import Path

import click

from keepiton.cli import common


@click.command()
@common.reading_options
@click.option("--targets", "by_target", is_flag=True, help="One row a target.")
def status(
    places: tuple[Path, ...],
    data: Path | None,
    engine: str | None,
    policy: Path | None,
    tz: str,
    only_targets: tuple[str, ...],
    only_operators: tuple[str, ...],
    output: Path | None,
    *,
    by_target: bool,
    defang: bool,
) -> None:
    """Show a quick table: who answers now, and since when.

    One row an operator (or the group of a target without one). Reads this machine's results, or
    any files and folders named.
    """
    import shutil  # noqa: PLC0415
    from dataclasses import replace  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    common.require_readers()
    from keepiton.report import table  # noqa: PLC0415
    from keepiton.report.build import build  # noqa: PLC0415
    from keepiton.report.defang import defang as defanged  # noqa: PLC0415

    zone = common.zone(tz)
    thresholds = common.policy_from(policy)
    now = datetime.now(UTC)
    found = common.rows(common.found(places, data, engine), data, engine=engine)
    report = build(
        found, zone, now, targets=only_targets, operators=only_operators, policy=thresholds
    )
    found_now = report and report.findings
    statuses = found_now and (found_now.targets if by_target else found_now.operators)
    if not report or not statuses:
        sys.exit(common.complain("no measurements of such targets", common.NO_DATA))
    width = max(80, shutil.get_terminal_size((110, 24)).columns)
    report = replace(report, statuses=statuses)
    if defang:
        report = defanged(report)
    text = table.status(report, "target" if by_target else "operator", width)
    common.deliver(text, output)
