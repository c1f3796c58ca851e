"""Announced windows and undelivered messages of a data folder: one small file."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from keepiton.base import files
from keepiton.base.errors import UserError
from keepiton.operate.alarms.changes import AnnouncedWindow, Change

FILE = "alarms.json"
GIVE_UP = timedelta(days=1)
"""How long delivery of a message is tried."""
MOST_PENDING = 500
"""Undelivered changes that are kept, the newest."""
KEY_LENGTH = 6
"""Hexadecimal digits that distinguish the lines of a notify file: too few to guess a secret by."""
FORMER_KEYS = {
    "told": "announced",
    "why": "reason",
    "instead": "supersedes",
    "words": "confidence_label",
    "witnesses": "evidence",
    "on_mark": "starts_on_half_hour",
    "vantages_silent": "vantages_without_data",
}
"""Keys that files of earlier versions have, at any depth, and what they are called now."""


class Pending(BaseModel):
    """A change that has not been delivered to every channel yet."""

    change: Change
    left: list[str] = Field(description="keys of the channels without it")
    complained: list[str] = Field(
        default_factory=list, description="keys of those whose failure was reported on stderr"
    )


class AlarmMemory(BaseModel):
    """Announced windows, and changes still to be delivered. Losing it loses no measurement."""

    model_config = ConfigDict(extra="ignore")

    salt: str = Field(default_factory=lambda: secrets.token_hex(16))
    announced: list[AnnouncedWindow] = Field(default_factory=list)
    pending: list[Pending] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _rename_former_keys(cls, content: object) -> object:
        return _with_current_keys(content)

    def key(self, secret: str) -> str:
        """Return the key of a channel whose secret must not be written to the file."""
        return sha256(f"{self.salt}|{secret}".encode()).hexdigest()[:KEY_LENGTH]

    def drop_expired(self, now: datetime) -> list[Pending]:
        """Remove the changes that are too old or too many; return them."""
        recent = [entry for entry in self.pending if now - entry.change.at <= GIVE_UP]
        kept = recent[-MOST_PENDING:]
        lost = [entry for entry in self.pending if all(entry is not other for other in kept)]
        self.pending = kept
        return lost


def _with_current_keys(content: object) -> object:
    if isinstance(content, dict):
        return {
            FORMER_KEYS.get(key, key): _with_current_keys(value) for key, value in content.items()
        }
    return [_with_current_keys(item) for item in content] if isinstance(content, list) else content


def load(data: Path) -> AlarmMemory:
    """Read the file of a data folder; an absent one is empty. Raises UserError when damaged."""
    path = data / FILE
    try:
        return AlarmMemory.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return AlarmMemory()
    except OSError as exc:
        raise UserError(f"{path}: cannot be read ({exc.strerror}); check who owns it") from None
    except ValidationError:
        raise UserError(
            f"{path}: damaged; delete it (results are not touched; what goes on now is announced"
            " once more)"
        ) from None


def save(data: Path, memory: AlarmMemory) -> None:
    """Replace the file in one step. Raises OSError."""
    with files.replacement(data / FILE, temporary=data / (FILE + ".new")) as file:
        file.write(memory.model_dump_json(indent=1).encode())
