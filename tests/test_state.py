"""The memory of a data folder: what is written, and when targets may be probed again."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepiton.base.errors import UserError
from keepiton.storage import state
from keepiton.storage.state import AGAIN, JITTER, DataFolderState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_file_is_indented_json_with_the_keys_of_the_format(tmp_path: Path) -> None:
    state.save(tmp_path, DataFolderState(vantage="v-1", first_run_shown=1, probed_at={"a": NOW}))
    assert (tmp_path / state.FILE).read_text() == (
        '{\n "vantage": "v-1",\n "told": 1,\n "accepted": {},\n "chain": {},\n'
        ' "asked_at": {\n  "a": "2026-01-01T00:00:00.000Z"\n },\n "ending": {}\n}'
    )
    assert [path.name for path in tmp_path.iterdir()] == [state.FILE]


def test_a_file_that_cannot_be_read_is_a_mistake_with_its_place_and_remedy(tmp_path: Path) -> None:
    (tmp_path / state.FILE).mkdir()
    with pytest.raises(UserError) as caught:
        state.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / state.FILE}: cannot be read (Is a directory); check the disk, and who owns it"
    )


@pytest.mark.parametrize(
    ("age", "again_in"),
    [
        (timedelta(0), AGAIN),
        (AGAIN - JITTER - SECOND, JITTER + SECOND),
        (AGAIN - JITTER, None),
        (-SECOND, None),
    ],
)
def test_targets_wait_from_the_last_run_to_the_least_time(
    age: timedelta, again_in: timedelta | None
) -> None:
    memory = DataFolderState(probed_at={"a": NOW - age, "other": NOW})
    assert memory.too_soon(["a"], NOW) == (None if again_in is None else NOW + again_in)


def test_only_instants_that_still_matter_are_remembered() -> None:
    ages = {"now": timedelta(0), "young": AGAIN - SECOND, "old": AGAIN, "future": -SECOND}
    memory = DataFolderState(probed_at={name: NOW - age for name, age in ages.items()})
    memory.note_probed(["new"], NOW)
    assert memory.probed_at == {"now": NOW, "young": NOW - AGAIN + SECOND, "new": NOW}


def test_a_random_vantage_is_eight_letters_without_a_vowel_or_a_look_alike() -> None:
    names = {state.random_vantage() for _ in range(200)}
    assert len(names) == 200
    assert all(re.fullmatch("v-[b-df-hj-km-np-tv-z2-9]{8}", name) for name in names)
    assert set("".join(name[2:] for name in names)) == set("bcdfghjkmnpqrstvwxz23456789")


def test_it_is_written_beside_itself_under_one_name(tmp_path: Path) -> None:
    (tmp_path / "state.json.new").mkdir()
    with pytest.raises(OSError, match=r"state\.json\.new"):
        state.save(tmp_path, DataFolderState())


@pytest.mark.parametrize("text", ["{", '{"told": "never"}'])
def test_a_damaged_file_is_a_mistake_with_its_place_and_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / state.FILE).write_text(text)
    with pytest.raises(UserError) as caught:
        state.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / state.FILE}: damaged; delete it (results are not touched; the vantage name "
        "is asked anew)"
    )
