"""What probing costs, beside the peers and the floor, on the same servers in the same run.

    sudo python benchmarks/probe.py [PART…]      # chain dns latency holes memory

chain    CPU time of one full HTTPS chain: look-up, TCP, TLS, verdict, HTTP, rows written.
         keepiton's figure is the difference between runs of 401 and of 1 target, over 400; so is
         that of the bare sockets, which do the same and keep nothing. blackbox_exporter is a
         server that is asked; curl --parallel is one process for all. All check the certificate.
dns      CPU time of one DNS measurement, row written, beside a bare dns.asyncquery.udp.
latency  What is reported of a server that answers in 50 ms, beside what bare sockets see.
holes    2,000 targets of which 90 % are black holes, beside what one of them takes or the rate
         asks, at the default rate and without one.
memory   10,000 targets.
"""

import asyncio
import json
import os
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import dns.asyncquery
import dns.message

import world
from keepiton.lists.types import Query, Target
from keepiton.probe import http
from keepiton.probe.runner import Runner
from keepiton.probe.settings import Settings
from keepiton.storage.rows import Measurement, Run
from keepiton.storage.writer import Writer

COUNT, ROUNDS = 400, 9
QUESTIONS = 1000
TARGET = f"https://{world.NAME}:{world.HTTPS}/"
SLOW_PORT = 8050
UNLIMITED = "5000"
"""The highest that can be asked for."""


def cpu_of(pid: int) -> float:
    """Read the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    """Read the CPU seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def line(name: str, value: str, bar: str, ratio: float) -> None:
    """Print one figure beside its bar."""
    print(f"{name:46} {value:>16}   {ratio:5.2f} x {bar}", flush=True)


# The bare floor, also as a program of its own: probe.py bare COUNT ROOTS.


async def bare_chain(roots: str) -> None:
    """Look up, connect, shake hands and get, with nothing kept."""
    query = dns.message.make_query(world.NAME, "A")
    reply = await dns.asyncquery.udp(query, world.RESOLVER, timeout=5)
    address = reply.answer[0][0].to_text()
    context = ssl.create_default_context(cafile=roots)
    reader, writer = await asyncio.open_connection(
        address, world.HTTPS, ssl=context, server_hostname=world.NAME
    )
    writer.write(f"GET / HTTP/1.1\r\nHost: {world.NAME}\r\nConnection: close\r\n\r\n".encode())
    await reader.read()
    writer.close()


async def bare_chains(count: int, roots: str) -> None:
    """Do many, 50 at a time."""
    few = asyncio.Semaphore(50)

    async def task() -> None:
        async with few:
            await bare_chain(roots)

    await asyncio.gather(*(task() for _ in range(count)))


def chain(folder: Path) -> None:
    """Measure the four in turn in every round."""
    roots = str(folder / "roots.pem")
    config = folder / "blackbox.yml"
    config.write_text(
        "modules:\n  web:\n    prober: http\n    timeout: 5s\n    http:\n"
        f"      preferred_ip_protocol: ip4\n      tls_config: {{ca_file: {roots}}}\n"
    )
    curls = folder / "curl.txt"
    curls.write_text("".join(f'url = "{TARGET}{n}"\noutput = /dev/null\n' for n in range(COUNT)))
    urls = [f"{TARGET}{n}" for n in range(COUNT + 1)]

    def keepiton() -> float:
        few, many = (world.probe(folder, some, "--rate", UNLIMITED) for some in (urls[:1], urls))
        if few.code or many.code:
            raise SystemExit(f"keepiton failed: {few.code} {many.code}")
        return (many.cpu_s - few.cpu_s) / COUNT

    def bare() -> float:
        words = [sys.executable, __file__, "bare"]
        few, many = (world.measured(*words, str(n), roots) for n in (1, COUNT + 1))
        return (many.cpu_s - few.cpu_s) / COUNT

    def curl() -> float:
        command = ["curl", "-sS", "--parallel", "--parallel-max", "50", "--no-sessionid"]
        options = ["--cacert", roots, "-H", "Connection: close", "-K", str(curls)]
        return world.measured(*command, *options).cpu_s / COUNT

    def blackbox() -> float:
        before = cpu_of(exporter.pid)
        for _ in range(COUNT):
            with urllib.request.urlopen(
                f"http://127.0.0.1:9115/probe?module=web&target={TARGET}"
            ) as reply:
                if b"probe_success 1" not in reply.read():
                    raise SystemExit("blackbox_exporter failed")
        return (cpu_of(exporter.pid) - before) / COUNT

    command = ["prometheus-blackbox-exporter", f"--config.file={config}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as exporter:
        time.sleep(1)
        try:
            results = [(keepiton(), blackbox(), curl(), bare()) for _ in range(ROUNDS)]
        finally:
            exporter.terminate()
    for index, name in enumerate(
        ("keepiton", "blackbox_exporter", "curl --parallel", "bare asyncio and ssl")
    ):
        took = statistics.median(result[index] for result in results)
        ratio = statistics.median(result[0] / result[index] for result in results)
        line(f"chain: {name}", f"{took * 1000:.2f} ms CPU", "this (bar 1.0 of blackbox)", ratio)


def settings(**changes: object) -> Settings:
    """Return settings for a run inside this process."""
    settings = {"resolvers": (), "headers": http.ORDINARY, "confirm": 0, "allow_private": True}
    return Settings(**(settings | changes))  # type: ignore[arg-type]


def dns_measurement(folder: Path) -> None:
    """Ask a name server the same question, each as a measurement and bare."""
    del folder
    query = Query(name=world.NAME, type="A", recurse=True)
    targets = [
        Target(id=f"t{n}", addresses=(world.RESOLVER,), ports=("53/udp",), query=query)
        for n in range(QUESTIONS)
    ]

    async def measured(data: Path, number: int) -> None:
        run = Run.model_validate(
            {
                "run": f"{number:012x}",
                "software": {},
                "vantage": "v",
                "perspective": "outside",
                "lists": (),
                "targets": QUESTIONS,
                "settings": {},
                "planned_at": "2022-02-27T00:00:00Z",
                "started_at": "2022-02-27T00:00:00Z",
            }
        )
        writer = Writer(data, run)
        rows: list[Measurement] = []

        def store(row: Measurement) -> None:
            rows.append(row)
            writer.add(row)

        await Runner(run.run, targets, "outside", settings(rate=1e6), store).run_all()
        writer.close()
        if [row.failure for row in rows] != [None] * QUESTIONS:
            raise SystemExit("a question failed")

    async def bare() -> None:
        async def task() -> None:
            question = dns.message.make_query(world.NAME, "A", use_edns=0, payload=1232)
            await dns.asyncquery.udp(question, world.RESOLVER, timeout=5)

        await asyncio.gather(*(task() for _ in range(QUESTIONS)))

    ratios, ours = [], []
    with tempfile.TemporaryDirectory() as data:
        for number in range(ROUNDS + 1):
            began = own_cpu()
            asyncio.run(measured(Path(data), number))
            between = own_cpu()
            asyncio.run(bare())
            ended = own_cpu()
            if number:  # the first fills caches
                ratios.append((between - began) / (ended - between))
                ours.append((between - began) / QUESTIONS)
    took = f"{statistics.median(ours) * 1000:.3f} ms CPU"
    line("dns: keepiton", took, "bare dns.asyncquery.udp (bar 1.3)", statistics.median(ratios))


# A server that takes its time: probe.py slow.


async def slow() -> None:
    """Answer every request after 50 ms, until standard input ends."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwell\n")
        await writer.drain()
        writer.close()

    await asyncio.start_server(talk, world.ADDRESS, SLOW_PORT)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def bare_waits(count: int) -> list[float]:
    """Measure requests one after another, from the request to the end of the answer."""
    waits = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(world.ADDRESS, SLOW_PORT)
        began = time.monotonic()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.read()
        waits.append(time.monotonic() - began)
        writer.close()
    return waits


def latency(folder: Path) -> None:
    """Compare medians at default settings."""
    words = [sys.executable, __file__, "slow"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout  # noqa: S101 - for the type checker
        server.stdout.readline()
        urls = [f"http://{world.ADDRESS}:{SLOW_PORT}/{n}" for n in range(200)]
        with tempfile.TemporaryDirectory() as data:
            world.probe(folder, urls, data=data)
            (path,) = Path(data).rglob("*.jsonl")
            rows = [json.loads(line) for line in path.read_text().splitlines()]
        seen = [
            row["duration_ms"]
            for row in rows
            if row.get("stage") == "http" and row["target"].startswith("t")
        ]
        bare = [wait_s * 1000 for wait_s in asyncio.run(bare_waits(50))]
        server.communicate()
    ours, theirs = statistics.median(seen), statistics.median(bare)
    shown = f"{ours:.2f} ms"
    line(
        f"latency: median of {len(seen)}", shown, f"bare, {theirs:.2f} ms (bar 1.10)", ours / theirs
    )


def urls(count: int, port: int) -> list[str]:
    """Name targets on one address: on loopback no two seconds lie between connections."""
    return [f"https://{world.ADDRESS}:{port}/{n}" for n in range(count)]


def holes(folder: Path) -> None:
    """Probe lists that are mostly silence."""
    start = world.probe(folder, urls(1, world.HTTPS))
    single = world.probe(folder, urls(1, world.HOLE))
    some = [*urls(200, world.HTTPS), *urls(1800, world.HOLE)]
    connections = 200 + 2 * 1800
    for rate, shown in (("20", "20/s, the default"), (UNLIMITED, f"{UNLIMITED}/s")):
        cost = world.probe(folder, some, "--rate", rate)
        # Beside the larger of the two stands what a run needs to start and to end.
        limit = max(single.wall_s, connections / float(rate) + start.wall_s)
        name = f"holes: 2,000 targets, 90 % black, {shown}"
        bar = f"limit, {limit:.1f} s (bar 1.2)"
        line(name, f"{cost.wall_s:.1f} s", bar, cost.wall_s / limit)


def memory(folder: Path) -> None:
    """Probe a very long list."""
    cost = world.probe(folder, urls(10_000, world.HTTPS), "--rate", UNLIMITED)
    name, bar = "memory: 10,000 targets, peak", "300 MB (bar 1.0)"
    peak_mb = cost.peak_mib * 1.048576
    line(name, f"{peak_mb:.0f} MB, {cost.wall_s:.0f} s", bar, peak_mb / 300)


PARTS = {
    "chain": chain,
    "dns": dns_measurement,
    "latency": latency,
    "holes": holes,
    "memory": memory,
}


def main() -> None:
    """Measure the parts that are named, or all."""
    words = sys.argv[1:]
    if words[:1] == ["bare"]:
        asyncio.run(bare_chains(int(words[1]), words[2]))
        return
    if words == ["slow"]:
        asyncio.run(slow())
        return
    world.enter_own_network()
    with world.servers() as folder:
        for part in words or PARTS:
            PARTS[part](folder)


if __name__ == "__main__":
    main()
