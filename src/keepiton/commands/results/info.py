"""``keepiton results info``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.base.language import gettext_noop
from keepiton.cli import i18n, reading, shared_options, writing
from keepiton.commands import retention

if TYPE_CHECKING:
    from keepiton.archive.info import FolderInfo
    from keepiton.base.language import Language

FORMS = {
    "plain": gettext_noop("plain"),
    "packed": gettext_noop("packed (.gz, .zst)"),
    "Parquet": gettext_noop("Parquet"),
}


@click.command()
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
def info(data: Path | None, form: str, output: Path | None, lang: str | None) -> None:
    """Say what lies in the data folder, and what it takes.

    What a year would take is reckoned from the measurements of the last seven days that are over,
    and from what one takes here in each form.
    """
    from keepiton.archive.info import info as count  # noqa: PLC0415

    words = i18n.language(lang)
    data = retention.with_results(data)
    files = reading.find_results((), data)
    if any(one.endswith(".parquet") for one in files):
        reading.require_readers()
    made = count(files, data)
    writing.write_output(_json(made) if form == "json" else _table(made, words), output, form)


def _table(made: "FolderInfo", words: "Language") -> str:

    def mb(count: float) -> str:
        return words.number(retention.megabytes(count))

    lines = [
        "; ".join(
            (
                words.ngettext("{n} run", "{n} runs", made.runs),
                words.ngettext("{n} measurement", "{n} measurements", made.measurements),
                words.ngettext("{n} day", "{n} days", made.days),
                words.ngettext("{n} vantage", "{n} vantages", len(made.vantages)),
                words.ngettext("{n} unsealed", "{n} unsealed", made.unsealed),
            )
        ),
        words.gettext("First run: {name}", name=made.first),
        words.gettext("Last run: {name}", name=made.last),
    ]
    for form, one in sorted(made.forms.items()):
        said = words.ngettext(
            "{n} file, {size} MB", "{n} files, {size} MB", one.files, size=mb(one.bytes)
        )
        line = f"{words.gettext(FORMS[form])}: {said}"
        if one.each:
            line += "; " + words.gettext("{n} bytes a measurement", n=round(one.each))
        if year := made.a_year(form):
            line += "; " + words.gettext("a year at this pace: {size} MB", size=mb(year))
        lines.append(line)
    lines.append(
        words.gettext(
            "{n} measurements a day lately; free on this disk: {size} MB",
            n=words.number(round(made.a_day)),
            size=mb(made.free),
        )
    )
    if made.unknown:
        lines.append(
            words.ngettext(
                "{n} file is no run of ours, or cannot be read: keepiton results verify",
                "{n} files are no runs of ours, or cannot be read: keepiton results verify",
                len(made.unknown),
            )
        )
    return "\n".join(lines) + "\n"


def _json(made: "FolderInfo") -> str:
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    told = asdict(made)
    for form, one in made.forms.items():
        told["forms"][form] |= {"bytes_a_measurement": one.each, "bytes_a_year": made.a_year(form)}
    told["measurements_a_day"] = told.pop("a_day")
    return json.dumps(told, indent=1) + "\n"
