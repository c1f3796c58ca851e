"""IODA's signals, as its API gives them (JSON).

The shape is that of ``/v2/signals/raw/{entityType}/{entityCode}`` in the API's own description,
https://api.ioda.inetintel.cc.gatech.edu/v2/, and in the source of the API,
https://github.com/InetIntel/ioda-api (src/TimeSeries): for each entity a list of series, each with
the time of its first value and the seconds between two.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.compare.values import FIRST, LAST, number, required_number, series
from keepiton.report.types import ExternalSeries

MAX_STEP_S = 366 * 86_400


def read(content: object) -> list[ExternalSeries] | None:
    """Read every series of plain numbers; the latency and loss ones hold tables, and are left out.

    Values are what the data source counts (networks visible or answering, addresses seen): of
    different size each, so each needs an axis of its own. null is "no data". Raises UserError.
    """
    match content:
        case {"type": "signals", "error": str(error)} if error:
            raise UserError(f'error: IODA says "{clean(error)}"; correct the request')
        case {"type": "signals", "data": list(entities)}:
            pass
        case {"type": str(kind), "data": _}:
            raise UserError(f'type: "{clean(kind)}"; download "signals/raw" instead')
        case _:
            return None
    return [
        series for at, entity in enumerate(entities) for series in _entity(f"data[{at}]", entity)
    ]


def _entity(place: str, entity: object) -> Iterator[ExternalSeries]:
    if not isinstance(entity, list):
        raise UserError(f"{place}: not a list of series; download the file again")
    for at, entry in enumerate(entity):
        match entry:
            case {
                "entityType": str(kind),
                "entityCode": str(code),
                "datasource": str(datasource),
                "values": list(values),
            }:
                pass
            case _:
                raise UserError(f"{place}[{at}]: not a series; download the file again")
        if not values or any(isinstance(value, list) for value in values):
            continue
        subtype = entry.get("subtype")
        name = f"{datasource} {subtype}" if isinstance(subtype, str) and subtype else datasource
        start = required_number(f"{place}[{at}].from", entry.get("from"), FIRST, LAST)
        step_s = required_number(f"{place}[{at}].step", entry.get("step"), 1, MAX_STEP_S)
        required_number(
            f"{place}[{at}].values: its last time", start + step_s * len(values), FIRST, LAST
        )
        yield series(
            "IODA",
            f"{name}, {kind} {code}",
            _points(f"{place}[{at}]", start, step_s, values),
            step_s,
        )


def _points(
    place: str, start: float, step_s: float, values: list[object]
) -> Iterator[tuple[datetime, float | None]]:
    for at, value in enumerate(values):
        when = datetime.fromtimestamp(start + at * step_s, UTC)
        yield when, number(f"{place}.values[{at}]", value)
