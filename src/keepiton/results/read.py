"""Reads result files: the rows are folded by DuckDB, the own line is judged anew from them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepiton.errors import Mistake
from keepiton.line import UNEXPECTED, Tally, masks, verdict
from keepiton.model import Line, LineState, Round, Rows, clean
from keepiton.results.lines import MAX_LINE
from keepiton.results.write import PART

COLUMNS = {
    "type": "VARCHAR",
    "format": "BIGINT",
    "run": "VARCHAR",
    "vantage": "VARCHAR",
    "perspective": "VARCHAR",
    "target": "VARCHAR",
    "operator": "VARCHAR",
    "role": "VARCHAR",
    "control": "VARCHAR",
    "check": "BIGINT",
    "stage": "VARCHAR",
    "attempt": "BIGINT",
    "hop": "BIGINT",
    "aside": "VARCHAR",
    "at": "TIMESTAMP",
    "state": "VARCHAR",
    "failure": "VARCHAR",
    "line": "VARCHAR",
    "address": "VARCHAR",
    "port": "BIGINT",
    "transport": "VARCHAR",
}
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""DuckDB would fetch extensions from the network by itself (SAFETY S4)."""
BRACKET = 2
"""Looks after the one before a row that must have found the line usable too."""


def find(places: Sequence[Path]) -> list[str]:
    """List the result files in folders and among files, sealed and not. Raises Mistake."""
    found: dict[str, None] = {}
    for place in places:
        if place.is_dir():
            names = sorted(place.rglob("*.jsonl")) + sorted(place.rglob("*.jsonl" + PART))
            found |= dict.fromkeys(str(name) for name in names if name.is_file())
        elif place.is_file():
            found[str(place)] = None
        else:
            raise Mistake(f"{place}: no such file or folder")
    return list(found)


def read(files: Sequence[str]) -> Rows:
    """Fold files into rounds and own-line states, in order of time.

    Unreadable lines are left out and counted; copies of a run count once; a run that two
    different vantages claim is left out. Raises Mistake when a file cannot be opened.
    """
    try:
        import duckdb  # noqa: PLC0415 - heavy, and only here
    except ImportError:
        raise Mistake(
            "duckdb is not installed here (there is none for Android); copy the results to another"
            " machine and run this there"
        ) from None
    if not files:
        return Rows([], [], 0, 0, {})
    database = duckdb.connect(config=OFFLINE)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    try:
        try:
            database.execute(
                "create temp table lines as select * from read_json($files,"  # noqa: S608 - no input
                f" format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true,"
                f" filename = true, maximum_object_size = {MAX_LINE})",
                {"files": list(files)},
            )
        except duckdb.Error as exc:  # the files' fault; one in the statements below is a bug
            raise Mistake(f"the result files cannot be read: {clean(str(exc), 300)}") from None
        bad = database.execute(
            "select parse_filename(filename), count(*) from lines where type is null or run is null"
            " or type not in ('run', 'measurement', 'end') or (type = 'measurement' and"
            ' (target is null or "at" is null or state is null)) group by all'
        ).fetchall()
        sealed = database.execute(
            "select count(distinct filename) from lines where type = 'end'"
        ).fetchone()
        mixed = database.execute("select run from lines where line = 'mixed'").fetchall()
        newer = database.execute(
            "select filename from lines where type = 'run' and format > 1 limit 1"
        ).fetchone()
        sql = Path(__file__).with_name("rounds.sql").read_text(encoding="utf-8")
        cursor = database.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        folded = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        database.close()
    if newer:
        raise Mistake(f"{clean(newer[0])}: written by a newer keepiton; update this one")
    rounds, lines = _judge(folded, {run for (run,) in mixed})
    done = sealed[0] if sealed else 0
    return Rows(rounds, lines, len(files), len(files) - done, dict(bad))


def _judge(folded: list[dict[str, Any]], mixed: set[str]) -> tuple[list[Round], list[LineState]]:
    """Judge every run's own line from its control rows; unknow what a bad line could not see.

    Of a mixed run nothing is known: what answered may have done so by another way.
    """
    looks: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in folded:
        if row["control"] and row["look"] is not None:
            looks[row["run"], row["look"]].append(row)
    verdicts: dict[tuple[str, int], Line] = {
        (run, look): "mixed" if run in mixed else verdict(_tally(rows), rows[0]["perspective"])
        for (run, look), rows in looks.items()
    }
    lines = [
        LineState(
            run, rows[0]["vantage"], rows[0]["perspective"], _at(rows[0]), verdicts[run, look]
        )
        for (run, look), rows in looks.items()
    ]
    rounds = []
    for row in folded:
        if row["control"] == "foreign":
            continue
        reached = row["reached"]
        if row["run"] in mixed or (reached is False and _unseen(row, verdicts)):
            reached = None
        rounds.append(
            Round(
                run=row["run"],
                vantage=row["vantage"],
                perspective=row["perspective"],
                target=clean(row["target"]),
                operator=clean(row["operator"]) if row["operator"] else None,
                role=clean(row["role"]),
                control=row["control"],
                at=_at(row),
                reached=reached,
                stage=row["stage"],
                failure=clean(row["failure"]) if row["failure"] else None,
                file=clean(row["file"]),
            )
        )
    return rounds, sorted(lines, key=lambda one: (one.at, one.run))


def _unseen(row: dict[str, Any], verdicts: dict[tuple[str, int], Line]) -> bool:
    """Whether a failure lies beside a look that found the own line unusable, or beside none.

    A row carries the number of the look before it. The next look must have come too: without it
    (a killed run) nobody knows whether the line had died.
    """
    first, last = row["first_check"], row["last_check"]
    if first is None or last is None:
        return True
    if row["control"]:
        return masks(verdicts.get((row["run"], row["look"]), "unknown"), row["stage"])
    around = [verdicts.get((row["run"], look)) for look in range(first, last + BRACKET + 1)]
    after = verdicts.get((row["run"], last + 1))
    return after is None or any(line and masks(line, row["stage"]) for line in around)


def _tally(rows: list[dict[str, Any]]) -> Tally:
    foreign = [row for row in rows if row["control"] == "foreign"]
    domestic = [row for row in rows if row["control"] == "domestic"]
    named = [row for row in foreign if row["named"]]
    return Tally(
        foreign=len(foreign),
        foreign_ok=sum(row["reached"] is True for row in foreign),
        domestic=len(domestic),
        domestic_ok=sum(row["reached"] is True for row in domestic),
        named=len(named),
        unresolved=sum(not row["resolved"] for row in named),
        unexpected=sum(row["failure"] in UNEXPECTED for row in foreign),
    )


def _at(row: dict[str, Any]) -> datetime:
    at: datetime = row["seen_at"]
    return at.replace(tzinfo=UTC)
