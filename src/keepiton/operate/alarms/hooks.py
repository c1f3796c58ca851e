"""Alarms of one run: pings when it begins and ends, and messages about changed windows."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

from keepiton.base.connectivity import Connectivity
from keepiton.base.errors import UserError
from keepiton.base.language import Language
from keepiton.base.secret_file import read_secrets
from keepiton.cli import exits
from keepiton.cli.extensions import RunContext, RunHooks
from keepiton.operate.alarms import ping
from keepiton.storage.result_files import require

if TYPE_CHECKING:
    from keepiton.operate.alarms.announce import Announcer


@dataclass(slots=True)
class AlarmHooks(RunHooks):
    """Alarms that a user asked for; their secrets are never shown."""

    announcer: "Announcer | None" = None
    ping_url: SplitResult | None = field(default=None, repr=False)
    first_ping: threading.Thread | None = None
    """Ping of the run's begin, while it may be under way."""

    def begin(self, run: RunContext) -> bool:
        """Ping that the run begins."""
        del run
        self.ping_begin()
        return False

    def end(self, run: RunContext, verdict: Connectivity | None, code: int) -> None:
        """Ping that the run ended, and announce changes."""
        self.finish(run.data, verdict, code, run.lang, datetime.now(UTC), verbose=run.verbose)

    def ping_begin(self) -> None:
        """Ping that a run begins, without waiting for the response."""
        if self.ping_url:
            self.first_ping = ping.begin(self.ping_url)

    def finish(
        self,
        data: Path,
        verdict: Connectivity | None,
        code: int,
        lang: Language,
        now: datetime,
        *,
        verbose: bool,
    ) -> None:
        """Ping how a run ended, and announce what changed; the caller holds the folder's lock.

        A run without a verdict, ended early, or whose verdict is no evidence announces nothing.
        Errors are printed on stderr: the run is done, and its exit code holds.
        """
        if self.ping_url:
            suffix = ping.suffix(code, exits.VANTAGE_OFFLINE)
            error = ping.end(self.ping_url, suffix, self.first_ping)
            self.first_ping = None
            if error and verbose:
                exits.print_error(f"--ping-url-file: not heard: {error}", 0)
        evidence = verdict is not None and verdict.is_evidence
        if not self.announcer or not evidence or code in exits.ENDED_EARLY:
            return
        try:
            self.announcer.announce(data, lang, now, verbose=verbose)
        except UserError as exc:
            exits.print_error(f"no alarm could be raised: {exc}", 0)
        except OSError as exc:
            exits.print_error(f"no alarm could be raised: {exc.filename}: {exc.strerror}", 0)


def prepare(
    data: Path,
    on_change: str | None,
    notify_file: Path | None,
    alarm_from: str,
    ping_url_file: Path | None,
) -> AlarmHooks:
    """Read what the options of alarms name. Raises UserError; sends nothing."""
    alarms = AlarmHooks()
    if on_change or notify_file:
        try:
            require()
        except UserError:
            flag = "--on-change" if on_change else "--notify-file"
            raise UserError(
                f"{flag}: needs duckdb and numpy, which are not installed here (there are none for"
                " Android); leave it out, and look at the results on another machine"
            ) from None
        from keepiton.operate.alarms.announce import prepare_announcer  # noqa: PLC0415

        alarms.announcer = prepare_announcer(data, on_change, notify_file, alarm_from)
    if ping_url_file:
        lines = read_secrets(ping_url_file).splitlines()
        try:
            alarms.ping_url = ping.parse(lines[0].strip() if lines else "")
        except ValueError as exc:
            raise UserError(f"{ping_url_file}:1: {exc}") from None
    return alarms
