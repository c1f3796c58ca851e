"""Names the known word that an unknown one was probably meant to be."""

from collections.abc import Iterable, Sequence

COMPARED_CHARACTERS = 80
"""Characters of a name that are compared: what a file holds may be hostile."""


def closest(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Return the known names that are spelt most alike, at least half, the closest first."""
    import difflib  # noqa: PLC0415 - only after a slip of the pen

    return difflib.get_close_matches(name[:COMPARED_CHARACTERS], list(known), count, 0.5)


def did_you_mean(name: str, known: Sequence[str], near: Sequence[str] = ()) -> str:
    """Return a hint: the closest of the known and near names, else all that are known."""
    close = closest(name, [*known, *near])
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
