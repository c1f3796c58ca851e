"""Runs ``keepiton results export``."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from keepiton.archive.export import ExportFilter, choose_runs, files, write
from keepiton.base.errors import UserError
from keepiton.cli import exits, reading, times, writing
from keepiton.storage.result_files import require as require_readers

ENDINGS = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


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
    """Write raw rows as JSON lines, CSV or Parquet, or the sealed files."""
    if str(output) == "-":
        output = None
    if form is None:
        form = "jsonl"
        if output and output.suffix:
            form = writing.choose_format(None, output, ENDINGS)
    if form == "files" and (only_targets or only_operators):
        raise UserError("--format files gives whole files; leave out --target and --operator")
    if form in ("files", "parquet") and not output:
        raise UserError(f"--format {form}: say where to, with --output")
    first, last = times.parse_span(since, until, UTC, datetime.now(UTC))
    paths = reading.find_results(places, data)
    if form == "parquet" or any(path.endswith(".parquet") for path in paths):
        require_readers()
    wanted = ExportFilter(first, last, only_targets, only_operators)
    runs = choose_runs(paths, wanted, sealed=form == "files")
    if not runs:
        sys.exit(exits.print_error("no runs in the asked range", exits.NO_DATA))
    bad: list[str] = []
    try:
        if form == "files" and output:
            runs = [run for run in runs if not first or run.run_name.started_at >= first]
            written, there = files(runs, output)
            exits.print_error(f"{written} files written, {there} were there already", 0)
            return
        if output:
            with writing.replace_file(output.resolve()) as file:
                if form == "csv":
                    file.write(writing.UTF_8)
                count = write(form, runs, wanted, file, bad)
        else:
            count = write(form, runs, wanted, sys.stdout.buffer, bad)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        where = exc.filename or output
        sys.exit(exits.print_error(f"{where}: not written: {exc.strerror}", exits.NOT_WRITTEN))
    if bad:
        exits.print_error(
            f"{len(bad)} lines in {len(set(bad))} files cannot be read and were left out", 0
        )
    if not count:
        sys.exit(exits.print_error("no measurements of such targets", exits.NO_DATA))
