"""Detects windows after a run, and announces what changed to every channel."""

import importlib.util
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.base.language import Language
from keepiton.base.secret_file import read_secrets
from keepiton.cli import exits, times
from keepiton.detect import Policy, detect
from keepiton.detect.types import Detection
from keepiton.operate.alarms import deliver, memory
from keepiton.operate.alarms.changes import FLOORS, compare
from keepiton.operate.alarms.deliver import Channel
from keepiton.report.types import Report, shared_fields
from keepiton.storage.cache import Cache
from keepiton.storage.reader import read
from keepiton.storage.result_files import find

LOOK_BACK_DAYS = 11
"""Days read before now: those that a window is remembered, and eight more, so that noise and usual
durations are known."""
AHEAD_S = 3600
"""Rows later than this from now are left out: a stranger's clock must not make everything that
goes on look old."""
MOST_URLS = 20


@dataclass(frozen=True, slots=True)
class Announcer:
    """Channels that get announcements, and the least confidence of a window, 0 to 1."""

    floor: float
    channels: tuple[Channel, ...] = field(repr=False)

    def announce(self, data: Path, lang: Language, now: datetime, *, verbose: bool) -> None:
        """Detect, compare with what was announced, and send. Raises UserError, OSError."""
        since = now - timedelta(days=LOOK_BACK_DAYS)
        rounds = read(find([data / "results"]), Cache(data), since).rounds
        rounds = rounds.of(rounds.at <= (now.timestamp() + AHEAD_S) * 1000)
        if not len(rounds):
            return
        policy = Policy()
        detection = detect(rounds, policy, now)
        zone = times.zone(None, rounds.country)
        fields = shared_fields(Detection, detection)
        report = Report(**fields, policy=policy, zone=zone, now=now, lang=lang)
        remembered = memory.load(data)
        remembered.announced, changes = compare(remembered.announced, detection, now, self.floor)
        deliver.add_pending(remembered, changes, self.channels)

        def save() -> None:
            memory.save(data, remembered)

        def report_failure(text: str) -> None:
            exits.print_error(text, 0)

        save()  # before anything is sent
        deliver.deliver(remembered, self.channels, report, save, report_failure, verbose=verbose)


def prepare_announcer(
    data: Path, on_change: str | None, notify_file: Path | None, alarm_from: str
) -> Announcer:
    """Read the channels and check the memory of the data folder. Raises UserError."""
    channels = [Channel("--on-change", command=on_change)] if on_change else []
    if notify_file:
        channels += _services(notify_file)
    memory.load(data)
    return Announcer(FLOORS[alarm_from], tuple(channels))


def _services(path: Path) -> list[Channel]:
    """Return the channels of a file of Apprise URLs. Raises UserError."""
    if not importlib.util.find_spec("apprise"):
        raise UserError("--notify-file: Apprise is not installed; pip install 'keepiton[notify]'")
    urls = {
        number: line.strip()
        for number, line in enumerate(read_secrets(path).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    if not urls or len(urls) > MOST_URLS:
        raise UserError(f"{path}: write one Apprise URL a line, 1 to {MOST_URLS} of them")
    wrong = deliver.unknown(list(urls.values()))
    if wrong is not None:
        raise UserError(
            f"{path}:{list(urls)[wrong]}: not a URL of a service that Apprise knows;"
            " write one such as ntfys://ntfy.sh/TOPIC"
        )
    return [Channel(f"--notify-file, line {number}", url=url) for number, url in urls.items()]
