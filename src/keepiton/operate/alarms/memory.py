"""What a data folder remembers of its alarms: one small file, replaced atomically."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keepiton.base import files
from keepiton.base.errors import UserError
from keepiton.operate.alarms.changes import AnnouncedWindow, Change

FILE = "alarms.json"
GIVE_UP = timedelta(days=1)
"""How long it is tried to deliver a message."""
MOST_PENDING = 500
KEY_LENGTH = 6
"""Hexadecimal digits that tell the lines of a notify file apart: too few to guess a secret by."""


class Pending(BaseModel):
    """A change that not everybody has been told yet."""

    change: Change
    left: list[str] = Field(description="keys of the channels that have not got it")
    complained: list[str] = Field(default_factory=list, description="those named on stderr")


class AlarmMemory(BaseModel):
    """What was announced, and what is still to be delivered. Losing it loses no measurement."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    salt: str = Field(default_factory=lambda: secrets.token_hex(16))
    announced: list[AnnouncedWindow] = Field(default_factory=list, alias="told")
    pending: list[Pending] = Field(default_factory=list)

    def key(self, secret: str) -> str:
        """Return what stands for a channel that must not be written down."""
        return sha256(f"{self.salt}|{secret}".encode()).hexdigest()[:KEY_LENGTH]

    def drop_expired(self, now: datetime) -> list[Pending]:
        """Take out what has waited too long, or stands before too much else; return it."""
        kept = [one for one in self.pending if now - one.change.at <= GIVE_UP][-MOST_PENDING:]
        lost = [one for one in self.pending if all(one is not other for other in kept)]
        self.pending = kept
        return lost


def load(data: Path) -> AlarmMemory:
    """Read what the folder remembers; an absent file is empty. Raises UserError when damaged."""
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
    """Replace what the folder remembers in one step. Raises OSError."""
    with files.replacement(data / FILE, temporary=data / (FILE + ".new")) as file:
        file.write(memory.model_dump_json(by_alias=True, indent=1).encode())
