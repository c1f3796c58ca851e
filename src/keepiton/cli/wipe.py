"""``keepiton wipe``."""

import sys
from pathlib import Path

import click

from keepiton.cli import common

OURS = ("results", "cache", "state.json", "state.json.new", "lock", "keepiton.log")
"""What keepiton makes in its data folder; nothing else there is touched."""


@click.command()
@common.data_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def wipe(data: Path | None, *, yes: bool) -> None:
    """Remove everything keepiton has written: results, state, logs, the user's configuration.

    Files are unlinked, not overwritten: on a modern disk only encryption protects what was there.
    A crontab line or timer that you made yourself stays; so does your shell's history.
    """
    import filelock  # noqa: PLC0415

    data = data or common.folder()
    found = [data / name for name in OURS if (data / name).exists()]
    config = common.user_config()
    if config.is_file():
        found.append(config)
    if not found:
        click.echo(f"nothing to remove in {data}", err=True)
        return
    click.echo("This removes:", err=True)
    for path in found:
        click.echo(f"  {path}", err=True)
    if not yes:
        click.confirm("Remove all of it?", abort=True, err=True)
    try:
        with filelock.FileLock(data / "lock", timeout=0, mode=0o600):
            for path in found:
                if path.name != "lock":
                    _remove(path)
        (data / "lock").unlink(missing_ok=True)
        for empty in (data, config.parent):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
    except filelock.Timeout:
        sys.exit(common.complain("a run is under way; stop it first", common.LOCKED))
    except OSError as exc:
        sys.exit(
            common.complain(f"{exc.filename}: not removed: {exc.strerror}", common.NOT_WRITTEN)
        )
    click.echo(
        "removed; also look at: crontab -l, systemctl --user list-timers, shell history", err=True
    )


def _remove(path: Path) -> None:
    import shutil  # noqa: PLC0415

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
