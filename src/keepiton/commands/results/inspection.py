"""Runs ``keepiton results info`` and ``keepiton results verify``."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from keepiton.archive.info import FolderInfo, describe_files
from keepiton.archive.verify import VerifyResult, check_files
from keepiton.base.language import Language, gettext_noop
from keepiton.cli import exits, folders, i18n, reading, writing
from keepiton.commands import retention
from keepiton.storage import state
from keepiton.storage.result_files import require as require_readers

FORMS = {
    "plain": gettext_noop("plain"),
    "packed": gettext_noop("packed (.gz, .zst)"),
    "Parquet": gettext_noop("Parquet"),
}
EVERY = 50
"""Runs between two messages on the progress."""


def _find(places: tuple[Path, ...], data: Path | None) -> list[str]:
    """List the files that are meant. Raises UserError where what reads them is missing."""
    files = reading.find_results(places, data)
    if any(path.endswith(".parquet") for path in files):
        require_readers()
    return files


def info(data: Path | None, form: str, output: Path | None, lang: str | None) -> None:
    """Print what lies in the data folder, and what it takes."""
    words = i18n.language(lang)
    data = retention.with_results(data)
    result = describe_files(_find((), data), data)
    text = _info_json(result) if form == "json" else _info_table(result, words)
    writing.write_output(text, output, form)


def _info_table(result: FolderInfo, words: Language) -> str:

    def mb(count: float) -> str:
        return words.number(retention.megabytes(count))

    lines = [
        "; ".join(
            (
                words.ngettext("{n} run", "{n} runs", result.runs),
                words.ngettext("{n} measurement", "{n} measurements", result.measurements),
                words.ngettext("{n} day", "{n} days", result.days),
                words.ngettext("{n} vantage", "{n} vantages", len(result.vantages)),
                words.ngettext("{n} unsealed", "{n} unsealed", result.unsealed),
            )
        ),
        words.gettext("First run: {name}", name=result.first),
        words.gettext("Last run: {name}", name=result.last),
    ]
    for form, size in sorted(result.forms.items()):
        count = words.ngettext(
            "{n} file, {size} MB", "{n} files, {size} MB", size.files, size=mb(size.bytes)
        )
        line = f"{words.gettext(FORMS[form])}: {count}"
        if size.each:
            line += "; " + words.gettext("{n} bytes a measurement", n=round(size.each))
        if year := result.a_year(form):
            line += "; " + words.gettext("a year at this pace: {size} MB", size=mb(year))
        lines.append(line)
    lines.append(
        words.gettext(
            "{n} measurements a day lately; free on this disk: {size} MB",
            n=words.number(round(result.a_day)),
            size=mb(result.free),
        )
    )
    if result.unknown:
        lines.append(
            words.ngettext(
                "{n} file is no run of ours, or cannot be read: keepiton results verify",
                "{n} files are no runs of ours, or cannot be read: keepiton results verify",
                len(result.unknown),
            )
        )
    return "\n".join(lines) + "\n"


def _info_json(result: FolderInfo) -> str:
    fields = asdict(result)
    for form, size in result.forms.items():
        fields["forms"][form] |= {
            "bytes_a_measurement": size.each,
            "bytes_a_year": result.a_year(form),
        }
    fields["measurements_a_day"] = fields.pop("a_day")
    return json.dumps(fields, indent=1) + "\n"


def verify(
    places: tuple[Path, ...], data: Path | None, form: str, output: Path | None, lang: str | None
) -> None:
    """Check every seal, chain and line; exits 5 where there is a fault, 6 without runs."""
    words = i18n.language(lang)
    files = _find(places, data)
    newest_seals = {} if places else state.load(data or folders.data_folder()).chain
    with _progress(len(files), words) as step:
        result = check_files(files, newest_seals, step)
    text = _verify_json(result) if form == "json" else _verify_table(result, words)
    writing.write_output(text, output, form)
    if result.faults:
        sys.exit(exits.NOT_WRITTEN)
    if not result.runs:
        sys.exit(exits.print_error("no runs in these files", exits.NO_DATA))


@contextmanager
def _progress(files: int, words: Language) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many runs were checked."""
    shown = sys.stderr.isatty() and files > EVERY

    def step(number: int) -> None:
        if shown and number % EVERY == 0:
            click.echo("\r" + words.gettext("{n} runs looked at", n=number), nl=False, err=True)

    yield step
    if shown:
        click.echo("\r\033[K", nl=False, err=True)


def _verify_table(result: VerifyResult, words: Language) -> str:
    """Write a line for each fault or note, and what was checked."""
    lines = []
    for problem in result.problems:
        lead = words.gettext("FAULT") if problem.fault else words.gettext("note")
        what, remedy = (words.gettext(text, detail=problem.detail) for text in problem.texts)
        lines.append(f"{lead}  {problem.file}: {what}; {remedy}")
    lines += [
        words.gettext(
            "The chain of {vantage} begins after a run that is not here (SHA-256 {hash}…).",
            vantage=vantage,
            hash=previous[:12],
        )
        for vantage, previous in sorted(result.begins_after.items())
    ]
    lines.append(
        "; ".join(
            (
                words.ngettext("{n} run", "{n} runs", result.runs),
                words.ngettext("{n} sealed", "{n} sealed", result.sealed),
                words.ngettext("{n} vantage", "{n} vantages", result.vantages),
                words.ngettext("{n} measurement", "{n} measurements", result.measurements),
                words.ngettext("{n} more copy", "{n} more copies", result.copies),
                words.ngettext("{n} fault", "{n} faults", result.faults),
            )
        )
    )
    return "\n".join(lines) + "\n"


def _verify_json(result: VerifyResult) -> str:
    problems: dict[bool, list[dict[str, str]]] = {True: [], False: []}
    for problem in result.problems:
        what, remedy = (text.format(detail=problem.detail) for text in problem.texts)
        problems[problem.fault].append(
            {
                "file": problem.file,
                "kind": problem.kind,
                "detail": problem.detail,
                "what": what,
                "remedy": remedy,
            }
        )
    fields = asdict(result) | {"faults": problems[True], "notes": problems[False]}
    del fields["problems"]
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"
