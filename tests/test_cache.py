"""What was folded is kept, counts only while its files are as they were, and does no harm."""

import contextlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepiton.storage import aggregate, reader
from keepiton.storage.cache import DIGEST, LENGTH, Cache
from keepiton.storage.rounds import Aggregated
from timelines import Watch, plain, rounds, write

DAY = Watch("v1", {"a@alpha": "..xxx...", "b@alpha": "........"})
OTHER = Watch("v2", {"a@alpha": "..xsd~.."}, line=".xbm....", late=timedelta(minutes=5))
NEXT = Watch("v3", {"a@alpha": "..xx..xx"}, late=timedelta(days=1))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that is folded, in the order of folding; the folding is the real one."""
    names: list[str] = []
    real = aggregate.aggregate

    def fold(database: Any, files: Sequence[str], *more: Any) -> Aggregated:  # noqa: ANN401
        names.extend(files)
        return real(database, files, *more)

    monkeypatch.setattr(aggregate, "aggregate", fold)
    return names


def texts(files: Sequence[Path]) -> list[str]:
    return [str(path) for path in files]


def test_the_second_read_opens_no_result_file(tmp_path: Path, opened: list[str]) -> None:
    files = texts(write(tmp_path, DAY, OTHER, NEXT))
    cache = Cache(tmp_path)
    first = reader.read(files, cache)
    assert sorted(opened) == sorted(files)
    opened.clear()
    second = reader.read(files, Cache(tmp_path))
    assert opened == []
    assert plain(second.rounds) == plain(first.rounds) == plain(rounds(DAY, OTHER, NEXT))
    assert (second.files, second.unsealed) == (first.files, first.unsealed) == (len(files), 0)


def test_unreadable_lines_are_told_from_the_cache_too(tmp_path: Path, opened: list[str]) -> None:
    path, *_ = files = write(tmp_path, DAY)
    path.write_text(path.read_text() + "garbage\n")
    first = reader.read(texts(files), Cache(tmp_path))
    opened.clear()
    assert reader.read(texts(files), Cache(tmp_path)).bad_lines == first.bad_lines == {path.name: 1}
    assert opened == []


def test_new_files_of_a_day_are_folded_and_no_others(tmp_path: Path, opened: list[str]) -> None:
    *old, new, newer = texts(write(tmp_path, DAY, OTHER))
    cache = Cache(tmp_path)
    reader.read(old, cache)
    for files, wanted in (([*old, new], [new]), ([*old, new, newer], [newer])):
        opened.clear()
        got = reader.read(files, cache)
        assert opened == wanted
        assert plain(got.rounds) == plain(reader.read(files).rounds)
    opened.clear()
    assert plain(reader.read([*old, new, newer], cache).rounds) == plain(rounds(DAY, OTHER))
    assert opened == []


def test_a_changed_file_is_read_again(tmp_path: Path, opened: list[str]) -> None:
    files = write(tmp_path, DAY)
    cache = Cache(tmp_path)
    before = reader.read(texts(files), cache)
    text = files[2].read_text()
    for changed in (text.replace('"t":', '"t" :'), text.replace("timeout", "refusal")):
        files[2].write_text(changed)
        opened.clear()
        after = reader.read(texts(files), cache)
        assert str(files[2]) in opened
        assert plain(after.rounds) == plain(reader.read(texts(files)).rounds)
    assert plain(after.rounds) != plain(before.rounds)


def test_a_change_that_keeps_the_size_is_seen(tmp_path: Path) -> None:
    files = write(tmp_path, DAY)
    cache = Cache(tmp_path)
    reader.read(texts(files), cache)
    told = files[2].stat()
    files[2].write_text(files[2].read_text().replace('"state":"fail"', '"state":"okay"'))
    assert files[2].stat().st_size == told.st_size
    assert plain(reader.read(texts(files), cache).rounds) == plain(reader.read(texts(files)).rounds)


def test_a_file_that_took_anothers_place_is_seen(tmp_path: Path) -> None:
    """As when a copy with the old time of change is moved there."""
    files = write(tmp_path, DAY)
    cache = Cache(tmp_path)
    reader.read(texts(files), cache)
    told = files[2].stat()
    other = tmp_path / "other"
    other.write_text(files[2].read_text().replace('"state":"fail"', '"state":"okay"'))
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.replace(files[2])
    assert plain(reader.read(texts(files), cache).rounds) == plain(reader.read(texts(files)).rounds)


def test_a_deleted_file_disappears(tmp_path: Path) -> None:
    files = texts(write(tmp_path, DAY, OTHER))
    cache = Cache(tmp_path)
    reader.read(files, cache)
    Path(files[3]).unlink()
    left = [*files[:3], *files[4:]]
    got = reader.read(left, cache)
    assert plain(got.rounds) == plain(reader.read(left).rounds)
    assert got.files == len(left)


def test_asking_for_some_files_gives_no_others(tmp_path: Path) -> None:
    files = texts(write(tmp_path, DAY, OTHER))
    cache = Cache(tmp_path)
    reader.read(files, cache)
    for few in (files[:3], files[5:], files[:1], files):
        assert plain(reader.read(few, cache).rounds) == plain(reader.read(few).rounds)


def test_what_is_under_way_or_was_cut_off_is_never_kept(tmp_path: Path, opened: list[str]) -> None:
    *files, torn, last = write(tmp_path, DAY)
    part = last.with_name(last.name + ".part")
    end = {path: path.read_text().splitlines(keepends=True)[-1] for path in (torn, last)}
    for path in (torn, last):
        path.write_text(path.read_text().removesuffix(end[path]))
    last.rename(part)
    everything = texts([*files, torn, part])
    cache = Cache(tmp_path)
    first = reader.read(everything, cache)
    opened.clear()
    again = reader.read(everything, cache)
    assert set(opened) == {str(torn), str(part)}
    assert plain(again.rounds) == plain(first.rounds)
    assert again.unsealed == first.unsealed == 2
    with torn.open("a") as file, part.open("a") as other:
        file.write(end[torn])
        other.write(end[last])
    part.rename(last)
    whole = texts([*files, torn, last])
    assert plain(reader.read(whole, cache).rounds) == plain(rounds(DAY))
    opened.clear()
    assert plain(reader.read(whole, cache).rounds) == plain(rounds(DAY))
    assert opened == []


def test_a_part_is_not_kept_even_with_its_end(tmp_path: Path, opened: list[str]) -> None:
    """It is about to get its name; until then it may still be another file."""
    path, *files = write(tmp_path, DAY)
    part = path.rename(path.with_name(path.name + ".part"))
    for _ in range(2):
        opened.clear()
        got = reader.read(texts([part, *files]), Cache(tmp_path))
        assert plain(got.rounds) == plain(rounds(DAY)), "which file shows a failure is not of it"
        assert str(part) in opened


def test_the_rest_of_a_known_run_is_put_to_it(tmp_path: Path) -> None:
    """Also where it comes later, and is named like another day."""
    files = write(tmp_path, DAY)
    run = files[2].read_text().splitlines(keepends=True)
    middle = len(run) // 2
    files[2].write_text("".join([*run[:middle], run[-1]]))
    cache = Cache(tmp_path)
    reader.read(texts(files), cache)
    for name in (files[2].name.replace("v1", "v2"), "20220301T000000Z-v1.jsonl", "x.jsonl"):
        rest = tmp_path / name
        rest.write_text("".join(run[middle:-1]))
        got = plain(reader.read(texts([*files, rest]), cache).rounds)
        assert got == plain(reader.read(texts([*files, rest])).rounds)
        assert len(got) == len(rounds(DAY))
        rest.unlink()


def kept(data: Path) -> list[Path]:
    return sorted((data / "cache").iterdir())


def test_it_is_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    reader.read(texts(write(data / "results", DAY, NEXT)), Cache(data))
    assert len(kept(data)) == 2
    assert (data / "cache").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in kept(data)} == {0o600}


Damage = Callable[[Path], object]


def sealed(path: Path, content: bytes) -> None:
    """Write a part as if it were whole."""
    path.write_bytes(blake2b(content).digest() + content)


def taken_apart(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the head of a kept part and its columns."""
    content = path.read_bytes()[DIGEST:]
    at = LENGTH + int.from_bytes(content[:LENGTH], "little")
    head = json.loads(content[LENGTH:at])
    columns = {}
    for name, kind, count in head["columns"]:
        columns[name] = np.frombuffer(content, kind, count, at)
        at += columns[name].nbytes
    return head, columns


def put_together(path: Path, head: object, columns: dict[str, Any]) -> None:
    """Write a kept part of a head and columns, as if it were whole."""
    text = json.dumps(head).encode()
    arrays = b"".join(one.tobytes() for one in columns.values())
    sealed(path, len(text).to_bytes(LENGTH, "little") + text + arrays)


def column(name: str, change: Callable[[Any], Any]) -> Damage:
    """Give what changes one column of a kept part."""

    def damage(path: Path) -> None:
        head, columns = taken_apart(path)
        columns[name] = np.asarray(change(columns[name]))
        head["columns"] = [[key, one.dtype.str, one.size] for key, one in columns.items()]
        put_together(path, head, columns)

    return damage


def told(**changes: object) -> Damage:
    """Give what changes the head of a kept part."""

    def damage(path: Path) -> None:
        head, columns = taken_apart(path)
        put_together(path, head | changes, columns)

    return damage


def no_head(path: Path) -> None:
    """Write a head that is no object."""
    put_together(path, [1], taken_apart(path)[1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"garbage"),
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_bytes(path.read_bytes()[:300]),
        lambda path: sealed(path, b""),
        lambda path: sealed(path, b"garbage"),
        lambda path: sealed(path, path.read_bytes()[DIGEST:-200]),
        lambda path: sealed(path, path.read_bytes()[DIGEST:400]),
        no_head,
        told(version="0"),
        told(columns=[["run", "O", 1]]),
        told(columns=[["run", "<i8", 10**12]]),
        told(columns=[["run", "<U999999999", 1]]),
        told(columns=[["run", "<i4", -1]]),
        told(columns=[["run", "no type", 1]]),
        told(columns=[["run"]]),
        told(columns={}),
        told(files=[]),
        told(files={"/etc/passwd": [1, 2, 3]}),
        told(sources=[{"path": 1}]),
        told(sources=7),
        column("run", lambda _: [10**6]),
        column("run", lambda run: run + 10**6),
        column("subject", lambda subject: subject - 10**6),
        column("at", lambda _: np.zeros((2, 2))),
        column("at", lambda at: np.zeros(2 * len(at), np.int64)),
        column("at", lambda at: at.astype(str)),
        column("target", lambda target: target[:1]),
    ],
)
def test_a_part_that_is_damaged_or_foreign_is_not_used(tmp_path: Path, damage: Damage) -> None:
    files = texts(write(tmp_path / "results", DAY, OTHER))
    cache = Cache(tmp_path)
    wanted = plain(reader.read(files, cache).rounds)
    (path,) = kept(tmp_path)
    damage(path)
    assert plain(reader.read(files, cache).rounds) == wanted
    assert plain(reader.read(files, cache).rounds) == wanted


def test_no_flipped_bit_does_harm(tmp_path: Path) -> None:
    files = texts(write(tmp_path / "results", Watch("v1", {"a": "x."})))
    cache = Cache(tmp_path)
    wanted = plain(reader.read(files, cache).rounds)
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    order = random.Random(7)  # noqa: S311 - a test's own
    for _ in range(150):
        damaged = bytearray(whole)
        for at in order.choices(range(len(whole)), k=order.choice((1, 1, 8))):
            damaged[at] ^= 1 << order.randrange(8)
        path.write_bytes(damaged)
        part = cache.load("20220227", files)
        assert part is None or plain(part.aggregated.rounds) == wanted


def test_a_newer_format_is_refused_however_often(tmp_path: Path) -> None:
    path, *_ = files = write(tmp_path, DAY)
    path.write_text(path.read_text().replace('"format":1', '"format":2'))
    for _ in range(2):
        with pytest.raises(Exception, match="written by a newer keepiton"):
            reader.read(texts(files), Cache(tmp_path))


def in_the_way(data: Path) -> None:
    data.write_text("a file")


def also_in_the_way(data: Path) -> None:
    data.mkdir()
    (data / "cache").write_text("a file")


def a_folder_in_the_way(data: Path) -> None:
    (data / "cache").mkdir(parents=True)
    for number in range(16**2):
        (data / "cache" / f"{number:02x}.part").mkdir()


@pytest.mark.parametrize("obstacle", [in_the_way, also_in_the_way, a_folder_in_the_way])
def test_a_data_folder_that_cannot_be_written_is_no_harm(tmp_path: Path, obstacle: Damage) -> None:
    files = texts(write(tmp_path / "results", DAY))
    data = tmp_path / "data"
    obstacle(data)
    for _ in range(2):
        assert plain(reader.read(files, Cache(data)).rounds) == plain(rounds(DAY))


@pytest.mark.slow
def test_a_data_folder_on_a_disk_that_is_read_only_or_full_is_no_harm(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    files = texts(write(tmp_path / "results", DAY))
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", data], check=True)
    try:
        (data / "cache").mkdir()
        with contextlib.suppress(OSError), (data / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        assert plain(reader.read(files, Cache(data)).rounds) == plain(rounds(DAY))
        assert kept(data) == [], "nothing half written is left"
        subprocess.run(["mount", "-o", "remount,ro", data], check=True)
        assert plain(reader.read(files, Cache(data)).rounds) == plain(rounds(DAY))
    finally:
        subprocess.run(["umount", data], check=True)


def test_it_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    files = texts(write(tmp_path / "results", DAY, NEXT))
    cache = Cache(tmp_path)
    wanted = plain(reader.read(files, cache).rounds)
    shutil.rmtree(tmp_path / "cache")
    assert plain(reader.read(files, cache).rounds) == wanted
