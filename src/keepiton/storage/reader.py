"""Reads result files: rows are aggregated into rounds, and sealed days come from the cache."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from keepiton.base.errors import UserError
from keepiton.base.types import clean
from keepiton.storage.cache import Cache
from keepiton.storage.database import connect
from keepiton.storage.result_files import vanished
from keepiton.storage.rounds import Aggregated, FileSource, ReadResult, join

BATCH = {".parquet": 8 << 20, ".gz": 16 << 20, ".zst": 16 << 20, ".jsonl": 256 << 20}
"""Bytes that are aggregated at once, by form: about a million rows."""
_DAY = re.compile(r"(\d{8})(?:T\d{6}Z)?-")
"""In the name of a run's file, and of one that holds a vantage's day."""


def read(
    files: Sequence[str],
    cache: Cache | None = None,
    since: datetime | None = None,
) -> ReadResult:
    """Aggregate files into rounds.

    Unreadable lines are left out and counted; copies of a run count once; a run that two
    different vantages claim is left out. Files whose name tells a day well before ``since`` are
    not read. Raises UserError when a file cannot be opened.
    """
    days: dict[str, list[str]] = defaultdict(list)
    first = oldest(since) if since else ""
    for path in files:
        named = _DAY.match(Path(path).name)
        if not named or named[1] >= first:
            days[named[1] if named else path].append(path)
    parts, fresh = _cached(days, cache)
    if fresh or _spanning_days(parts):
        try:
            _aggregate_rest(parts, fresh, days, cache)
        except FileNotFoundError as exc:
            raise vanished(exc.filename) from None
    paths = [path for day_paths in days.values() for path in day_paths]
    return result_of(list(parts.values()), paths, complete=len(paths) == len(files))


def oldest(since: datetime) -> str:
    """Return the first day whose files are read: clocks and long runs need one before."""
    return (since - timedelta(days=1)).strftime("%Y%m%d")


def result_of(parts: Sequence[Aggregated], paths: Sequence[str], *, complete: bool) -> ReadResult:
    """Join aggregated parts, with what was wrong with their files. Raises UserError."""
    sources = [source for part in parts for source in part.sources]
    newer = next((source.path for source in sources if source.newer), None)
    if newer:
        raise UserError(f"{clean(newer)}: written by a newer keepiton; update this one")
    bad: dict[str, int] = defaultdict(int)
    for source in sources:
        if source.unreadable:
            bad[clean(Path(source.path).name)] += source.unreadable
    sealed = {source.path for source in sources if source.sealed}
    return ReadResult(
        rounds=join([part.rounds for part in parts]),
        files=len(paths),
        unsealed=sum(path not in sealed for path in paths),
        bad_lines=dict(bad),
        complete=complete,
    )


def _cached(
    days: dict[str, list[str]], cache: Cache | None
) -> tuple[dict[str, Aggregated], dict[str, list[str]]]:
    """Return what is known of each day's files, and the files of which nothing is."""
    if not cache:
        return {}, dict(days)
    with ThreadPoolExecutor() as pool:  # most of it is hashing, which threads do side by side
        known = dict(zip(days, pool.map(cache.load, days, days.values()), strict=True))
    parts = {day: part.aggregated for day, part in known.items() if part}
    fresh = {}
    for day, paths in days.items():
        part = known[day]
        left = [path for path in paths if not part or path not in part.files]
        if left:
            fresh[day] = left
    return parts, fresh


def _aggregate_rest(
    parts: dict[str, Aggregated],
    fresh: dict[str, list[str]],
    days: dict[str, list[str]],
    cache: Cache | None,
) -> None:
    """Aggregate what is not known yet, and days that share a run anew; complete the parts."""
    from keepiton.storage.aggregate import aggregate  # noqa: PLC0415 - duckdb starts slowly

    with connect() as database:
        for batch in _batches(fresh):
            day_of = {path: day for day in batch for path in fresh[day]}
            by_day = _by_day(aggregate(database, list(day_of)), day_of)
            for day, new in by_day.items():
                old = parts.get(day)
                if not old:
                    parts[day] = new
                elif {source.run for source in new.sources} & {
                    source.run for source in old.sources
                }:  # a copy or the rest of a known run
                    parts[day] = aggregate(database, days[day])
                else:
                    parts[day] = Aggregated(
                        join([old.rounds, new.rounds]), old.sources + new.sources
                    )
                if cache:
                    cache.save(day, days[day], parts[day])
        spanning = _spanning_days(parts)
        if spanning:  # one run's rows lie in files of several days: aggregate those together
            for day in spanning:
                del parts[day]
            paths = [path for day in spanning for path in days[day]]
            parts["\0"] = aggregate(database, paths)


def _batches(days: dict[str, list[str]]) -> Iterable[list[str]]:
    batch: list[str] = []
    share = 0.0
    for day in sorted(days):
        size = sum(Path(path).stat().st_size / _bytes_at_once(Path(path)) for path in days[day])
        if batch and share + size > 1:
            yield batch
            batch, share = [], 0.0
        batch.append(day)
        share += size
    if batch:
        yield batch


def _bytes_at_once(path: Path) -> int:
    """Return how many bytes of such files are aggregated at once."""
    whole = path.suffix == ".parquet" and _DAY.match(path.name)  # holds the lines as well
    return 32 << 20 if whole else BATCH.get(path.suffix, BATCH[".jsonl"])


def _by_day(aggregated: Aggregated, day_of: dict[str, str]) -> dict[str, Aggregated]:
    """Split by day what was aggregated at once. A run in files of two days goes with each."""
    by_day: dict[str, list[FileSource]] = {day: [] for day in day_of.values()}
    for source in aggregated.sources:
        by_day[day_of[source.path]].append(source)
    if len(by_day) == 1:
        return dict.fromkeys(by_day, aggregated)
    rounds = aggregated.rounds
    return {
        day: Aggregated(
            rounds.of_runs(np.isin(rounds.run_id, [source.run for source in sources])),
            tuple(sources),
        )
        for day, sources in by_day.items()
    }


def _spanning_days(parts: dict[str, Aggregated]) -> set[str]:
    """Find the days that share a run with another day."""
    days: dict[str, set[str]] = defaultdict(set)
    for day, part in parts.items():
        for source in part.sources:
            if source.run:
                days[source.run].add(day)
    return {day for of_run in days.values() if len(of_run) > 1 for day in of_run}
