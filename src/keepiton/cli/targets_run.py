"""``keepiton targets``: shows and validates target lists."""

import json
import sys

import click

from keepiton.lists import toml
from keepiton.lists.load import SHIPPED_FOLDER, available, load
from keepiton.lists.types import TargetList
from keepiton.report.table import columns


def list_(lists: tuple[str, ...], *, allow_private: bool, every: bool) -> None:
    """Print the targets of lists, or every shipped list."""
    if every:
        rows = []
        for name in available():
            listed, _ = toml.read(
                name, (SHIPPED_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
            )
            if listed:
                use = "default" if listed.default or name == "controls" else "on request"
                rows.append(
                    [name, str(len(listed.target)), f"risk {listed.risk}", use, listed.title]
                )
        click.echo(columns(["list", "targets", "risk", "probed", "title"], rows, 120), nl=False)
        return
    loaded = load(lists, sys.stdin.buffer.read, allow_private=allow_private)
    rows = [
        [
            target.id,
            target.url or f"{target.host or ' '.join(target.addresses)} {' '.join(target.ports)}",
            target.operator or "-",
            f"AS{target.asn}" if target.asn else "-",
            target.control + " control" if target.control else target.role,
            target.perspective,
        ]
        for target in loaded.targets
    ]
    header = ["target", "what is asked", "operator", "network", "role", "from"]
    click.echo(columns(header, rows, 200), nl=False)
    for note in loaded.notes:
        click.echo(f"Note: {note}", err=True)


def check(lists: tuple[str, ...], *, allow_private: bool, schema: bool) -> None:
    """Print that lists hold no mistake, or their schema. Raises UserError."""
    if schema:
        click.echo(json.dumps(TargetList.model_json_schema(), indent=1, ensure_ascii=False))
        return
    loaded = load(lists, sys.stdin.buffer.read, allow_private=allow_private)
    for note in loaded.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(
        f"{len(loaded.targets)} targets in {len(loaded.lists)} lists, risk {loaded.risk}:"
        " no mistakes found"
    )
