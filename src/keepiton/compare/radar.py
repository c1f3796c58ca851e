"""Cloudflare Radar's traffic over time, as its API gives it (JSON or CSV).

The shape is that of ``/radar/http/timeseries`` and ``/radar/netflows/timeseries`` in
https://developers.cloudflare.com/radar/get-started/making-comparisons/ (JSON: lists of times and
values under the name that was asked for, ``serie_0`` where none was) and in Cloudflare's notebook
https://github.com/cloudflare/radar-notebooks (CSV: a pair of columns for each series).
"""

from collections.abc import Iterable

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.compare.values import Table, instant, number, series
from keepiton.report.types import ExternalSeries

TIMES, VALUES = " timestamps", " values"


def read(content: object) -> list[ExternalSeries] | None:
    """Read every series; values are relative, as Radar normalises them. Raises UserError.

    They can be compared within one file, and with other files in shape only.
    """
    match content:
        case {"success": False}:
            raise UserError("success: Cloudflare answered with an error; correct the request")
        case {"success": True, "result": dict(result)}:
            return [_listed(name, value) for name, value in result.items() if name != "meta"]
        case Table():
            names = [
                value.removesuffix(TIMES) for value in content.columns if value.endswith(TIMES)
            ]
            return [_column(content, name) for name in names] or None
        case _:
            return None


def _listed(name: str, value: object) -> ExternalSeries:
    place = f"result.{clean(name)}"
    match value:
        case {"timestamps": list(times), "values": list(values)} if len(times) == len(values):
            cells = enumerate(zip(times, values, strict=True))
            return _made(name, ((f"{place}[{at}]", *cell) for at, cell in cells))
        case {"timestamps": list(), "values": list()}:
            raise UserError(f"{place}: more times than values, or fewer; download the file again")
        case _:
            raise UserError(
                f'{place}: no "timestamps" and "values"; download a traffic time series'
            )


def _column(table: Table, name: str) -> ExternalSeries:
    times, values = name + TIMES, name + VALUES
    if values not in table.columns:
        raise UserError(f'1: no column "{clean(values)}"; download a traffic time series')
    # Series of different length stand side by side: the shorter one ends in empty cells.
    cells = ((f"{line}: {clean(name)}", row[times], row[values]) for line, row in table.rows)
    return _made(name, (cell for cell in cells if any(cell[1:])))


def _made(name: str, cells: Iterable[tuple[str, object, object]]) -> ExternalSeries:
    points = ((instant(place, time), number(place, value)) for place, time, value in cells)
    return series("Cloudflare Radar", name, points)
