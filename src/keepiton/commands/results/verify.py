"""``keepiton results verify``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepiton.cli import exits, folders, i18n, reading, shared_options, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepiton.archive.verify import VerifyResult
    from keepiton.base.language import Language

EVERY = 50
"""Runs between two words on how far it is."""


@click.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]...")
@shared_options.data_option
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write to this file.  [default: stdout]",
)
@shared_options.language_option
def verify(
    places: tuple[Path, ...], data: Path | None, form: str, output: Path | None, lang: str | None
) -> None:
    """Check every seal, chain and line.

    Takes this machine's results, or any files and folders named, plain, packed or as Parquet.
    Exit status 5 says that a seal or a chain is broken or that copies differ. A beginning that is
    not here, as after pruning, is no fault; a run that is missing from the middle is.

    A seal shows that nothing was changed since; it cannot show who made it.
    """
    from keepiton.archive.verify import verify as check  # noqa: PLC0415
    from keepiton.storage import state  # noqa: PLC0415

    words = i18n.language(lang)
    files = reading.find_results(places, data)
    if any(one.endswith(".parquet") for one in files):
        reading.require_readers()
    tips = {} if places else state.load(data or folders.data_folder()).chain
    with _progress(len(files), words) as step:
        verdict = check(files, tips, step)
    made = _json(verdict) if form == "json" else _table(verdict, words)
    writing.write_output(made, output, form)
    if verdict.faults:
        sys.exit(exits.NOT_WRITTEN)
    if not verdict.runs:
        sys.exit(exits.print_error("no runs in these files", exits.NO_DATA))


@contextmanager
def _progress(files: int, words: "Language") -> "Iterator[Callable[[int], None]]":
    """Say on a terminal how far it is."""
    shown = sys.stderr.isatty() and files > EVERY

    def step(number: int) -> None:
        if shown and number % EVERY == 0:
            click.echo("\r" + words.gettext("{n} runs looked at", n=number), nl=False, err=True)

    yield step
    if shown:
        click.echo("\r\033[K", nl=False, err=True)


def _table(verdict: "VerifyResult", words: "Language") -> str:
    """Write a fault or note a line, and what was looked at."""
    from keepiton.archive.verify import FAULTS, NOTES  # noqa: PLC0415

    lines = []
    for one in verdict.problems:
        what, remedy = (FAULTS | NOTES)[one.kind]
        lead = words.gettext("FAULT") if one.fault else words.gettext("note")
        said = words.gettext(what, detail=one.detail)
        lines.append(f"{lead}  {one.file}: {said}; {words.gettext(remedy, detail=one.detail)}")
    lines += [
        words.gettext(
            "The chain of {vantage} begins after a run that is not here (SHA-256 {hash}…).",
            vantage=vantage,
            hash=previous[:12],
        )
        for vantage, previous in sorted(verdict.begins_after.items())
    ]
    lines.append(
        "; ".join(
            (
                words.ngettext("{n} run", "{n} runs", verdict.runs),
                words.ngettext("{n} sealed", "{n} sealed", verdict.sealed),
                words.ngettext("{n} vantage", "{n} vantages", verdict.vantages),
                words.ngettext("{n} measurement", "{n} measurements", verdict.measurements),
                words.ngettext("{n} more copy", "{n} more copies", verdict.copies),
                words.ngettext("{n} fault", "{n} faults", verdict.faults),
            )
        )
    )
    return "\n".join(lines) + "\n"


def _json(verdict: "VerifyResult") -> str:
    import json  # noqa: PLC0415

    from keepiton.archive.verify import FAULTS, NOTES  # noqa: PLC0415

    def told(fault: bool) -> list[dict[str, Any]]:  # noqa: FBT001 - which of two lists
        return [
            {
                "file": one.file,
                "kind": one.kind,
                "detail": one.detail,
                "what": (FAULTS | NOTES)[one.kind][0].format(detail=one.detail),
                "remedy": (FAULTS | NOTES)[one.kind][1].format(detail=one.detail),
            }
            for one in verdict.problems
            if one.fault == fault
        ]

    made = {
        "runs": verdict.runs,
        "sealed": verdict.sealed,
        "copies": verdict.copies,
        "vantages": verdict.vantages,
        "measurements": verdict.measurements,
        "bytes": verdict.bytes,
        "begins_after": verdict.begins_after,
        "faults": told(True),
        "notes": told(False),
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
