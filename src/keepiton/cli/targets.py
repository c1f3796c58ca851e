"""``keepiton targets``."""

import sys

import click


@click.group()
def targets() -> None:
    """Show and validate target lists."""


def _list_options(function: click.decorators.FC) -> click.decorators.FC:
    function = click.option(
        "--allow-private", is_flag=True, help="Allow private and reserved addresses."
    )(function)
    return click.argument("lists", nargs=-1, metavar="[LIST]...")(function)


@targets.command("list")
@_list_options
@click.option("--all", "every", is_flag=True, help="Name every shipped list with its risk.")
def list_(lists: tuple[str, ...], *, allow_private: bool, every: bool) -> None:
    """Show the targets of lists (by default those that are probed by default)."""
    from keepiton.lists import toml  # noqa: PLC0415
    from keepiton.lists.load import SHIPPED_FOLDER, available, load  # noqa: PLC0415
    from keepiton.report.table import columns  # noqa: PLC0415

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
            one.id,
            one.url or f"{one.host or ' '.join(one.addresses)} {' '.join(one.ports)}",
            one.operator or "-",
            f"AS{one.asn}" if one.asn else "-",
            one.control + " control" if one.control else one.role,
            one.perspective,
        ]
        for one in loaded.targets
    ]
    header = ["target", "what is asked", "operator", "network", "role", "from"]
    click.echo(columns(header, rows, 200), nl=False)
    for note in loaded.notes:
        click.echo(f"Note: {note}", err=True)


@targets.command()
@_list_options
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a list, for editors.")
def check(lists: tuple[str, ...], *, allow_private: bool, schema: bool) -> None:
    """Validate lists: every mistake at once, with file, line and what would be right."""
    import json  # noqa: PLC0415

    from keepiton.lists.load import load  # noqa: PLC0415
    from keepiton.lists.types import TargetList  # noqa: PLC0415

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
