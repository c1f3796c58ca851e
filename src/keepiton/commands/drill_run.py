"""``keepiton drill``: runs the story, and reports on its results."""

import shlex
import sys
import tempfile
import textwrap
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from keepiton.base.errors import UserError
from keepiton.base.language import gettext_noop
from keepiton.cli import exits, i18n
from keepiton.cli.report import report
from keepiton.drill import story

KEPT = gettext_noop(
    "Everything is in {folder}: the target list (drill.toml), a result file a run (results), this"
    " report (report.txt, report.html). Look closer:"
)
REMOVED = gettext_noop(
    "The files of this drill were in {folder} and are removed now. Keep them next time:"
)
AFTER_REMOVED = ["keepiton drill --output drill"]
AFTER_KEPT = [
    "keepiton status --data {folder}",
    "keepiton report --data {folder} --policy {folder}/policy.toml --format md",
    "keepiton explain dns_bogon_error",
]


def drill(
    context: click.Context, scenario: str, output: Path | None, lang: str | None, *, fast: bool
) -> None:
    """Run the chapters of a scenario and print the report. Raises UserError."""
    language = i18n.language(lang)
    with ExitStack() as stack:
        folder = output or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="keepiton-"))
        )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise UserError(f"--output {folder}: not empty; name a new folder")
            chapters = story.SCENARIOS[scenario]
            story.run_story(chapters, folder, datetime.now(UTC), language, click.echo, fast=fast)
        except BrokenPipeError:  # of stdout: the reader of the story is gone
            raise
        except OSError as exc:
            text = f"{exc.filename or folder}: not written: {exc.strerror}"
            sys.exit(exits.print_error(text, exits.NOT_WRITTEN))
        policy = folder / story.THRESHOLDS
        write = partial(context.invoke, report, data=folder, policy=policy, tz="UTC", lang=lang)
        write(form="table")
        ending, commands = REMOVED, AFTER_REMOVED
        if output:
            write(form="table", output=folder / "report.txt")
            write(form="html", output=folder / "report.html")
            ending, commands = KEPT, AFTER_KEPT
        click.echo("\n" + textwrap.fill(language.gettext(ending, folder=folder), story.WIDTH))
        for command in commands:
            click.echo("  " + command.format(folder=shlex.quote(str(folder))))
