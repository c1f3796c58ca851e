"""What rooms above the core add to its commands.

The core imports none of them: it names modules here, and loads those that a command needs. To add
something to every run, write a module with the functions of :class:`RunExtension` and name it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from keepiton.base.language import Language
from keepiton.cli.option_fields import Command

if TYPE_CHECKING:
    from keepiton.base.connectivity import Connectivity
    from keepiton.report.types import ExternalSeries
    from keepiton.storage.state import DataFolderState

RUN_EXTENSIONS = (
    "keepiton.commands.schedule_expiry",
    "keepiton.commands.retention",
    "keepiton.commands.alarm_options",
)
"""Modules that take part in every run of ``probe`` and ``watch``, in this order."""
EXTERNAL_SERIES = "keepiton.compare"
"""Module whose ``read`` gives the series of a file of other projects, for ``report --compare``."""
ENGINE_READER = "keepiton.fleet.engine"
"""Module whose ``read`` gives the results behind an engine's URL, for ``--engine``."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run, as its extensions see it; the caller holds the lock of the data folder."""

    data: Path
    memory: "DataFolderState"
    now: datetime
    """When the run was planned."""
    until: date | None
    """The last day, in UTC, on which a schedule measures."""
    lang: Language
    quiet: bool
    verbose: bool


class RunHooks:
    """What an extension does at each step of a run: nothing, where it does not say otherwise."""

    def allow(self, run: RunContext) -> bool:
        """Return whether the run may take place; the hook prints why not."""
        del run
        return True

    def begin(self, run: RunContext) -> bool:
        """Prepare for a run that begins now; return whether to measure the essential alone.

        Raises OSError where the run must not begin.
        """
        del run
        return False

    def end(self, run: RunContext, verdict: "Connectivity | None", code: int) -> None:
        """Take note of how a run ended; without a verdict, its results were not written."""


class RunExtension(Protocol):
    """What a module of ``RUN_EXTENSIONS`` offers."""

    def options(self, function: Command, /) -> Command:
        """Add its options to ``probe`` and ``watch``."""
        ...

    def prepare_run(self, data: Path, values: Mapping[str, Any]) -> RunHooks:
        """Return what it does in a run of these option values. Raises UserError; writes nothing."""
        ...


def run_extensions() -> list[RunExtension]:
    """Load the modules that take part in every run."""
    return [cast("RunExtension", import_module(name)) for name in RUN_EXTENSIONS]


def add_run_options(function: Command) -> Command:
    """Add the options of every extension of a run, in the order of the table."""
    for extension in reversed(run_extensions()):
        function = extension.options(function)
    return function


def external_series(paths: Iterable[Path]) -> "tuple[ExternalSeries, ...]":
    """Read series of other projects from files as they offer them. Raises UserError."""
    return tuple(series for path in paths for series in import_module(EXTERNAL_SERIES).read(path))
