"""Reports of fixed files are the same bytes as ever: a rename cannot change a result unseen."""

import pytest

import golden

NAMES = sorted(
    str(path.relative_to(golden.FOLDER)) for path in golden.FOLDER.rglob("*") if path.is_file()
)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_fixed_files_are_the_same_bytes(name: str) -> None:
    assert golden.expected()[name].decode() == (golden.FOLDER / name).read_bytes().decode()


def test_every_output_is_held() -> None:
    assert sorted(golden.expected()) == NAMES
