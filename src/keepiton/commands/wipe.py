"""``keepiton wipe``."""

import os
import shutil
import sys
from pathlib import Path

import click

from keepiton.base.errors import UserError
from keepiton.cli import exits, folders, shared_options
from keepiton.storage import lock

OURS = (
    "results",
    "cache",
    "state.json",
    "state.json.new",
    "alarms.json",
    "alarms.json.new",
    "lock",
    "keepiton.log",
    "tended",
)
"""Files and folders that keepiton makes in its data folder; nothing else there is removed."""


@click.command()
@shared_options.data_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def wipe(data: Path | None, *, yes: bool) -> None:
    """Remove everything keepiton has written: results, state, logs, configuration, schedule.

    Files are unlinked, not overwritten: on a modern disk only encryption protects what was there.
    A schedule goes with the folder that it writes to. A crontab line or timer that you made
    yourself stays; so does your shell's history.
    """
    from keepiton.operate.schedule import KINDS, installed  # noqa: PLC0415

    data = data or folders.data_folder()
    schedules = [schedule for schedule in installed() if schedule.data.resolve() == data.resolve()]
    for schedule in schedules:
        if not schedule.may_change:
            raise UserError(
                f"{schedule.place}: only an administrator can remove it; run wipe with sudo"
            )
    paths = [data / name for name in OURS if (data / name).exists()]
    config = folders.user_config()
    if config.is_file():
        paths.append(config)
    if not (paths or schedules):
        click.echo(f"nothing to remove in {data}", err=True)
        return
    click.echo("This removes:", err=True)
    for schedule in schedules:
        click.echo(f"  the schedule: {schedule.place}", err=True)
    for path in paths:
        click.echo(f"  {path}", err=True)
    if not yes:
        click.confirm("Remove all of it?", abort=True, err=True)
    try:
        for schedule in schedules:  # first, so that none of them begins a run meanwhile
            KINDS[schedule.kind].remove()
        with lock.hold(data):
            for path in paths:
                if path.name != lock.FILE:
                    _remove(path)
            if os.name != "nt":  # while it is held: a run that begins now makes another
                (data / lock.FILE).unlink()
        if os.name == "nt":  # where an open file cannot be removed
            (data / lock.FILE).unlink()
        for empty in (data, config.parent):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
    except lock.Locked:
        sys.exit(exits.print_error("a run is under way; stop it first", exits.LOCKED))
    except OSError as exc:
        sys.exit(
            exits.print_error(f"{exc.filename}: not removed: {exc.strerror}", exits.NOT_WRITTEN)
        )
    left = [schedule.place for schedule in installed() if schedule.may_change]
    if left:
        click.echo(f"a schedule for another folder stays: {', '.join(left)}", err=True)
    click.echo("removed; also look at: your shell's history", err=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
