"""Every misbehaviour of a server ends in its budget, rightly named, and harms nobody."""

import asyncio
import csv
import io
import json
import subprocess
import sys
import tracemalloc
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import hostile
import loopback
from conftest import Command
from keepiton.base.connectivity import Connectivity
from keepiton.lists.types import Expect, Target
from keepiton.probe.dns import LISTEN_S, Resolver
from keepiton.probe.failures import UNEXPECTED_BODY
from keepiton.probe.runner import Runner
from keepiton.probe.settings import BUDGET_S, GRACE_S, STAGE_S
from keepiton.storage import writer as write
from keepiton.storage.rows import Measurement
from test_probe import RUN, settings
from test_results import a_run
from test_tls import HOST, HOSTILE, KEY, MANY, ROOT_CERTIFICATE, SAN, issued, made

PEM = serialization.Encoding.PEM
MIB = 1 << 20


def certificates(folder: Path) -> Path:
    """Write the servers' chains; return the file of the authority that signed them."""
    stuffing = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(60_000))
    odd = [x509.DNSName("\x1b[31m\0evil.example"), x509.DNSName("=cmd|calc"), *SAN, *MANY[:9]]
    chains = {
        "TLS": [issued()],
        "h2": [issued()],
        "odd names": [issued(x509.SubjectAlternativeName(odd), subject=HOSTILE)],
        "large chain": [issued(), *[made(stuffing, subject="root")] * 18],
    }
    key = KEY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for name, chain in chains.items():
        whole = key + b"".join(one.public_bytes(PEM) for one in chain)
        (folder / f"{name}.pem").write_bytes(whole)
    roots = folder / "roots.pem"
    roots.write_bytes(ROOT_CERTIFICATE.public_bytes(PEM))
    return roots


@contextmanager
def served(folder: Path) -> Iterator[dict[str, int]]:
    """Run all servers in a process of their own; gives the port of each."""
    with subprocess.Popen(
        [sys.executable, hostile.__file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as servers:
        assert servers.stdout
        try:
            yield json.loads(servers.stdout.readline())
        finally:
            servers.communicate(timeout=10)


@dataclass
class Gone:
    """What a run among all of them left behind."""

    rows: list[Measurement]
    took_s: float
    peak: int
    """Bytes of memory above the start."""

    def chain(self, target: str) -> list[Measurement]:
        return [row for row in self.rows if row.target == target]


def ident(name: str) -> str:
    return name.replace(" ", "_")


def web_targets(ports: dict[str, int]) -> list[Target]:
    targets = []
    for name, case in hostile.WEB.items():
        secure = case.over != "plain"
        host, addresses = (HOST, ("127.0.0.1",)) if secure else ("127.0.0.1", ())
        targets.append(
            Target(
                id=ident(name),
                url=f"http{'s' if secure else ''}://{host}:{ports[name]}/",
                addresses=addresses,
                expect=Expect(contains="never there") if "title" in name else None,
            )
        )
    return targets


def gone_through(targets: list[Target], **given: Any) -> Gone:  # noqa: ANN401 - any setting
    rows: list[Measurement] = []
    runner = Runner(RUN, targets, "outside", settings(**given), rows.append)

    async def run() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await runner.run_all()
        return loop.time() - began

    took_s = asyncio.run(run())
    return Gone(rows, took_s, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def ports(folder: Path) -> Iterator[dict[str, int]]:
    certificates(folder)
    with served(folder) as given:
        yield given


@pytest.fixture(scope="module")
def web(ports: dict[str, int], folder: Path) -> Gone:
    resolver = Resolver("lab", "udp", ("127.0.0.1",), ports[""])
    # Private addresses stay forbidden: the targets' own are given as addresses.
    return gone_through(
        web_targets(ports),
        roots=folder / "roots.pem",
        resolvers=(resolver,),
        allow_private=False,
    )


@pytest.fixture(scope="module")
def named(ports: dict[str, int]) -> Gone:
    resolver = Resolver("lab", "udp", ("127.0.0.1",), ports[""])
    port = loopback.closed_port()
    targets = [
        Target(id=one, host=f"{one}.example", ports=(f"{port}/tcp",)) for one in hostile.NAMES
    ]
    return gone_through(targets, resolvers=(resolver,))


@pytest.mark.parametrize("name", hostile.WEB)
def test_a_misbehaving_server_is_named(web: Gone, name: str) -> None:
    case, chain = hostile.WEB[name], web.chain(ident(name))
    last = chain[-1]
    expected = UNEXPECTED_BODY if "title" in name else case.failure
    assert (last.stage, last.failure, last.note) == (case.stage, expected, case.note)
    for row in chain:
        assert row.stage
        assert row.duration_ms is not None
        slack_ms = 500 + (row.late_ms or 0)
        assert row.duration_ms <= STAGE_S[row.stage] * 1000 + slack_ms
        assert len(row.to_json_line()) < 16_384
    assert sum(row.duration_ms or 0 for row in chain if not row.hop) < BUDGET_S * 1000 + 500


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_misbehaving_name_server_is_named(named: Gone, name: str) -> None:
    (row,) = [row for row in named.chain(name) if row.query == f"{name}.example A"]
    assert row.failure == hostile.NAMES[name].failure
    assert row.duration_ms is not None
    assert row.duration_ms < (STAGE_S["dns"] + GRACE_S + LISTEN_S) * 1000
    assert len(row.to_json_line()) < 16_384


def test_forty_and_more() -> None:
    assert len(hostile.WEB) + len(hostile.NAMES) >= 140


def test_together_they_hold_up_nobody(web: Gone, named: Gone) -> None:
    """All end within the time of the slowest one, so that none of them stops the others."""
    assert web.took_s < BUDGET_S + 5
    assert named.took_s < BUDGET_S
    assert max(row.late_ms or 0 for row in web.rows) < 2000, "no server stops the loop for long"


def test_memory_stays_bounded(ports: dict[str, int], folder: Path) -> None:
    """The endless and the inflating ones, all at once: less than 1 MiB for each."""
    large = ("endless", "bomb", "for ever", "without end", "storm", "MiB", "megabyte", "kB")
    targets = [
        one for one in web_targets(ports) if any(word in one.id.replace("_", " ") for word in large)
    ]
    assert len(targets) > 15
    resolver = Resolver("lab", "udp", ("127.0.0.1",), ports[""])
    gone_through(targets[:1], roots=folder / "roots.pem", resolvers=(resolver,))  # caches
    tracemalloc.start()
    try:
        done = gone_through(targets, roots=folder / "roots.pem", resolvers=(resolver,))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(targets) * MIB
    assert kept < len(done.rows) * MIB // 16


@pytest.fixture(scope="module")
def filed(web: Gone, named: Gone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result file of all that was met."""
    data = tmp_path_factory.mktemp("data")
    writer = write.Writer(data, a_run())
    for row in (*web.rows, *named.rows):
        writer.add(row)
    writer.seal(datetime.now(UTC), "finished", Connectivity.UP, 0, None, 0.0, None)
    writer.close()
    return write.publish(writer.part)


def harmless(text: str) -> bool:
    """Whether a text has nothing that a terminal obeys or that turns letters round."""
    return not any(
        unicodedata.category(sign) in ("Cc", "Cf", "Cs") for sign in text if sign not in "\n\t\r"
    )


def test_the_file_holds_nothing_dangerous(filed: Path) -> None:
    text = filed.read_text()
    assert harmless(text)
    assert all(
        harmless(str(leaf)) for line in text.splitlines() for leaf in leaves(json.loads(line))
    )
    assert "pwned" in text, "what was sent was kept, made harmless"


def leaves(value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


@pytest.mark.parametrize(
    "words",
    [
        ("findings",),
        ("findings", "--format", "json"),
        ("status",),
        ("status", "--by", "target"),
        *(("report", "--format", one) for one in ("table", "md", "csv", "json")),
    ],
    ids=" ".join,
)
def test_what_is_shown_is_harmless(filed: Path, keepiton: Command, words: tuple[str, ...]) -> None:
    done = keepiton(*words, str(filed))
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert harmless(done.stdout)
    assert harmless(done.stderr)
    if words[-1] == "csv":
        for cell in (cell for row in csv.reader(io.StringIO(done.stdout)) for cell in row):
            assert cell[:1] not in ("=", "+", "-", "@")
    if words[-1] == "md":
        assert "<script" not in done.stdout
