"""OONI's counts of measurements, as its aggregation API gives them (JSON or CSV).

The shape is that of ``/api/v1/aggregation`` in the API's own description,
https://api.ooni.org/apidocs/, and in its source and tests, https://github.com/ooni/backend
(ooniapi/services/oonimeasurements): a row for each day (hour, week, month) and, where a second
axis was asked for, each value of that. The counts are disjoint.
"""

from collections.abc import Mapping
from datetime import datetime

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.compare.values import MAX_VALUE, Table, instant, required_number, series, usual_step_s
from keepiton.report.types import ExternalSeries

DAY = "measurement_start_day"
AXES = (
    "blocking_type",
    "category_code",
    "domain",
    "input",
    "probe_asn",
    "probe_cc",
    "test_name",
)
Row = Mapping[str, object]


def read(content: object) -> list[ExternalSeries] | None:
    """Read two series a group: the share of measurements that were ok, and their number.

    Ok, rather than anomalous, so that it falls with reachability and can be drawn on its axis: 1 is
    all reached. It is of those that could be judged; OONI's own failures say nothing of the path,
    and where none could be judged there is no data. The number is needed beside it, since where a
    country is cut off measurements do not turn anomalous: they stop coming. Raises UserError.
    """
    match content:
        case {"v": int(), "result": list(rows)}:
            return _grouped([(f"result[{at}]", row) for at, row in enumerate(rows)])
        case {"v": int(), "result": dict(row)}:
            return _grouped([("result", row)])
        case {"v": int(), "msg": str(message)} | {"v": int(), "error": str(message)}:
            raise UserError(f'msg: OONI says "{clean(message)}"; correct the request')
        case Table() if "anomaly_count" in content.columns:
            return _grouped(content.rows)
        case _:
            return None


def _grouped(
    rows: "list[tuple[str, object]] | tuple[tuple[str, Row], ...]",
) -> list[ExternalSeries]:
    groups: dict[str, dict[datetime, tuple[float | None, float]]] = {}
    for place, row in rows:
        if not isinstance(row, Mapping) or DAY not in row:
            raise UserError(f"{place}: no {DAY}; ask for axis_x={DAY}")
        at = instant(f"{place}: {DAY}", row[DAY])
        group = groups.setdefault(_group(place, row), {})
        if at in group:
            raise UserError(f"{place}: {DAY}: stands twice; download the file again")
        group[at] = _counted(place, row)
    if not groups:
        return []
    step_s = usual_step_s(DAY, {at for group in groups.values() for at in group})
    return [
        series("OONI", what + name, ((at, both[which]) for at, both in group.items()), step_s)
        for name, group in groups.items()
        for which, what in enumerate(("ok share", "measurements"))
    ]


def _group(place: str, row: Row) -> str:
    """Name what a row is about beside its time: nothing, or the value of the second axis."""
    name = ""
    for axis in AXES:
        if axis not in row:
            continue
        if not isinstance(row[axis], str | int):
            raise UserError(f"{place}: {axis}: neither text nor a number; download the file again")
        name += f", {axis} {row[axis]}"
    return clean(name)


def _counted(place: str, row: Row) -> tuple[float | None, float]:
    ok, anomaly, confirmed, all_of_them = (
        required_number(f"{place}: {key}", row.get(key), 0, MAX_VALUE)
        for key in ("ok_count", "anomaly_count", "confirmed_count", "measurement_count")
    )
    judged = ok + anomaly + confirmed
    return (ok / judged if judged else None), all_of_them
