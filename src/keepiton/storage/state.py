"""The state of a data folder between runs: one small file, replaced whole."""

import json
import secrets
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keepiton.base import files
from keepiton.base.errors import UserError
from keepiton.base.types import Instant, Perspective, Risk, Sha256, Token

FILE = "state.json"
CONSENT = 2
"""Version of the first-run text; raised when what keepiton does changes, so that it asks again."""
AGAIN = timedelta(minutes=5)
"""Least time between two runs over the same targets without an explicit flag (SAFETY S11)."""
JITTER = AGAIN / 5
"""What schedules may vary by, so that one of five minutes is kept to (SAFETY S11)."""


class Acceptance(BaseModel):
    """A risk level that the user accepted, when, and of which text."""

    at: Instant
    consent: int


class DataFolderState(BaseModel):
    """The folder's state. Losing it loses no measurement."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    vantage: Token | None = None
    perspective: Perspective | None = None
    first_run_shown: int = Field(0, alias="told")
    accepted: dict[Risk, Acceptance] = Field(default_factory=dict)
    open_file: str | None = Field(
        None, alias="open", description="the unsealed file of a run that is under way"
    )
    chain: dict[str, Sha256] = Field(default_factory=dict, description="last seal by vantage")
    probed_at: dict[str, Instant] = Field(
        default_factory=dict, alias="asked_at", description="by target id"
    )
    expiry_announced: dict[str, date] = Field(
        default_factory=dict,
        alias="ending",
        description="when it was said that a schedule ends, by its last day",
    )

    def too_soon(self, targets: list[str], now: datetime) -> datetime | None:
        """Return when these targets may be probed again, or None when they may be now."""
        times = [self.probed_at[target] for target in targets if target in self.probed_at]
        latest = max((at for at in times if at <= now), default=None)
        return latest + AGAIN if latest and now - latest < AGAIN - JITTER else None

    def note_probed(self, targets: list[str], now: datetime) -> None:
        """Note when targets were probed, and drop times that no longer matter."""
        kept = {
            target: at for target, at in self.probed_at.items() if timedelta(0) <= now - at < AGAIN
        }
        self.probed_at = kept | dict.fromkeys(targets, now)


def random_vantage() -> str:
    """Return a random vantage name, which says nothing of the machine (SAFETY S6)."""
    return "v-" + "".join(secrets.choice("bcdfghjkmnpqrstvwxz23456789") for _ in range(8))


def load(data: Path) -> DataFolderState:
    """Read the folder's state; an absent one is empty. Raises UserError when it is damaged."""
    path = data / FILE
    try:
        return DataFolderState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return DataFolderState()
    except OSError as exc:
        text = f"{path}: cannot be read ({exc.strerror}); check the disk, and who owns it"
        raise UserError(text) from None
    except (ValidationError, json.JSONDecodeError):
        raise UserError(
            f"{path}: damaged; delete it (results are not touched; the vantage name is asked anew)"
        ) from None


def save(data: Path, state: DataFolderState) -> None:
    """Replace the folder's state. Raises OSError."""
    text = state.model_dump_json(by_alias=True, exclude_none=True, indent=1)
    with files.replacement(data / FILE, temporary=data / (FILE + ".new")) as file:
        file.write(text.encode())
