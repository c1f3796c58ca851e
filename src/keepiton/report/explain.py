"""What each code means, in plain words: failures, reasons, verdicts on the own line, findings.

The texts stand in ``explain.toml``, which is read at first use. Tests hold them against the failure
table and the model.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources

from keepiton.base.suggest import closest
from keepiton.probe.failures import TABLE

WIDTH = 80
UNKNOWN = "unknown_failure"
"""How a failure begins that has no name of OONI's, and the code of those that have no text."""
_PREFIX = f"{UNKNOWN}: "
SHORT_CODE = 27
"""Columns of a code that has its meaning on the same line."""
TITLES = {
    "failure": "Failures of a measurement",
    "reason": "Reasons why a measurement is inconclusive or skipped",
    "line": "Verdicts on this machine's own line",
    "finding": "Findings about a target",
}
"""Every kind of code, and its title in the list."""


@dataclass(frozen=True, slots=True)
class Text:
    """One code in plain words."""

    short: str
    """A line of the list."""
    means: str
    causes: str
    not_proof: str


def _text(name: str, entry: object, shared: Mapping[str, Mapping[str, str]]) -> Text:
    """Validate one entry, and complete it with what its ``like`` shares. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError(f"explain.toml: {name}: not a table")  # noqa: TRY004 - of the file
    own = {key: value for key, value in entry.items() if key != "like"}
    common = shared.get(entry["like"]) if "like" in entry else {}
    if common is None or (common and "means" not in own):
        raise ValueError(f"explain.toml: {name}: like nothing that is shared, or without a meaning")
    whole = {**common, **own}
    if whole.keys() != {field.name for field in fields(Text)}:
        raise ValueError(f"explain.toml: {name}: a key is missing or unknown")
    if not all(value and isinstance(value, str) for value in whole.values()):
        raise ValueError(f"explain.toml: {name}: a value is empty or no text")
    if common:
        whole["means"] = f"{own['means']} {common['means']}"
    return Text(**whole)


@cache
def kinds() -> Mapping[str, Mapping[str, Text]]:
    """Read every text, by kind and code. Raises ValueError for an entry that is not whole."""
    import tomllib  # noqa: PLC0415 - no other use of this module needs it

    source = resources.files(__package__).joinpath("explain.toml").read_text(encoding="utf-8")
    data = tomllib.loads(source)
    shared = data.pop("shared")
    names = {
        str(condition.alert): condition.failure
        for condition in TABLE
        if condition.alert is not None
    }
    for number, entry in data.pop("alert").items():
        data["failure"][names[number]] = {"like": "alert", **entry}
    if data.keys() != TITLES.keys():
        raise ValueError("explain.toml: a kind of code is missing or unknown")
    return {
        kind: {name: _text(name, entry, shared) for name, entry in data[kind].items()}
        for kind in TITLES
    }


def key(code: str) -> str:
    """Write a code as it is compared: no prefix, lower case, words joined by ``_``."""
    text = re.sub(r"[^a-z0-9]+", "_", code[:200].lower()).strip("_")
    return text.removeprefix(f"{UNKNOWN}_")


def _spellings(name: str) -> set[str]:
    """Return how a code may be written: whole, or what stands after ``tls:``."""
    return {key(name), key(name).rpartition("tls_")[2]}


def find(code: str) -> list[tuple[str, str]]:
    """Return the kinds and codes that are meant; none when there are none.

    A failure that begins with ``unknown_failure`` and has no text of its own is that.
    """
    matches = [
        (kind, name)
        for kind, texts in kinds().items()
        for name in texts
        if key(code) in _spellings(name)
    ]
    if not matches and code.strip().lower().startswith(f"{UNKNOWN}:"):
        return [("failure", UNKNOWN)]
    return matches


def near(code: str) -> list[str]:
    """Return the codes that are spelt most like one, at most three."""
    known = {
        spelling: name
        for texts in kinds().values()
        for name in texts
        for spelling in _spellings(name)
    }
    close = closest(key(code), known, 3)
    return list(dict.fromkeys(known[spelling].removeprefix(_PREFIX) for spelling in close))


def text(kind: str, name: str, width: int = WIDTH) -> str:
    """Write what one code means, in lines of at most ``width`` columns."""
    entry = kinds()[kind][name]
    where = kind
    if kind == "failure":
        stages = dict.fromkeys(
            stage for row in TABLE if row.failure == name for stage in row.stages
        )
        where = f"failure at {', '.join(stages)}" if stages else kind
    parts = [
        *textwrap.wrap(f"{name} ({where})", width, subsequent_indent="  "),
        f"  {entry.short}",
    ]
    for title, paragraph in (
        ("What it means", entry.means),
        ("Common causes", entry.causes),
        ("What it does not prove", entry.not_proof),
    ):
        parts += ["", title]
        parts += textwrap.wrap(paragraph, width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(parts) + "\n"


def listing() -> Iterator[str]:
    """Write every code with its one line, by kind; ``unknown_failure: `` is left out."""
    indent = " " * (SHORT_CODE + 4)
    for kind, texts in kinds().items():
        yield f"{TITLES[kind]}:"
        for name, entry in texts.items():
            shown = name.removeprefix(_PREFIX)
            first, *more = textwrap.wrap(entry.short, WIDTH - len(indent))
            if len(shown) <= SHORT_CODE:
                yield f"  {shown:<{SHORT_CODE}}  {first}"
            else:
                yield from (f"  {shown}", indent + first)
            yield from (indent + line for line in more)
        yield ""
