"""Reads and validates target lists: all mistakes at once, nothing half-read."""

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from keepiton.base.bogons import is_bogon
from keepiton.base.errors import UserError
from keepiton.base.names import host_name
from keepiton.base.types import RISKS, Risk, clean
from keepiton.lists import citizenlab, plain, toml
from keepiton.lists.canonical import identity
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
    refused: "DoNotProbe" = field(default_factory=lambda: DoNotProbe([], []))


@dataclass(frozen=True, slots=True)
class DoNotProbe:
    """What is never contacted, whatever a list says (SAFETY S13)."""

    hosts: list[str]
    networks: list[IPv4Network | IPv6Network]

    def address(self, text: str) -> bool:
        """Whether an address must not be contacted."""
        address = ip_address(text)
        return any(address in net for net in self.networks if net.version == address.version)

    def name(self, host: str) -> bool:
        """Whether a host, or one that it lies under, must not be contacted."""
        return any(host == one or host.endswith("." + one) for one in self.hosts)

    def target(self, target: Target) -> bool:
        """Whether a target as a whole must not be contacted."""
        if self.name((urlsplit(target.url).hostname if target.url else target.host) or ""):
            return True
        return any(self.address(one) for one in _literals(target))


def available() -> list[str]:
    """Name every shipped list: ``by/operators`` and so on."""
    found = (
        path.relative_to(SHIPPED_FOLDER).with_suffix("") for path in SHIPPED_FOLDER.rglob("*.toml")
    )
    return sorted(path.as_posix() for path in found if path.name not in NO_LISTS)


def _files(given: str) -> list[Path]:
    """Find the files that a word on the command line means. Raises UserError."""
    path = Path(given)
    if path.exists() and not path.is_dir():
        return [path]
    if path.is_dir() and given not in available():
        found = sorted(one for one in path.glob("*.toml") if one.stem not in NO_LISTS)
        if found:
            return found
    return _shipped(given)


def _shipped(given: str) -> list[Path]:
    """Find a shipped list, or the default ones of a country. Raises UserError."""
    names = [one for one in available() if one == given] or [
        one for one in available() if one.startswith(given + "/") and _is_default(one)
    ]
    if not names:
        known = ", ".join(available())
        raise UserError(f"{clean(given)}: no such file or list; shipped lists: {known}")
    return [SHIPPED_FOLDER / (one + ".toml") for one in names]


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
    given: Sequence[str],
    stdin: Callable[[int], bytes] = bytes,
    *,
    allow_private: bool = False,
    do_not_probe: Path | None = None,
) -> LoadedLists:
    """Load lists by file, shipped name, or ``-``; with none, the default ones.

    ``stdin`` reads at most as many bytes as it is told.

    Controls that come with a list replace the shipped ones. Raises UserError with every mistake of
    every file, one a line.
    """
    sources: list[tuple[str, str, str]] = []
    mistakes: list[str] = []
    defaults = [] if given else text_of(SHIPPED_FOLDER / "default.txt").split()
    for word in [*given, *defaults]:
        try:
            if word == "-":
                sources.append(("stdin", "stdin", _decoded("stdin", stdin(MAX_BYTES + 1))))
                continue
            # A default list is never one that happens to lie in the current folder.
            paths = _files(word) if given else _shipped(word)
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
    loaded.refused = _do_not_probe(do_not_probe, mistakes)
    _merge(lists, loaded, mistakes, allow_private=allow_private)
    if mistakes:
        raise UserError("\n".join(mistakes))
    if not any(not target.control for target in loaded.targets):
        loaded.notes.append("the lists hold controls only")
    return loaded


def _fingerprints(countries: set[str | None], mistakes: list[str]) -> tuple[Fingerprint, ...]:
    """Read the shipped fingerprints of the lists' countries; of all, where no list names one."""
    found: tuple[Fingerprint, ...] = ()
    named = countries - {None}
    for path in sorted(SHIPPED_FOLDER.glob(f"*/{FINGERPRINTS}.toml")):
        if named and path.parent.name not in named:
            continue
        try:
            found += Fingerprints.model_validate(tomllib.loads(text_of(path))).fingerprint
        except (ValueError, UserError) as exc:
            mistakes.append(f"{path}: {exc}")
    return found


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
            private = [one for one in _literals(target) if is_bogon(one)]
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


def _literals(target: Target) -> list[str]:
    """Every address that the target itself names, in its URL or host too."""
    found = list(target.addresses)
    host = (urlsplit(target.url).hostname if target.url else target.host) or ""
    with suppress(ValueError):
        found.append(str(ip_address(host)))
    return found


def _fill(first: Target, second: Target) -> Target:
    """Keep the first target, with what only the second one knows."""
    unset = {name for name in Target.model_fields if name not in first.model_fields_set}
    more = {name: getattr(second, name) for name in unset & second.model_fields_set}
    return first.model_copy(update=more)


def _do_not_probe(extra: Path | None, mistakes: list[str]) -> DoNotProbe:
    hosts: list[str] = []
    networks: list[IPv4Network | IPv6Network] = []
    for path in [SHIPPED_FOLDER / "do-not-probe.txt", *([extra] if extra else [])]:
        try:
            text = text_of(path)
        except UserError as exc:
            mistakes.append(str(exc))
            continue
        for at, line in enumerate(text.splitlines(), 1):
            entry = line.split("#", 1)[0].strip()
            if not entry:
                continue
            try:
                networks.append(ip_network(entry))
            except ValueError:
                try:
                    hosts.append(host_name(entry))
                except ValueError as exc:
                    mistakes.append(f"{path}:{at}: {exc}; write a host, address or prefix a line")
    return DoNotProbe(hosts, networks)
