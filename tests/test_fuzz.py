"""Readers of what strangers write neither break nor let through what would harm a reader."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import fuzz
from keepiton.storage import reader
from keepiton.storage.rows import Measurement

EXAMPLES = sorted(fuzz.CORPUS.glob("*/*"))
RARE = settings(max_examples=25, deadline=None)
OFTEN = settings(max_examples=300, deadline=None)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_once_stays_harmless(path: Path) -> None:
    fuzz.READERS[path.parent.name](path.read_bytes())


def test_the_corpora_are_small_and_there() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(fuzz.READERS)
    assert sum(path.stat().st_size for path in EXAMPLES) < 200_000


@OFTEN
@given(st.binary(max_size=600))
@example(b"\xff\x81\x80\0\1\0\1\0\0\0\0\xc0\x0c\0\5\0\1\0\0\0\0\0\2\xc0\x0c")
def test_any_datagram_is_a_reply_or_a_failure(data: bytes) -> None:
    fuzz.of_dns(data)


HEADER = st.tuples(
    st.sampled_from(["Location", "Server", "Content-Length", "Date", "Content-Encoding", "X"]),
    st.text(max_size=60) | st.sampled_from(["5", "gzip", "chunked", "//[", "http://[::1", "\x1b"]),
)


@OFTEN
@given(st.sampled_from([0, 2, 4, 128]), st.lists(HEADER, max_size=5), st.binary(max_size=60))
def test_any_http_response_is_a_reply_or_a_failure(
    first: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
    status = b"" if first & 4 else b"HTTP/1.1 302 Found\r\n"
    fuzz.of_http(bytes([first]) + status + head + b"\r\n" + body)


FRAME = st.builds(
    lambda kind, flags, stream, body: (
        len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body
    ),
    st.integers(0, 12),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 1 << 31]),
    st.binary(max_size=40) | st.sampled_from([b"\x88", b"\x88\x40\1x\1y", bytes(8), bytes(4)]),
)


@OFTEN
@given(st.lists(FRAME, max_size=8), st.sampled_from([1, 5, 253]))
def test_any_frames_are_a_reply_or_a_failure(frames: list[bytes], first: int) -> None:
    fuzz.of_http(bytes([first]) + b"".join(frames))


LIST_LINE = st.text(max_size=40) | st.sampled_from(
    ["[[target]]", 'id = "x"', 'url = "https://x.example/"', "title = 'x'", "url,category_code"]
)


@OFTEN
@given(st.lists(LIST_LINE, max_size=12).map("\n".join))
def test_any_list_is_targets_or_mistakes(text: str) -> None:
    fuzz.of_targets(text.encode("utf-8", "surrogatepass"))


ROW = json.loads(
    Measurement(
        run="0123456789ab",
        target="x",
        stage="tcp",
        at=datetime(2022, 2, 27, tzinfo=UTC),
        state="fail",
        failure="connection_reset",
    ).to_json_line()
)
VALUE = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3)
FIELDS = st.dictionaries(
    st.sampled_from(sorted(Measurement.model_fields)), VALUE | st.dictionaries(st.text(), VALUE)
)


@OFTEN
@given(st.lists(FIELDS, max_size=6), st.binary(max_size=80))
def test_any_result_lines_are_judged(changes: list[dict[str, object]], junk: bytes) -> None:
    rows = [json.dumps(ROW | change).encode() for change in changes]
    fuzz.of_results(b"\n".join([*rows, junk]))


@RARE
@given(changes=st.lists(FIELDS, max_size=4), junk=st.binary(max_size=80))
def test_any_result_file_is_folded(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, object]], junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("results") / "x.jsonl"
    rows = [json.dumps(ROW | change).encode() for change in changes]
    path.write_bytes(fuzz.RUN_LINE + b"\n".join([*rows, junk]))
    assert reader.read([str(path)]).files == 1
