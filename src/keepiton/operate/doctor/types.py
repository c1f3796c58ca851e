"""Types of the doctor's checks: what a check is given, and the result that it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from keepiton.base.language import Language, gettext_noop
from keepiton.base.types import clean
from keepiton.probe.types import Progress
from keepiton.storage.rows import Measurement
from keepiton.storage.state import DataFolderState

CheckOutcome = Literal["ok", "info", "problem", "skipped"]
Value = str | int | float | datetime | timedelta


@dataclass(frozen=True, slots=True)
class CheckText:
    """A message with its values, translated when it is displayed."""

    template: str
    """English, as marked for translation."""
    values: Mapping[str, Value] = field(default_factory=dict)
    sentence: bool = False
    """Whether it is displayed with a capital letter and a full stop, which it is stored without."""

    def translated(self, lang: Language) -> str:
        """Return the message in a language; instants are written in UTC."""

        def formatted(value: Value) -> str:
            if isinstance(value, datetime):
                return lang.instant(value, UTC)
            if isinstance(value, timedelta):
                return lang.duration(value)
            return value if isinstance(value, str) else lang.number(value)

        values = {name: formatted(value) for name, value in self.values.items()}
        message = lang.gettext(self.template, **values)
        return f"{message[0].upper()}{message[1:]}." if self.sentence else message


def lazy_gettext(template: str, **values: Value) -> CheckText:
    """Mark a message for translation, with its values; the checks import it as ``_``."""
    return CheckText(template, values)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one check."""

    name: str
    """Name of the check, as in the table of checks."""
    state: CheckOutcome
    messages: tuple[CheckText, ...]
    advice: CheckText | None = None
    """What a person may do about it, in a sentence or two."""


class CheckSkipped(Exception):  # noqa: N818 - no error: nothing could be checked
    """A check could not be made."""

    def __init__(self, reason: CheckText) -> None:
        """Store the reason."""
        super().__init__(reason.template)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """Measurements of the control targets, and of a name that does not exist."""

    rows: tuple[Measurement, ...]
    progress: Progress
    made_up: Mapping[str, bool | None]
    """By resolver: whether it returned an address for the name; None without an answer."""


OFFLINE = CheckText(gettext_noop("The network was not asked."))


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What every check is given: this machine, a data folder, and measurements of the network."""

    data: Path
    data_given: bool
    """The folder was named, and is not the user's usual one."""
    config: tuple[Path, ...]
    """Paths of the configuration files, whether or not they exist."""
    environment: Mapping[str, str]
    now: datetime
    memory: DataFolderState | None
    """What the folder remembers between runs; None when that is damaged."""
    min_free: int = 200_000_000
    """Bytes of the disk that runs leave free."""
    roots: Path | None = None
    """Trust anchors instead of the pinned ones."""
    measured: NetworkCheck | CheckText = OFFLINE
    """Measurements of the network, or why there are none."""

    @property
    def network(self) -> NetworkCheck:
        """Measurements of the network. Raises CheckSkipped when there are none."""
        if isinstance(self.measured, CheckText):
            raise CheckSkipped(self.measured)
        return self.measured

    def display_path(self, path: Path) -> str:
        """Return a path without the home folder, which names a person."""
        home = self.environment.get("HOME") or self.environment.get("USERPROFILE")
        if home and len(Path(home).parts) > 1 and path.is_relative_to(home):
            path = Path("~") / path.relative_to(home)
        return clean(str(path))


def ok(*messages: CheckText) -> CheckResult:
    """Return the result of a check that is as it should be."""
    return CheckResult("", "ok", messages)


def info(*messages: CheckText, advice: CheckText | None = None) -> CheckResult:
    """Return the result of a check without a problem that is worth knowing about."""
    return CheckResult("", "info", messages, advice)


def problem(*messages: CheckText, advice: CheckText) -> CheckResult:
    """Return the result of a check with a problem, and what can be done about it."""
    return CheckResult("", "problem", messages, advice)
