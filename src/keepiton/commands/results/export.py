"""``keepiton results export``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.base.errors import UserError
from keepiton.cli import exits, reading, shared_options, times, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepiton.archive.export import ExportFilter
    from keepiton.storage.runs import StoredRun

ENDINGS = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


@click.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|DIR]...")
@shared_options.data_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "parquet", "files"]),
    help="Lines as they were written, a flat table, columns, or the sealed files themselves."
    "  [default: by the ending of --output, or jsonl]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write to this file, or of --format files below this folder.  [default: stdout]",
)
@click.option("--since", metavar="TIME", help="Only from this time on (UTC), or an age: 24h.")
@click.option("--until", metavar="TIME", help="Only before this time (UTC), or an age.")
@click.option("--target", "only_targets", multiple=True, help="Only this target. Repeatable.")
@click.option("--operator", "only_operators", multiple=True, help="Only this operator. Repeatable.")
def export(
    places: tuple[Path, ...],
    data: Path | None,
    form: str | None,
    output: Path | None,
    since: str | None,
    until: str | None,
    only_targets: tuple[str, ...],
    only_operators: tuple[str, ...],
) -> None:
    """Write raw rows as JSON lines, CSV or Parquet.

    Of copies of a run one is taken. With --format files the sealed files come back as they were
    written, to the byte, out of Parquet and packed ones, too; --since and --until go by their
    names.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from keepiton.archive.export import ExportFilter, choose_runs  # noqa: PLC0415

    if form is None:
        form = "jsonl"
        if output and output.suffix and str(output) != "-":
            form = writing.choose_format(None, output, ENDINGS)
    if form == "files" and (only_targets or only_operators):
        raise UserError("--format files gives whole files; leave out --target and --operator")
    if form in ("files", "parquet") and (not output or str(output) == "-"):
        raise UserError(f"--format {form}: say where to, with --output")
    first, last = times.parse_span(since, until, UTC, datetime.now(UTC))
    files = reading.find_results(places, data)
    if form == "parquet" or any(one.endswith(".parquet") for one in files):
        reading.require_readers()
    wanted = ExportFilter(first, last, only_targets, only_operators)
    listed = choose_runs(files, wanted, sealed=form == "files")
    if not listed:
        sys.exit(exits.print_error("no runs in the asked range", exits.NO_DATA))
    try:
        _write(form, listed, wanted, output)
    except BrokenPipeError:
        raise
    except OSError as exc:
        where = exc.filename or output
        sys.exit(exits.print_error(f"{where}: not written: {exc.strerror}", exits.NOT_WRITTEN))


def _write(
    form: str, listed: "Sequence[StoredRun]", wanted: "ExportFilter", output: Path | None
) -> None:
    from keepiton.archive import export as made  # noqa: PLC0415

    if form == "files" and output:
        listed = [
            one for one in listed if not wanted.since or one.run_name.started_at >= wanted.since
        ]
        written, there = made.files(listed, output)
        exits.print_error(f"{written} files written, {there} were there already", 0)
        return
    bad: list[str] = []
    if form == "parquet" and output:
        with writing.replace_file(output.resolve()) as file:
            count = made.parquet(listed, wanted, Path(file.name))
    else:
        how = made.jsonl if form == "jsonl" else made.table
        if output is None or str(output) == "-":
            count = how(listed, wanted, sys.stdout.buffer, bad)
            sys.stdout.buffer.flush()
        else:
            with writing.replace_file(output.resolve()) as file:
                if form == "csv":
                    file.write(writing.UTF_8)
                count = how(listed, wanted, file, bad)
    if bad:
        exits.print_error(
            f"{len(bad)} lines in {len(set(bad))} files cannot be read and were left out", 0
        )
    if not count:
        sys.exit(exits.print_error("no measurements of such targets", exits.NO_DATA))
