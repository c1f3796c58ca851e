"""What is slow: phases of a response, a late event loop, samples of a rate."""

import asyncio
import time

import pytest

import loopback
from keepiton.lists.types import Target
from keepiton.probe import settings as limits
from keepiton.probe.connectivity import LATE_MS
from keepiton.probe.runner import Runner
from keepiton.storage.rows import Measurement
from test_probe import RUN, control, of, probed, settings

HALF_S = 0.3
PARTS = (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"x" * 100_000, b"x" * 100_000)


def slowly(*parts: bytes, then: str = "close") -> loopback.Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            await asyncio.sleep(HALF_S)
            writer.write(part)
            await writer.drain()
        if then == "hold":
            await reader.read()

    return talk


@pytest.mark.slow
def test_phases_of_a_response_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it ended or stood still; where the time went is seen."""
    monkeypatch.setitem(limits.STAGE_S, "http", 3 * HALF_S + 1.0)
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        loopback.serving(slowly(*PARTS)) as whole,
        loopback.serving(slowly(*PARTS[:2], then="hold")) as half,
        loopback.serving(loopback.silent) as silent,
    ):
        servers = {"whole": whole, "half": half, "silent": silent}
        targets = [
            Target(id=name, url=f"http://127.0.0.1:{one.port}/") for name, one in servers.items()
        ]
        rows, _ = probed([*targets, control(good.port)])
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.stage == "http":
            assert row.phases
            assert sum(row.phases.values()) == pytest.approx(row.duration_ms, abs=0.01)
            if not row.aside:
                found[row.target] = row.phases
    half_ms = HALF_S * 950
    assert found["whole"]["wait"] >= half_ms
    assert found["whole"]["read"] >= 2 * half_ms
    assert set(found["whole"]) == {"send", "wait", "read"}
    assert found["half"]["read"] >= half_ms
    assert found["half"]["stall"] >= half_ms + 900
    assert set(found["silent"]) == {"send", "stall"}


def test_what_was_measured_while_the_loop_was_late_is_marked() -> None:
    """A volunteer's small machine must not be taken for a slow network."""
    rows: list[Measurement] = []

    def store(row: Measurement) -> None:
        rows.append(row)
        if row.target == "first" and row.stage == "http":
            time.sleep(0.5)

    async def run(**ports: int) -> Runner:
        targets = [Target(id=name, url=f"http://127.0.0.1:{port}/") for name, port in ports.items()]
        runner = Runner(RUN, [*targets, control(good.port)], "outside", settings(), store)
        await runner.run_all()
        return runner

    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        loopback.serving(slowly(loopback.page())) as first,
        loopback.serving(slowly(*PARTS)) as slow,
    ):
        runner = asyncio.run(run(first=first.port, meanwhile=slow.port))
    (marked,) = (row for row in of(rows, "meanwhile") if row.stage == "http")
    assert marked.late_ms is not None
    assert LATE_MS <= marked.late_ms <= runner.progress.loop_late_ms
    assert runner.progress.loop_late_ms >= 300
    assert all(row.late_ms is None for row in rows if row.check == 0 and row.control)


@pytest.mark.slow
def test_a_sample_is_taken_where_both_sides_allow_it_and_has_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = b"GET / " in await reader.readuntil(b"\r\n\r\n") and server.connections == 1
        writer.write(loopback.page() if first else b"HTTP/1.1 200 OK\r\n\r\n")
        while not first:
            writer.write(b"x" * 100)
            await writer.drain()
            await asyncio.sleep(0.05)

    monkeypatch.setitem(limits.STAGE_S, "http", 1.5)
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        loopback.serving(endless) as fast,
        loopback.serving(trickle) as server,
    ):
        targets = [
            Target(id="fast", url=f"http://127.0.0.1:{fast.port}/", throughput=True),
            Target(id="slow", url=f"http://127.0.0.1:{server.port}/", throughput=True),
            Target(id="not-asked-for", url=f"http://127.0.0.1:{good.port}/"),
            control(good.port),
        ]
        rows, _ = probed(targets, throughput=True)
        without, _ = probed(targets[:1])
    samples = {row.target: row for row in rows if row.aside == "throughput"}
    assert set(samples) == {"fast", "slow"}
    assert not [row for row in without if row.aside == "throughput"]
    assert limits.SAMPLE_BYTES <= (samples["fast"].received or 0) <= limits.SAMPLE_BYTES + 70_000
    assert samples["fast"].failure is None
    slow = samples["slow"]
    assert slow.failure == "generic_timeout_error"
    assert slow.received
    assert 1400 <= (slow.duration_ms or 0) <= 2500
