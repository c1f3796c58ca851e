"""Readers of what strangers write, each with what must hold of whatever it is given.

The tests replay a small corpus and feed random bytes. Run as a program (with the extra ``fuzz``)
this looks for new inputs, guided by coverage:

    python tests/fuzz.py dns -max_total_time=60
"""

import asyncio
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from keepiton.base.types import clean
from keepiton.findings import render as rendered
from keepiton.findings.judge import NumberedRow, judge_run
from keepiton.lists import citizenlab, plain, toml
from keepiton.lists.types import Fingerprint
from keepiton.probe import dns as stage
from keepiton.probe import http
from keepiton.probe.failures import TABLE, Failed, classify
from keepiton.probe.net import Connection
from keepiton.storage.lines import lines
from keepiton.storage.rows import Measurement, Run

CORPUS = Path(__file__).with_name("corpus")
KNOWN = frozenset(one.failure for one in TABLE)
QUERY = stage.question("name.example", "A", recurse=True)
MARKS = tuple(
    Fingerprint(id="x", where=where, pattern="mark", source="x", confidence="low")
    for where in ("location", "body", "title")
)


def harmless(*texts: str) -> None:
    for text in texts:
        assert clean(text, len(text)) == text, repr(text)


def of_dns(data: bytes) -> None:
    """Read a reply; the first bit says whether it begins as a reply to our question would."""
    wire = QUERY.wire
    ours = wire[:2] + data[1:3] + wire[4:6] + data[3:9] + wire[12:30] + data[9:]
    try:
        reply = stage._parse(QUERY, ours if data[:1] > b"\x7f" else data)  # noqa: SLF001 - the reader
    except Failed:
        return
    answer = stage._answer(QUERY, stage._Heard(reply, "udp", second=reply))  # noqa: SLF001
    harmless(*answer.records, *answer.cnames, *answer.ede, *answer.referral, answer.rcode)
    assert answer.failure is None or answer.failure in KNOWN
    row = Measurement(
        run="0123456789ab",
        target="x",
        at=datetime(2022, 2, 27, tzinfo=UTC),
        state="ok",
        answers=answer.records,
        cnames=answer.cnames,
        ede=answer.ede,
        ttl=answer.ttl,
    )
    assert len(row.to_json_line()) < 1 << 20


class Said(Connection):
    """A connection over which these bytes come, some at a time, and then the end."""

    def __init__(self, data: bytes, step: int) -> None:
        """Take the bytes."""
        self.data, self.step = data, step

    async def read(self) -> bytes:
        chunk, self.data = self.data[: self.step], self.data[self.step :]
        return chunk

    async def write(self, data: bytes) -> None:
        del data

    def close(self) -> None:
        pass


def of_http(data: bytes) -> None:
    """Read a response; the first byte says over which version, and in which steps."""
    first, rest = data[:1] or b"\0", data[1:]
    alpn = "h2" if first[0] & 1 else None
    if alpn and first[0] & 4:
        rest = b"\0\0\0\4\0\0\0\0\0" + rest
    if not alpn and first[0] & 4:
        rest = b"HTTP/1.1 200 OK\r\n" + rest
    said = Said(rest, 1 + (first[0] >> 3) ** 2)
    watch = http.ExchangeTimer()
    url = "https://name.example/"
    work = http.fetch(said, url, http.ORDINARY, alpn, timer=watch)
    failure = ""
    try:
        reply = asyncio.run(work)
    except Exception as exc:  # noqa: BLE001 - as the edge of the probe does
        failure = classify(exc)
    if failure:
        assert failure in KNOWN, failure
        return
    assert len(reply.body) <= http.BODY_CAP
    assert len(reply.text) <= http.BODY_CAP
    with contextlib.suppress(Failed):
        harmless(reply.next_url(url) or "")
    harmless(reply.title, reply.location_host(url) or "")
    reply.fingerprint(MARKS)
    assert reply.note in (None, "http_451", "challenge")
    reply.date_offset_ms(0)


def of_targets(data: bytes) -> None:
    """Read a target list in each of the three formats."""
    text = data.decode("utf-8", "replace")
    for reader in (toml.read, plain.read, citizenlab.read):
        listed, mistakes = reader("list", text)
        assert listed or mistakes
        harmless(*mistakes)
        for target in listed.target if listed else ():
            harmless(target.id, target.url or "", target.host or "")
            assert len(target.id) <= 200


RUN_LINE = (
    b'{"type":"run","format":1,"run":"0123456789ab","software":{},"vantage":"v",'
    b'"perspective":"outside","lists":[],"targets":1,"settings":{},'
    b'"planned_at":"2022-02-27T00:00:00Z","started_at":"2022-02-27T00:00:00Z"}\n'
)


def of_results(data: bytes) -> None:
    """Read a result file line by line, judge it, and write what was found."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(RUN_LINE + data)
        file.flush()
        run, rows = None, []
        for number, one in lines(Path(file.name)):
            if isinstance(one, Run):
                run = run or one
            elif isinstance(one, Measurement):
                rows.append(NumberedRow(number, one))
    if run is None:
        return
    found = [("file", one) for one in judge_run(run, rows, None, {})]
    table = rendered.table(found, show_all=True, defang=False)
    harmless(table.replace("\n", ""))


READERS: dict[str, Callable[[bytes], None]] = {
    "dns": of_dns,
    "http": of_http,
    "targets": of_targets,
    "results": of_results,
}


def main() -> None:
    """Look for inputs that break a reader, beginning from the corpus."""
    import atheris  # noqa: PLC0415 - only here

    reader = READERS[sys.argv[1]]
    with contextlib.redirect_stdout(io.StringIO()):
        atheris.instrument_all()
    with tempfile.TemporaryDirectory() as found:  # else what is merely new fills the corpus
        atheris.Setup([sys.argv[0], found, str(CORPUS / sys.argv[1]), *sys.argv[2:]], reader)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
