"""What a check is given to look at, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from keepiton.base.language import Language, gettext_noop
from keepiton.base.types import clean
from keepiton.probe.runner import Progress
from keepiton.storage.rows import Measurement
from keepiton.storage.state import DataFolderState as Memory

CheckOutcome = Literal["well", "note", "trouble", "not looked"]
Value = str | int | float | datetime | timedelta


@dataclass(frozen=True, slots=True)
class CheckText:
    """A text, and what is filled in where it is read."""

    text: str
    """English, marked with ``noted`` where it stands."""
    values: Mapping[str, Value] = field(default_factory=dict)

    def by(self, words: Language) -> str:
        """Say it in a language; instants are UTC."""

        def written(value: Value) -> str:
            if isinstance(value, datetime):
                return words.instant(value, UTC)
            if isinstance(value, timedelta):
                return words.duration(value)
            return value if isinstance(value, str) else words.number(value)

        return words.gettext(self.text, **{name: written(one) for name, one in self.values.items()})


def check_text(text: str, **values: Value) -> CheckText:
    """Take a marked text with its values."""
    return CheckText(text, values)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found."""

    name: str
    """Of the check, as in the table of checks."""
    state: CheckOutcome
    said: tuple[CheckText, ...]
    advice: CheckText | None = None
    """What a person may do about it, in a sentence or two."""


class CheckSkipped(Exception):  # noqa: N818 - no error: there was nothing to look at
    """A check could not look; why."""

    def __init__(self, why: CheckText) -> None:
        """Take why."""
        super().__init__(why.text)
        self.why = why


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """What the network said: the controls' rows, and the answers to a name that cannot be."""

    rows: tuple[Measurement, ...]
    progress: Progress
    made_up: Mapping[str, bool | None]
    """By resolver: whether it gave an address for the name; None where it did not say."""


OFFLINE = check_text(gettext_noop("The network was not asked."))


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What every check is given: this machine, a data folder, and what the network said."""

    data: Path
    chosen: bool
    """The folder was named, and is not the user's usual one."""
    config: tuple[Path, ...]
    """Where configuration is looked for, there or not."""
    environment: Mapping[str, str]
    now: datetime
    memory: Memory | None
    """What the folder remembers; None when that is damaged."""
    floor: int = 200_000_000
    """Bytes of the disk that runs leave free."""
    roots: Path | None = None
    """Trust anchors instead of the pinned ones."""
    network: NetworkCheck | None = None
    unheard: CheckText = OFFLINE
    """Why the network was not asked."""

    @property
    def heard(self) -> NetworkCheck:
        """What the network said. Raises NotLooked when it was not asked."""
        if self.network is None:
            raise CheckSkipped(self.unheard)
        return self.network

    def shown(self, path: Path) -> str:
        """Write a path without the home folder, which names a person."""
        home = self.environment.get("HOME") or self.environment.get("USERPROFILE")
        if home and len(Path(home).parts) > 1 and path.is_relative_to(home):
            path = Path("~") / path.relative_to(home)
        return clean(str(path))


def ok(*said: CheckText) -> CheckResult:
    """All is as it should be."""
    return CheckResult("", "well", said)


def info(*said: CheckText, advice: CheckText | None = None) -> CheckResult:
    """Nothing is wrong; something is good to know."""
    return CheckResult("", "note", said, advice)


def problem(*said: CheckText, advice: CheckText) -> CheckResult:
    """Something is wrong, and this can be done about it."""
    return CheckResult("", "trouble", said, advice)
