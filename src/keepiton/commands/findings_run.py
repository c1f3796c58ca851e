"""``keepiton findings``: reads whole runs and prints what their rows show."""

import sys
from collections import defaultdict, deque
from itertools import chain
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.cli import exits, folders, writing
from keepiton.findings import render
from keepiton.findings.judge import (
    KnownAddresses,
    NumberedRow,
    Reference,
    confirmed_addresses,
    hops,
    judge_run,
)
from keepiton.findings.types import Finding
from keepiton.lists.networks import origin
from keepiton.storage.lines import lines
from keepiton.storage.result_files import PLAIN_EXTENSIONS, find
from keepiton.storage.rows import End, Run

EARLIER_RUNS = 10
"""Runs before one whose answers count as known: content networks change theirs little by little."""


def findings(
    places: tuple[Path, ...],
    data: Path | None,
    references: tuple[Path, ...],
    only_targets: tuple[str, ...],
    form: str,
    output: Path | None,
    *,
    show_all: bool,
    defang: bool,
) -> None:
    """Run the command: its options are those of :mod:`keepiton.commands.findings`."""
    reference: Reference = {}
    reference_addresses: list[tuple[str, str]] = []
    for name in find(references, PLAIN_EXTENSIONS):
        _, rows, _ = _read_run(Path(name))
        reference |= hops(rows)
        reference_addresses += confirmed_addresses(rows, reference=True)
    searched = list(places)
    if not places:
        searched = [(data or folders.data_folder()) / "results"]
        if not searched[0].is_dir():
            exits.exit_without_results(searched[0])
    files = sorted(map(Path, find(searched, PLAIN_EXTENSIONS)), key=lambda path: path.name)
    if not places:
        files = files[-EARLIER_RUNS - 1 :]
    results: list[tuple[str, Finding]] = []
    recent: deque[list[tuple[str, str]]] = deque(maxlen=EARLIER_RUNS + 1)
    for path in files:
        run, rows, end = _read_run(path)
        if run is None:
            raise UserError(f"{path}: no run line; not a result file of keepiton")
        recent.append(list(confirmed_addresses(rows)))
        if not places and path is not files[-1]:
            continue
        addresses: dict[str, set[str]] = defaultdict(set)
        for name, address in chain(reference_addresses, *recent):
            addresses[name].add(address)
        judged = judge_run(run, rows, end, reference, KnownAddresses(addresses, origin))
        results += [
            (path.name, finding)
            for finding in judged
            if not only_targets or finding.target in only_targets
        ]
    if not results:
        text = "no measurements of such targets"
        if not files and find(searched):
            text = "only packed results there; take them out with: keepiton results export --help"
        sys.exit(exits.print_error(text, exits.NO_DATA))
    if form == "json":
        text = render.json(results, defang=defang)
    else:
        text = render.table(results, show_all=show_all, defang=defang)
    writing.write_output(text, output)


def _read_run(path: Path) -> tuple[Run | None, list[NumberedRow], End | None]:
    """Read one result file. Raises UserError of one that is packed."""
    if path.suffix in (".parquet", ".gz", ".zst"):
        raise UserError(
            f"{path}: packed, and findings reads plain files; take them out of it with: keepiton"
            f" results export --format files --output FOLDER {path}"
        )
    run, end, rows = None, None, []
    for number, line in lines(path):
        if isinstance(line, Run):
            run = run or line
        elif isinstance(line, End):
            end = line
        elif line:
            rows.append(NumberedRow(number, line))
    return run, rows, end
