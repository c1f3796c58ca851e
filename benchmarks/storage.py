"""Measures what result files take, plain, packed and as Parquet, and how long that takes.

    python benchmarks/storage.py [--scratch FOLDER] [--runs 288] [PART ...]

Parts: sizes, levels, verify, fleet. The runs are simulated: some 330 rows each of 45 targets, with
random times, durations, page hashes, TTLs and orders of answers, certificates that stay for weeks,
and one failure in a hundred. Beside every size stands what gzip and ``zstd -19`` make of the same
bytes.
"""

import argparse
import gzip
import hashlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import world
from keepiton.archive import export, pack
from keepiton.archive.info import describe_files
from keepiton.storage.result_files import find
from keepiton.storage.run_name import RunName
from keepiton.storage.runs import list_runs, read_content

DAY = datetime(2022, 2, 27, tzinfo=UTC)
TARGETS, RUNS_A_DAY, ROWS_A_RUN = 45, 288, 350
ISSUERS = ("CN=R11,O=Let's Encrypt,C=US", "CN=GlobalSign GCC R3 DV TLS CA 2020,C=BE", "CN=WE1,C=US")
SERVERS = ("nginx", "nginx/1.18.0 (Ubuntu)", "cloudflare", "Apache/2.4.62 (Debian)", None)


def stamp(at: datetime) -> str:
    """Write an instant as results hold it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Site:
    """One target, with what stays the same of it from run to run."""

    def __init__(self, number: int, rng: random.Random) -> None:
        """Invent an identity."""
        self.id = f"https://site-{number}.example.by/"
        self.host = f"site-{number}.example.by"
        self.head = {"operator": f"operator-{number % 12}", "role": "domestic-telco"}
        if number < 5:
            self.head = {"role": "other", "control": "foreign" if number < 3 else "domestic"}
        self.addresses = [
            ".".join(str(rng.randint(5, 220)) for _ in range(4))
            for _ in range(rng.choice((1, 1, 2, 4)))
        ]
        self.rtt = rng.uniform(15, 120)
        self.server = rng.choice(SERVERS)
        self.still = rng.randbytes(32).hex() if rng.random() < 0.4 else None  # else a new page each
        self.length = rng.randint(500, 200_000)
        self.leaf = rng.randbytes(32).hex()
        self.chain = [
            {
                "subject": f"CN={self.host}" if not k else rng.choice(ISSUERS),
                "issuer": rng.choice(ISSUERS),
                "names": [self.host, f"www.{self.host}"] if not k else [],
                "not_before": stamp(DAY - timedelta(days=rng.randint(1, 60))),
                "not_after": stamp(DAY + timedelta(days=rng.randint(10, 300))),
                "spki_sha256": rng.randbytes(32).hex(),
            }
            for k in range(rng.choice((2, 2, 3)))
        ]


def rows(site: Site, run: str, at: datetime, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Invent the rows of one round of a site."""
    dead = rng.random() < 0.01
    resolvers = [("system", "udp", "A"), ("system", "udp", "AAAA"), ("https://9.9.9.9", "doh", "A")]

    def row(stage: str, took: float, **rest: object) -> dict[str, Any]:
        nonlocal at
        begun = at
        at += timedelta(milliseconds=took + rng.uniform(0, 3))
        facts: dict[str, Any] = {"type": "measurement", "run": run, "target": site.id, **site.head}
        facts |= {"check": 0} if "control" in site.head else {}
        facts |= {"stage": stage, "attempt": 1, "at": stamp(begun), "duration_ms": round(took, 3)}
        return facts | {"state": "ok"} | rest

    for name, transport, kind in resolvers:
        answers = rng.sample(site.addresses, len(site.addresses)) if kind == "A" else []
        facts: dict[str, object] = {"aside": "compare"} if transport == "doh" else {}
        facts |= {"transport": transport, "resolver": name, "query": f"{site.host} {kind}"}
        facts |= {"rcode": "NOERROR", "answers": answers, "flags": "QR RD RA"}
        yield row("dns", rng.lognormvariate(2.5, 0.7), **facts, ttl=rng.randint(1, 3600))
    for address in site.addresses[:2]:
        end = {"family": 4, "address": address, "port": 443}
        for attempt in (1, 2) if dead else ():
            failed = {"state": "fail", "failure": "generic_timeout_error", "attempt": attempt}
            yield row("tcp", 5000 + rng.uniform(0, 9), **failed, **end)
        if dead:
            continue
        took = site.rtt * rng.lognormvariate(0, 0.2)
        yield row("tcp", took, **end)
        shaken = {"tls_version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "alpn": "h2"}
        shaken |= {"certificate_sha256": site.leaf}
        yield row("tls", took * 1.6, **end, **shaken, certificates=site.chain)
        wait, read = took * rng.lognormvariate(0.6, 0.3), took * rng.lognormvariate(0.2, 0.5)
        got: dict[str, object] = {"http_version": "HTTP/2", "status": 200}
        got |= {"body_length": site.length + (0 if site.still else rng.randint(-400, 400))}
        got |= {"body_sha256": site.still or rng.randbytes(32).hex()}
        got |= {"server": site.server} if site.server else {}
        got["headers"] = {"content-type": "text/html; charset=utf-8", "content-encoding": "gzip"}
        got["phases"] = {"send": 0.1, "wait": round(wait, 3), "read": round(read, 3)}
        got |= {"date_offset_ms": rng.randint(-500, 500)} if "control" in site.head else {}
        yield row("http", 0.1 + wait + read, **end, **got)


def one_run(
    data: Path, sites: list[Site], vantage: str, at: datetime, previous: str, rng: random.Random
) -> str:
    """Write one sealed run; return its SHA-256."""
    run = rng.randbytes(6).hex()
    head: dict[str, Any] = {
        "type": "run",
        "format": 1,
        "run": run,
        "software": {"keepiton": "0.1.0"},
    }
    head |= {"vantage": vantage, "perspective": "inside", "country": "by", "lists": []}
    head |= {
        "targets": len(sites),
        "settings": {},
        "planned_at": stamp(at),
        "started_at": stamp(at),
    }
    measured = [
        row
        for k, site in enumerate(rng.sample(sites, len(sites)))
        for row in rows(site, run, at + timedelta(milliseconds=k * 900 + rng.uniform(0, 90)), rng)
    ]
    measured.sort(key=lambda row: row["at"])
    text = "".join(
        json.dumps(row, separators=(",", ":")) + "\n" for row in [head, *measured]
    ).encode()
    states: dict[str, int] = {}
    for row in measured:
        states[row["state"]] = states.get(row["state"], 0) + 1
    end: dict[str, Any] = {"type": "end", "run": run, "ended_at": stamp(at + timedelta(seconds=50))}
    end |= {"reason": "finished", "measurements": len(measured), "states": states, "line": "up"}
    end |= {"bytes_received": rng.randint(10**6, 10**7), "clock_offset_ms": rng.randint(-99, 99)}
    end |= {"loop_late_ms": round(rng.uniform(0, 30), 3)}
    end |= {"sha256": hashlib.sha256(text).hexdigest(), "previous": previous}
    text += json.dumps(end, separators=(",", ":")).encode() + b"\n"
    path = data / RunName(at, vantage, run).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def write_days(
    data: Path, runs: int, days: int = 1, vantages: int = 1, first: datetime = DAY
) -> None:
    """Write so many days of so many vantages."""
    for number in range(vantages):
        rng = random.Random(number)  # noqa: S311 - the same rows each time
        sites = [Site(k, rng) for k in range(TARGETS)]
        previous = "0" * 64
        for day in range(days):
            for k in range(runs):
                at = first + timedelta(days=day, seconds=k * 86400 / runs + rng.uniform(0, 30))
                previous = one_run(data, sites, f"v-{number}", at, previous, rng)


def total(paths: list[Path]) -> int:
    """Add up their bytes."""
    return sum(path.stat().st_size for path in paths)


def zstd(content: bytes, level: int) -> tuple[int, float]:
    """Return what zstd makes of bytes, and its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    packed = subprocess.run(
        ["zstd", "-q", f"-{level}", "-c"], input=content, capture_output=True, check=True
    )
    return len(packed.stdout), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def packed(data: Path, until: datetime) -> tuple[int, float]:
    """Compact all days before a time; return the bytes and seconds of processor time."""
    began, size = time.process_time(), 0
    for target, paths in pack.days_due(data, until.date()).items():
        done = pack.pack(target, paths)
        if done.left:
            sys.exit("\n".join(done.left))
        size += done.path.stat().st_size
    return size, time.process_time() - began


def sizes(scratch: Path, runs: int) -> None:
    """Print bytes a measurement in each form, and what a year of them takes."""
    write_days(scratch / "sizes", runs)
    paths = sorted((scratch / "sizes").rglob("*.jsonl"))
    each = [path.read_bytes() for path in paths]
    count = sum(run.count(b"\n") - 2 for run in each)
    table: list[tuple[str, int, float]] = [("plain", total(paths), 0.0)]
    began = time.process_time()
    table.append(
        (
            ".jsonl.gz, a run each",
            sum(len(gzip.compress(run)) for run in each),
            time.process_time() - began,
        )
    )
    compressed = [zstd(run, 19) for run in each]
    table.append(
        (
            ".jsonl.zst -19, a run each",
            sum(size for size, _ in compressed),
            sum(took for _, took in compressed),
        )
    )
    whole = b"".join(each)
    began = time.process_time()
    table.append(("gzip of the whole day", len(gzip.compress(whole)), time.process_time() - began))
    table += [(f"zstd -{level} of the whole day", *zstd(whole, level)) for level in (3, 19)]
    table.append(("compacted: columns and lines", *packed(scratch / "sizes", DAY + timedelta(1))))
    (day,) = (scratch / "sizes").rglob("*.parquet")
    began = time.process_time()
    columns = scratch / "columns.parquet"
    with suppress(FileNotFoundError):
        columns.unlink()
    export.parquet(
        export.choose_runs([str(day)], export.ExportFilter()), export.ExportFilter(), columns
    )
    table.append(
        ("columns alone (results export)", columns.stat().st_size, time.process_time() - began)
    )
    best = next(size for name, size, _ in table if name.startswith("zstd -19"))
    print(
        f"A day of {len(paths)} runs and {count} measurements, {total_mb(len(whole))} of lines:\n"
    )
    print("| form | bytes a measurement | beside zstd -19 of the same | CPU for the day | a year |")
    print("|---|---|---|---|---|")
    for name, size, took in table:
        year = size / count * ROWS_A_RUN * RUNS_A_DAY * 365
        print(
            f"| {name} | {size / count:.1f} | {size / best:.2f} | {took:.1f} s |"
            f" {total_mb(year)} |",
            flush=True,
        )


def total_mb(size: float) -> str:
    """Write a size."""
    return f"{size / 1e9:.2f} GB" if size > 1e9 else f"{size / 1e6:.1f} MB"


def levels(scratch: Path, runs: int) -> None:
    """Print what zstd's level and the size of row groups do to a day."""
    write_days(scratch / "levels", runs)
    plain = total(list((scratch / "levels").rglob("*.jsonl")))
    print("\n| level | rows of a group | share of plain | CPU to compact | CPU to read one run |")
    print("|---|---|---|---|---|")
    for level, group in ((3, 32_768), (9, 8_192), (9, 32_768), (9, 122_880), (15, 32_768)):
        pack.LEVEL, pack.ROWS = level, group
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            shutil.copytree(scratch / "levels", Path(name) / "x")
            size, took = packed(Path(name) / "x", DAY + timedelta(1))
            (day,) = Path(name).rglob("*.parquet")
            listed = list(list_runs([str(day)]))
            began = time.process_time()
            read_content(listed[len(listed) // 2])
            read_s = time.process_time() - began
        print(
            f"| {level} | {group} | {size / plain:.4f} | {took:.1f} s | {read_s:.2f} s |",
            flush=True,
        )


def speed(scratch: Path, runs: int) -> None:
    """Print how long checking takes, and the most memory, in every form."""
    write_days(scratch / "speed", runs)
    print("\n| verify | measurements | wall | CPU | CPU for 100,000 | memory |")
    print("|---|---|---|---|---|---|")
    for form in ("plain", "compacted"):
        if form == "compacted":  # by a process of its own: ours would lend its memory to the next
            where = ("--data", str(scratch / "speed"))
            world.measured(world.KEEPITON, "results", "compact", "-q", *where)
        cost = world.measured(
            *(world.KEEPITON, "results", "verify", "--data", str(scratch / "speed"))
        )
        count = describe_files(find([scratch / "speed"]), scratch).measurements
        print(
            f"| {form} | {count} | {cost.wall_s:.1f} s | {cost.cpu_s:.1f} s |"
            f" {cost.cpu_s / count * 1e5:.1f} s | {cost.peak_mib:.0f} MiB |",
            flush=True,
        )


def fleet(scratch: Path, runs: int) -> None:
    """Print what compacting one day of twenty vantages takes, and the most memory."""
    write_days(scratch / "fleet", runs, vantages=20)
    plain = total(list((scratch / "fleet").rglob("*.jsonl")))
    cost = world.measured(
        *(world.KEEPITON, "results", "compact", "-q", "--data", str(scratch / "fleet"))
    )
    packed = total(list((scratch / "fleet").rglob("*.parquet")))
    print(
        f"\nA day of 20 vantages, {runs} runs each: {total_mb(plain)} became {total_mb(packed)} in"
        f" {cost.wall_s:.0f} s ({cost.cpu_s:.0f} s of processor), at most {cost.peak_mib:.0f} MiB",
        flush=True,
    )


PARTS = {"sizes": sizes, "levels": levels, "verify": speed, "fleet": fleet}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS_A_DAY)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.scratch) as folder:
        for part in asked.parts:
            PARTS[part](Path(folder), asked.runs)


if __name__ == "__main__":
    main()
