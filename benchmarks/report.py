"""Times a whole ``keepiton report`` beside DuckDB's bare reading of the same files.

    python benchmarks/report.py [--scratch FOLDER] [--rounds 3] [PART ...]

Parts: parquet, jsonl, page, recent, growth. Every ratio is of the two in one run, turn about; each
figure is a whole process, from start to exit. The rows are made by DuckDB: five vantages, 50
targets of eight operators and five controls, a run every ten minutes, outages of a target and of an
operator.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

VANTAGES, ROWS_A_RUN = 5, 302
RUNS_A_DAY = 144
COLUMNS = (
    *("type", "format", "run", "vantage", "perspective", "country", "target", "operator", "role"),
    *("control", "check", "stage", "attempt", "hop", "aside", "at", "duration_ms", "state"),
    *("failure", "line", "address", "port", "transport", "clock_offset_ms"),
)
"""What the fold reads; the bare scan groups the same."""
LINES = """
with runs as (
    select v, i, left(md5(v || '-' || i), 12) as run, 'v' || v as vantage,
        case when v % 2 = 0 then 'outside' else 'inside' end as perspective,
        timestamp '{start}' + to_seconds(i * 600 + v * 97 + cast(hash(v, i) % 40 as bigint)) as t0
    from range({vantages}) x(v), range({first}, {last}) y(i)
),
targets as (
    select k, 'https://site' || k || '.example.by/' as target, 'operator-' || (k % 8) as operator,
        'site' as role, null::varchar as control, 0::bigint as look from range({targets}) z(k)
    union all
    select 1000 + k, 'control-' || k, null, 'control',
        case when k < 3 then 'foreign' else 'domestic' end, l from range(5) z(k), range(2) w(l)
),
stages as (
    select * from (values (0, 'dns', null), (1, 'dns', null), (2, 'tcp', 443), (3, 'tls', 443),
        (4, 'http', 443)) s(s, stage, port)
),
tries as (
    select *, hash(v, i, k, 1) % 10000 < 3 or (k = 7 and i % 1000 between 20 and 60)
        or (k % 8 = 3 and i % 2000 between 300 and 340) as bad
    from runs, targets
),
measured as (
    select run, t0, target, operator, role, control, look, stage, a.a as attempt,
        t0 + to_milliseconds((k % 60 + s + 5 * a.a) * 300) as seen_at,
        20.0 + s * 30 + hash(v, i, k, s) % 10 as duration_ms,
        case when bad and s > 1 then 'fail' else 'ok' end as state,
        case when bad and s > 1 then 'generic_timeout_error' end as failure,
        case when port is not null then '192.0.2.' || (k % 250) end as address, port,
        case when port is null then 'udp' end as transport
    from tries, stages, (values (1), (2)) a(a)
    where (a.a = 1 or bad) and not (bad and s > 2)
)
select * from (
    select 'run' as type, 1::bigint as format, run, vantage, perspective, 'by' as country,
        null::varchar as target, null::varchar as operator, null::varchar as role,
        null::varchar as control, null::bigint as "check", null::varchar as stage,
        null::bigint as attempt, null::bigint as hop, null::varchar as aside,
        null::timestamp as "at", null::double as duration_ms, null::varchar as state,
        null::varchar as failure, null::varchar as line, null::varchar as address,
        null::bigint as port, null::varchar as transport, null::bigint as clock_offset_ms,
        t0, 0 as o
    from runs
    union all
    select 'measurement', null, run, null, null, null, target, operator, role, control, look, stage,
        attempt, null, null, seen_at, duration_ms, state, failure, null, address, port, transport,
        null, t0, 1 from measured
    union all
    select 'end', null, run, null, null, null, null, null, null, null, null, null, null, null, null,
        null, null, null, null, 'up', null, null, null, 20, t0, 2 from runs
) order by t0, run, o, "at"
"""


def make(folder: Path, millions: float, form: str) -> Path:
    """Write so many million lines up to now, one file a day; return the folder."""
    days = max(1, round(millions * 1e6 / (VANTAGES * ROWS_A_RUN * RUNS_A_DAY)))
    return days_of(folder / f"{form}-{millions:g}", days, form)


def days_of(to: Path, days: int, form: str, targets: int = 50) -> Path:
    """Write so many days up to now, one file a day; return the folder."""
    if to.exists():
        return to
    start = time.time() - days * 86400
    to.mkdir(parents=True)
    database = duckdb.connect()
    for day in range(days):
        at = time.gmtime(start + day * 86400)
        lines = LINES.format(
            start=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(start)),
            vantages=VANTAGES,
            first=day * RUNS_A_DAY,
            last=(day + 1) * RUNS_A_DAY,
            targets=targets,
        )
        name = f"{time.strftime('%Y%m%d', at)}T000000Z-all.{form}"
        columns = ", ".join(f'"{one}"' for one in COLUMNS)
        if form == "parquet":
            query = f"select {columns} from ({lines})"  # noqa: S608
            how = "format parquet, compression zstd"
        else:  # as keepiton writes it: what is not known is absent
            told = columns.replace('"at"', ISO)
            told = f"select {told}, {REST} from ({lines})"  # noqa: S608
            query = f"select json_merge_patch('{{}}', to_json(o)) from ({told}) o"  # noqa: S608
            how = "format csv, header false, quote '', escape '', delimiter '\\x01'"
        database.execute(f"copy ({query}) to '{to / name}' ({how})")
    return to


ISO = """strftime("at", '%Y-%m-%dT%H:%M:%S.%gZ') as "at" """
REST = """
case when address is not null then 4 end as family,
case when stage = 'dns' then 'system' end as resolver,
case when stage = 'dns' then target || ' A' end as query,
case when stage = 'dns' then 'NOERROR' end as rcode,
case when stage = 'dns' then ['192.0.2.7', '192.0.2.8'] end as answers,
case when stage = 'tls' then 'TLSv1.3' end as tls_version,
case when stage = 'tls' then 'TLS_AES_256_GCM_SHA384' end as cipher,
case when stage = 'tls' then sha256(run || target) end as certificate_sha256,
case when stage = 'tls' then [{'subject': 'CN=' || target, 'issuer': 'CN=R11,O=Let''s Encrypt,C=US',
    'names': [target, 'www.' || target], 'not_before': '2024-01-01T00:00:00.000Z',
    'not_after': '2024-04-01T00:00:00.000Z', 'spki_sha256': sha256(target)}] end as certificates,
case when stage = 'http' then 'HTTP/1.1' end as http_version,
case when stage = 'http' then 200 end as status,
case when stage = 'http' then 51234 end as body_length,
case when stage = 'http' then sha256(target || run) end as body_sha256,
case when stage = 'http' then 'nginx/1.22.1' end as server,
case when stage = 'http' then {'content-type': 'text/html; charset=utf-8'} end as headers,
case when stage = 'http' then {'send': 0.1, 'wait': 22.5, 'read': 110.2} end as phases,
case when stage = 'http' then 312 end as date_offset_ms
"""
"""Fields that a report does not read, as real lines have them."""
BARE = """
import duckdb, sys
names = sys.argv[2].split()
database = duckdb.connect(config={"preserve_insertion_order": False})
database.execute("set enable_progress_bar = false")
if sys.argv[1] == "scan and group":
    others = ", ".join(f'max("{n}")' for n in names if n not in ("run", "target"))
    text = f"select run, target, {others} from read_parquet($files) group by run, target"
    database.execute(f"create temp table bare as {text}", {"files": sys.argv[3:]})
elif sys.argv[1] == "whole":
    text = "create temp table bare as select * from read_json($files, format = 'newline_delimited')"
    database.execute(text, {"files": sys.argv[3:]})
else:
    kinds = dict.fromkeys(names, "VARCHAR")
    numbers = ("format", "check", "attempt", "hop", "port", "clock_offset_ms")
    kinds |= dict.fromkeys(numbers, "BIGINT")
    kinds |= {"at": "TIMESTAMP", "duration_ms": "DOUBLE"}
    columns = ", ".join(f"'{n}': '{k}'" for n, k in kinds.items())
    database.execute(
        f"create temp table bare as select * from read_json($files, columns = {{{columns}}},"
        " format = 'newline_delimited')", {"files": sys.argv[3:]},
    )
"""


def bare(folder: Path, how: str) -> list[str]:
    """Return the command that only reads (JSON, whole or the same columns), or scans and groups."""
    files = sorted(map(str, folder.iterdir()))
    return [sys.executable, "-c", BARE, how, " ".join(COLUMNS), *files]


def report(folder: Path, data: Path, *options: str) -> list[str]:
    """Return the command of a whole report."""
    command = [sys.executable, "-m", "keepiton", "report", str(folder), "--data", str(data)]
    return [*command, "--output", os.devnull, *options]


def spent(command: list[str]) -> tuple[float, float, float]:
    """Return seconds, peak memory (MB) and seconds of processor time of one process."""
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:5]} ended with {process.returncode}")
    took = time.monotonic() - begun
    return took, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def pairs(
    rounds: int, ours: Callable[[], list[str]], theirs: list[str]
) -> tuple[float, float, float, float, float]:
    """Run both in turn; return medians: seconds of both, ratio, our processor time; and our MB."""
    told = []
    for _ in range(rounds):
        mine, peak, busy = spent(ours())
        other, *_ = spent(theirs)
        told.append((mine, other, mine / other, busy, peak))
    a, b, c, d = (statistics.median(one[k] for one in told) for k in range(4))
    return a, b, c, d, max(one[4] for one in told)


def compared(scratch: Path, rounds: int, form: str, millions: float, beside: str) -> None:
    """Print a cold report beside the bare reading."""
    folder = make(scratch, millions, form)

    def cold() -> list[str]:
        return report(folder, Path(tempfile.mkdtemp(dir=scratch)))

    mine, other, ratio, busy, peak = pairs(rounds, cold, bare(folder, beside))
    print(
        f"| {form}, {millions:g} million lines, whole report beside: {beside} |"
        f" {mine:.1f} s ({busy:.1f} s of processor), {peak:.0f} MB | {other:.1f} s | {ratio:.2f} |",
        flush=True,
    )


def recent(scratch: Path, millions: float) -> None:
    """Print the last 30 days with what is kept from before."""
    folder, data = make(scratch, millions, "parquet"), Path(tempfile.mkdtemp(dir=scratch))
    spent(report(folder, data))
    told = [spent(report(folder, data, "--since", "30d"))[0] for _ in range(5)]
    print(
        f"| last 30 days of {millions:g} million lines, warm | {min(told):.2f} s to"
        f" {max(told):.2f} s | | |",
        flush=True,
    )


def page(scratch: Path) -> None:
    """Print the page of 30 days, 100 targets and 5 vantages, warm, and its size."""
    folder = days_of(scratch / "page", 30, "parquet", 100)
    data, made = Path(tempfile.mkdtemp(dir=scratch)), scratch / "page.html"
    command = [*report(folder, data)[:-2], "--output", str(made)]
    spent(command)
    for what, more in (("html page", []), ("the same in Russian", ["--lang", "ru"])):
        told = [spent([*command, *more])[0] for _ in range(5)]
        print(
            f"| {what} of 30 days, 100 targets, {VANTAGES} vantages, warm | {min(told):.2f} s to"
            f" {max(told):.2f} s, {made.stat().st_size / 1000:.0f} kB | | limit: 3 s, 300 kB |",
            flush=True,
        )


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts = ["parquet", "jsonl", "page", "recent", "growth"]
    parser.add_argument("parts", nargs="*", default=parts)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        scratch = asked.scratch or Path(made)
        print("| what | keepiton | DuckDB alone | ratio |\n|---|---|---|---|")
        if "parquet" in asked.parts:
            compared(scratch, asked.rounds, "parquet", 10, "scan and group")
        if "jsonl" in asked.parts:
            for beside in ("whole", "same columns"):
                compared(scratch, asked.rounds, "jsonl", 4, beside)
        if "page" in asked.parts:
            page(scratch)
        if "recent" in asked.parts:
            recent(scratch, 10)
        if "growth" in asked.parts:
            for millions in (1, 10, 30):
                compared(scratch, 1, "parquet", millions, "scan and group")


if __name__ == "__main__":
    main()
