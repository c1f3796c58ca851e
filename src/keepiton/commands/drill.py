"""``keepiton drill``."""

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from keepiton.base.errors import UserError
from keepiton.base.language import gettext_noop
from keepiton.cli import exits, i18n, reading, shared_options

SCENARIOS = ("all", "calm", "slow", "dns", "border", "wifi")
"""As in the story, which is not loaded for ``--help``."""
KEPT = gettext_noop(
    "Everything is in {folder}: the target list (drill.toml), a result file a run (results), this"
    " report (report.txt, report.html). Look closer:"
)
REMOVED = gettext_noop(
    "The files of this drill were in {folder} and are removed now. Keep them next time:"
)
AGAIN = ["keepiton drill --output drill"]
NEXT = [
    "keepiton status --data {folder}",
    "keepiton report --data {folder} --policy {folder}/policy.toml --format md",
    "keepiton explain dns_bogon_error",
]


@click.command()
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default="all",
    show_default=True,
    help="The whole story, or one chapter of it between calm ones.",
)
@click.option("--fast", is_flag=True, help="Leave no time for reading.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep list, results and report in this folder, a new or empty one.",
)
@shared_options.language_option
@click.pass_context
def drill(
    context: click.Context, scenario: str, output: Path | None, lang: str | None, *, fast: bool
) -> None:
    """Practise on a make-believe country on this machine; nothing leaves it.

    In about a minute, with real probes, result files and a real report: all is well, an operator
    is slow, a name server lies, the border is cut, your own Wi-Fi dies, all is well again.
    """
    import shlex  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    import textwrap  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415
    from functools import partial  # noqa: PLC0415

    words = i18n.language(lang)
    reading.require_readers()
    from keepiton.cli.report import report  # noqa: PLC0415
    from keepiton.drill import story  # noqa: PLC0415

    with ExitStack() as stack:
        kept = output or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keepiton-")))
        try:
            kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(kept.iterdir()):
                raise UserError(f"--output {kept}: not empty; name a new folder")
            chapters = story.SCENARIOS[scenario]
            story.run_story(chapters, kept, datetime.now(UTC), words, click.echo, fast=fast)
        except BrokenPipeError:  # of stdout: nobody reads the story any more
            raise
        except OSError as exc:
            text = f"{exc.filename or kept}: not written: {exc.strerror}"
            sys.exit(exits.print_error(text, exits.NOT_WRITTEN))
        policy = kept / story.THRESHOLDS
        tell = partial(context.invoke, report, data=kept, policy=policy, tz="UTC", lang=lang)
        tell(form="table")
        told, more = REMOVED, AGAIN
        if output:
            tell(form="table", output=kept / "report.txt")
            tell(form="html", output=kept / "report.html")
            told, more = KEPT, NEXT
        click.echo("\n" + textwrap.fill(words.gettext(told, folder=kept), story.WIDTH))
        for line in more:
            click.echo("  " + line.format(folder=shlex.quote(str(kept))))
