"""Names of result files: of a run's file, and of the file that holds a day of a vantage."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from keepiton.base.files import PART
from keepiton.base.types import IDENTIFIER_PATTERN, RUN_ID_PATTERN
from keepiton.storage.rows import Run

STAMP = "%Y%m%dT%H%M%SZ"
"""How a name writes the time at which its run began, in UTC."""
_RUN_FILE = re.compile(
    r"(?P<started>[0-9]{8}T(?:[01][0-9]|2[0-3])[0-9]{4}Z)"
    rf"-(?P<vantage>{IDENTIFIER_PATTERN})-(?P<run>{RUN_ID_PATTERN})\.jsonl(?:\.part|\.gz|\.zst)?"
)
_DAY_FILE = re.compile(rf"(?P<day>[0-9]{{8}})-(?P<vantage>{IDENTIFIER_PATTERN})\.parquet")


@dataclass(frozen=True, slots=True)
class RunName:
    """What the name of a run's file says: ``20220227T120003Z-v-test-0123456789ab.jsonl``."""

    started_at: datetime
    """In UTC, whole seconds."""
    vantage: str
    run: str

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the name that a run's file has. Raises OverflowError for no instant of UTC."""
        started_at = run.started_at.astimezone(UTC).replace(microsecond=0)
        return cls(started_at, run.vantage, run.run)

    @classmethod
    def parse(cls, file_name: str) -> Self | None:
        """Read the name of a file, sealed, unsealed (.part) or packed; None for another name."""
        match = _RUN_FILE.fullmatch(file_name)
        if not match:
            return None
        try:
            started_at = datetime.fromisoformat(match["started"])
        except ValueError:  # no such day or time
            return None
        return cls(started_at, match["vantage"], match["run"])

    @classmethod
    def parse_path(cls, path: str) -> Self | None:
        """Read the path of a sealed file below the data folder; None for any other."""
        name = cls.parse(path.rpartition("/")[2])
        return name if name and name.path == path else None

    @property
    def file_name(self) -> str:
        """The name of the sealed file."""
        return f"{self.started_at:{STAMP}}-{self.vantage}-{self.run}.jsonl"

    @property
    def day(self) -> str:
        """The day of the name, as eight digits."""
        return f"{self.started_at:%Y%m%d}"

    @property
    def path(self) -> str:
        """The path of the sealed file below the data folder."""
        return f"{day_folder(self.started_at)}/{self.file_name}"

    @property
    def part(self) -> str:
        """The path of the file below the data folder until it is sealed."""
        return self.path + PART

    @property
    def day_file(self) -> "DayName":
        """The name of the file that holds the vantage's runs of that day once they are packed."""
        return DayName(self.started_at.date(), self.vantage)


@dataclass(frozen=True, slots=True)
class DayName:
    """What the name of a file with a day of a vantage says: ``20220227-v-test.parquet``."""

    day: date
    vantage: str

    @classmethod
    def parse(cls, file_name: str) -> Self | None:
        """Read the name of a file; None for another name."""
        match = _DAY_FILE.fullmatch(file_name)
        if not match:
            return None
        try:
            return cls(date.fromisoformat(match["day"]), match["vantage"])
        except ValueError:  # no such day
            return None

    @property
    def file_name(self) -> str:
        """The name of the file."""
        return f"{self.day:%Y%m%d}-{self.vantage}.parquet"


def day_folder(day: date) -> str:
    """Return the folder of a day's files below the data folder."""
    return f"results/{day:%Y/%m/%d}"
