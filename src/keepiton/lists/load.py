"""Reads and validates target lists: all mistakes at once, nothing half-read."""

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keepiton.base.bogons import is_bogon
from keepiton.base.errors import UserError
from keepiton.base.types import RISKS, Risk, clean
from keepiton.lists import citizenlab, plain, toml
from keepiton.lists.canonical import identity
from keepiton.lists.do_not_probe import DoNotProbe, named_addresses
from keepiton.lists.types import Fingerprint, Fingerprints, Target, TargetList
from keepiton.storage.rows import ListUsed

MAX_BYTES = 10 * 1024 * 1024
CONTROLS = "controls"
FINGERPRINTS = "fingerprints"
EVENTS = "events"
NO_LISTS = (FINGERPRINTS, EVENTS)
"""Files that lie among the target lists and are none."""
_PACKAGE = Path(__file__).parent.parent
_IN_WHEEL = _PACKAGE / "shipped"
SHIPPED_FOLDER = _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent.parent / "targets"
"""The lists that come with keepiton: in the wheel, or in the checkout."""


@dataclass(slots=True)
class LoadedLists:
    """Every target to probe, once, and what the user should know of how it came about."""

    targets: list[Target] = field(default_factory=list)
    lists: list[ListUsed] = field(default_factory=list)
    country: str | None = None
    """What the lists are about, where all that name one name the same."""
    notes: list[str] = field(default_factory=list)
    risk: Risk = "low"
    whys: list[str] = field(default_factory=list)
    fingerprints: tuple[Fingerprint, ...] = ()
    """Known answers that are not a target's, of the countries that the lists are about."""
    refused: DoNotProbe = field(default_factory=DoNotProbe)


def available() -> list[str]:
    """Name every shipped list: ``by/operators`` and so on."""
    names = (
        path.relative_to(SHIPPED_FOLDER).with_suffix("") for path in SHIPPED_FOLDER.rglob("*.toml")
    )
    return sorted(path.as_posix() for path in names if path.name not in NO_LISTS)


def _files(word: str) -> list[Path]:
    """Find the files that a word on the command line means. Raises UserError."""
    path = Path(word)
    if path.exists() and not path.is_dir():
        return [path]
    if path.is_dir() and word not in available():
        files = sorted(file for file in path.glob("*.toml") if file.stem not in NO_LISTS)
        if files:
            return files
    return _shipped(word)


def _shipped(word: str) -> list[Path]:
    """Find a shipped list, or the default ones of a country. Raises UserError."""
    names = [name for name in available() if name == word] or [
        name for name in available() if name.startswith(word + "/") and _is_default(name)
    ]
    if not names:
        known = ", ".join(available())
        raise UserError(f"{clean(word)}: no such file or list; shipped lists: {known}")
    return [SHIPPED_FOLDER / (name + ".toml") for name in names]


def _is_default(name: str) -> bool:
    listed, _ = toml.read(name, (SHIPPED_FOLDER / (name + ".toml")).read_text(encoding="utf-8"))
    return listed is not None and listed.default


def text_of(path: Path) -> str:
    """Read a file that a person wrote. Raises UserError where it cannot be read or is no text."""
    try:
        with path.open("rb") as file:
            return _decoded(str(path), file.read(MAX_BYTES + 1))
    except OSError as exc:
        raise UserError(f"{path}: cannot be read: {exc.strerror}") from None


def _decoded(name: str, content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise UserError(f"{name}: larger than 10 MiB; split it")
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise UserError(f"{name}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _reader(name: str, text: str) -> Callable[[str, str], tuple[TargetList | None, list[str]]]:
    """Choose the format: by the file's ending, then by its first line."""
    if name.endswith(".toml"):
        return toml.read
    return citizenlab.read if citizenlab.matches(text) else plain.read


def load(
    asked: Sequence[str],
    stdin: Callable[[int], bytes] = bytes,
    *,
    allow_private: bool = False,
    do_not_probe: Path | None = None,
) -> LoadedLists:
    """Load lists by file, shipped name, or ``-``; with none, the default ones.

    ``stdin`` reads at most the number of bytes that is passed to it.

    Controls that come with a list replace the shipped ones. Raises UserError with every mistake of
    every file, one a line.
    """
    sources: list[tuple[str, str, str]] = []
    mistakes: list[str] = []
    defaults = [] if asked else text_of(SHIPPED_FOLDER / "default.txt").split()
    for word in [*asked, *defaults]:
        try:
            if word == "-":
                sources.append(("stdin", "stdin", _decoded("stdin", stdin(MAX_BYTES + 1))))
                continue
            # A default list is never one that happens to lie in the current folder.
            paths = _files(word) if asked else _shipped(word)
            sources += [(str(path), _listed_name(path), text_of(path)) for path in paths]
        except UserError as exc:
            mistakes.append(str(exc))
    loaded = LoadedLists()
    lists = _read_all(sources, loaded, mistakes)
    if not any(target.control == "foreign" for _, listed in lists for target in listed.target):
        path = SHIPPED_FOLDER / (CONTROLS + ".toml")
        lists += _read_all([(str(path), CONTROLS, text_of(path))], loaded, mistakes)
    countries = {listed.country for _, listed in lists} - {None}
    loaded.country = countries.pop() if len(countries) == 1 else None
    loaded.fingerprints = _fingerprints({listed.country for _, listed in lists}, mistakes)
    for path in [SHIPPED_FOLDER / "do-not-probe.txt", *([do_not_probe] if do_not_probe else [])]:
        try:
            mistakes += loaded.refused.add(str(path), text_of(path))
        except UserError as exc:
            mistakes.append(str(exc))
    _merge(lists, loaded, mistakes, allow_private=allow_private)
    if mistakes:
        raise UserError("\n".join(mistakes))
    if not any(not target.control for target in loaded.targets):
        loaded.notes.append("the lists hold controls only")
    return loaded


def _fingerprints(countries: set[str | None], mistakes: list[str]) -> tuple[Fingerprint, ...]:
    """Read the shipped fingerprints of the lists' countries; of all, where no list names one."""
    fingerprints: tuple[Fingerprint, ...] = ()
    named = countries - {None}
    for path in sorted(SHIPPED_FOLDER.glob(f"*/{FINGERPRINTS}.toml")):
        if named and path.parent.name not in named:
            continue
        try:
            fingerprints += Fingerprints.model_validate(tomllib.loads(text_of(path))).fingerprint
        except (ValueError, UserError) as exc:
            mistakes.append(f"{path}: {exc}")
    return fingerprints


def _listed_name(path: Path) -> str:
    """Name a list for the result file: without the folders it lies in, which may name a person."""
    if SHIPPED_FOLDER in path.resolve().parents:
        return path.resolve().relative_to(SHIPPED_FOLDER.resolve()).with_suffix("").as_posix()
    return clean(path.name)


def _read_all(
    sources: list[tuple[str, str, str]], loaded: LoadedLists, mistakes: list[str]
) -> list[tuple[str, TargetList]]:
    lists = []
    for path, name, text in sources:
        listed, wrong = _reader(path, text)(path, text)
        mistakes += wrong
        if listed:
            digest = hashlib.sha256(text.encode()).hexdigest()
            loaded.lists.append(ListUsed(name=name, sha256=digest, targets=len(listed.target)))
            lists.append((path, listed))
            if listed.risk != "low":
                loaded.whys.append(f"{name} (risk {listed.risk}): {listed.why}")
                loaded.risk = max(loaded.risk, listed.risk, key=RISKS.index)
    return lists


def _merge(
    lists: list[tuple[str, TargetList]],
    loaded: LoadedLists,
    mistakes: list[str],
    *,
    allow_private: bool,
) -> None:
    by_what: dict[tuple[object, ...], int] = {}
    by_id: dict[str, str] = {}
    for path, listed in lists:
        for target in listed.target:
            private = list(filter(is_bogon, named_addresses(target)))
            if private and not allow_private:
                mistakes.append(
                    f'{path}: target "{clean(target.id)}": {private[0]} is private or'
                    " reserved; remove it, or allow such with --allow-private"
                )
            if loaded.refused.target(target):
                loaded.notes.append(f"{clean(target.id)}: on the do-not-probe list, left out")
                continue
            what = identity(target)
            if what in by_what:
                first = loaded.targets[by_what[what]]
                loaded.targets[by_what[what]] = _fill(first, target)
                loaded.notes.append(f"{clean(target.id)}: the same as {clean(first.id)}, merged")
            elif target.id in by_id:
                mistakes.append(
                    f'{path}: target "{clean(target.id)}", id: already used in'
                    f" {by_id[target.id]} for something else; choose another"
                )
            else:
                by_what[what] = len(loaded.targets)
                by_id[target.id] = path
                loaded.targets.append(target)


def _fill(first: Target, second: Target) -> Target:
    """Keep the first target, with what only the second one knows."""
    unset = {name for name in Target.model_fields if name not in first.model_fields_set}
    more = {name: getattr(second, name) for name in unset & second.model_fields_set}
    return first.model_copy(update=more)
