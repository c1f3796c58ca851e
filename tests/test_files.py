"""Names of result files, end lines, files that are replaced whole, and cells of CSV files."""

import io
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from keepiton.base import files
from keepiton.base.csv_cell import csv_cell
from keepiton.storage.rows import Run
from keepiton.storage.run_name import DayName, RunName
from keepiton.storage.seal import TAIL, end_of, inspect

NAME = "20220227T120003Z-v-test-0123456789ab.jsonl"
END = b'{"type":"end","measurements":3}\n'


@pytest.mark.parametrize("ending", ["", ".part", ".gz", ".zst"])
def test_a_run_has_one_name_in_every_form(ending: str) -> None:
    name = RunName.parse(NAME + ending)
    assert name == RunName(datetime(2022, 2, 27, 12, 0, 3, tzinfo=UTC), "v-test", "0123456789ab")
    assert name
    assert name.file_name == NAME
    assert name.path == f"results/2022/02/27/{NAME}"
    assert name.part == name.path + ".part"
    assert RunName.parse_path(name.path) == name
    assert name.day_file == DayName.parse("20220227-v-test.parquet")
    assert name.day_file.file_name == "20220227-v-test.parquet"


@pytest.mark.parametrize(
    "text",
    [
        "",
        NAME + ".bak",
        NAME + ".part.gz",
        "x" + NAME,
        NAME.replace("v-test", "V-test"),
        NAME.replace("v-test", "v" * 33),
        NAME.replace("0123456789ab", "0123456789a"),
        NAME.replace("0227T", "0230T"),
        NAME.replace("T12", "T24"),
        NAME.replace("2022", "٢٠٢٢"),
        "../" + NAME,
        NAME + "\n",
    ],
)
def test_what_is_named_otherwise_is_no_run(text: str) -> None:
    assert RunName.parse(text) is None


@pytest.mark.parametrize(
    "path",
    [
        NAME,
        f"results/2022/02/28/{NAME}",
        f"results/2022/02/27/{NAME}.part",
        f"/results/2022/02/27/{NAME}",
        f"results/2022/02/27/../27/{NAME}",
    ],
)
def test_a_path_that_is_not_the_runs_own_is_none(path: str) -> None:
    assert RunName.parse_path(path) is None


def test_a_day_that_is_none_names_no_file() -> None:
    assert DayName.parse("20220230-v-test.parquet") is None
    assert DayName.parse("20220228-v-test.parquet") == DayName(date(2022, 2, 28), "v-test")


@pytest.mark.parametrize(
    "started_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0999-01-01T00:00:00Z"]
)
def test_a_stranger_s_time_that_no_name_can_hold_is_no_run(started_at: str) -> None:
    run = {
        "run": "0123456789ab",
        "software": {},
        "vantage": "v-test",
        "perspective": "inside",
        "lists": [],
        "targets": 0,
        "settings": {},
        "planned_at": started_at,
        "started_at": started_at,
    }
    content = json.dumps({"type": "run", **run}).encode() + b"\n"
    assert Run.model_validate_json(content.strip())
    assert inspect(content) is None


def test_an_end_line_is_the_last_and_whole() -> None:
    content = b'{"type":"run"}\n' + b"x" * 3 * TAIL + b"\n" + END
    assert end_of(content) == end_of(io.BytesIO(content)) == END
    for other in (
        b"",
        content[:-1],
        content + b'{"type":"measurement"}\n',
        content + b"\n",
        b'{"type":"end"',
        b"[" * 100_000 + b"\n",
        b'"end"\n',
        b"\xff\n",
    ):
        assert end_of(other) == end_of(io.BytesIO(other)) == b""


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert csv_cell(text) == "'" + text
    assert csv_cell("a" + text) == "a" + text


def test_a_file_is_replaced_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0)
    try:
        with files.replacement(path) as file:
            file.write(b"new")
            assert not path.exists()
            assert Path(file.name).parent == tmp_path
    finally:
        os.umask(before)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(5, f"descriptor {descriptor}")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="descriptor"), files.replacement(path) as file:
        file.write(b"new")
    with pytest.raises(KeyboardInterrupt), files.replacement(path, sync="nothing") as file:
        raise KeyboardInterrupt
    assert [(entry, entry.read_bytes()) for entry in tmp_path.iterdir()] == [(path, b"old")]


def test_a_file_that_came_meanwhile_stays_where_none_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with files.replacement(path, overwrite=False) as file:
        file.write(b"new")
        path.write_bytes(b"came meanwhile")
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"came meanwhile"]


def test_a_temporary_file_that_a_crash_left_is_used_again(tmp_path: Path) -> None:
    path, left = tmp_path / "file", tmp_path / "file.new"
    left.write_bytes(b"torn and longer")
    with files.replacement(path, temporary=left) as file:
        file.write(b"new")
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"new"]


def test_file_and_folder_are_forced_to_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda number: forced.append(Path(f"/proc/self/fd/{number}").readlink().name)
    )
    with files.replacement(tmp_path / "file", temporary=tmp_path / "file.new") as file:
        file.write(b"new")
    assert forced == ["file.new", tmp_path.name]
    for sync, names in (("file", ["file.new"]), ("nothing", [])):
        forced.clear()
        with files.replacement(tmp_path / "file", temporary=tmp_path / "file.new", sync=sync):  # type: ignore[arg-type]
            pass
        assert forced == names
