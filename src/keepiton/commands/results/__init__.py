"""``keepiton results``: one module a command, as above."""

import click

from keepiton.cli import Commands

SHORTS = {
    "info": "Say what lies in the data folder, and what it takes.",
    "verify": "Check every seal, chain and line.",
    "compact": "Pack old days into Parquet, losing nothing.",
    "prune": "Remove old days, by age or size.",
    "merge": "Take in result files of other folders.",
    "export": "Write raw rows as JSON lines, CSV or Parquet.",
    "push": "Copy sealed runs to a store: S3, GCS, Azure or a folder.",
    "pull": "Copy sealed runs from a store.",
}


class Below(Commands):
    """Knows those here."""

    shorts = SHORTS

    def package(self, name: str) -> str:
        """Return the package that holds a command's module."""
        del name
        return __name__


@click.group(cls=Below)
def results() -> None:
    """Look after result files: check, pack, prune, merge, export, share."""
