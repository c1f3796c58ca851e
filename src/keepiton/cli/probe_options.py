"""What ``probe`` and ``watch`` share: their options, what they read first, and one run of them."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from keepiton.base.errors import UserError
from keepiton.base.language import gettext_noop
from keepiton.cli import ask, exits, folders, i18n, shared_options
from keepiton.commands import alarm_options, retention, schedule_expiry

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta

    from keepiton.base.language import Language
    from keepiton.base.types import Perspective
    from keepiton.lists.load import LoadedLists
    from keepiton.probe.run import RunResult, UserAgent
    from keepiton.probe.settings import Settings
    from keepiton.probe.types import Progress


COMPARED = "https://9.9.9.9/dns-query"
"""Quad9 by address: its certificate holds it, so no other resolver is needed to reach this one."""
STOPPED = (130, 143)
LITTLE_DISK = gettext_noop(
    "Note: little of the disk is free; only what says whether a target answers is measured"
    " (--min-free)"
)


class ProbeOptions(TypedDict):
    """The options by their names."""

    lists: tuple[str, ...]
    data: Path | None
    lang: str | None
    vantage: str | None
    perspective: "Perspective | None"
    resolvers: tuple[str, ...]
    doh: str
    no_doh: bool
    throughput: bool
    quic: bool
    confirm: int
    pause: float
    rate: float
    deadline: float
    max_bytes: int
    roots: Path | None
    do_not_probe: Path | None
    allow_private: bool
    contact: str
    user_agent: "UserAgent"
    accept_risk: str | None
    again: bool
    keep: str | None
    max_size: str | None
    compact_after: str
    min_free: str
    on_change: str | None
    notify_file: Path | None
    alarm_from: str
    ping_url_file: Path | None
    quiet: bool
    verbose: bool


OPTIONS = (
    click.argument("lists", nargs=-1, metavar="[LIST]..."),
    shared_options.data_option,
    shared_options.language_option,
    click.option(
        "--vantage",
        envvar="KEEPITON_VANTAGE",
        help="Name of this vantage in the results.  [default: a random one, kept]",
    ),
    click.option(
        "--perspective",
        type=click.Choice(["inside", "outside"]),
        envvar="KEEPITON_PERSPECTIVE",
        help="Where this machine is, seen from the country.",
    ),
    click.option(
        "--resolver",
        "resolvers",
        multiple=True,
        envvar="KEEPITON_RESOLVER",
        help="Ask this instead of the system's resolver: 9.9.9.9, tcp://9.9.9.9,"
        " tls://dns.quad9.net, https://dns.quad9.net/dns-query, or system. Repeatable.",
    ),
    click.option(
        "--doh",
        default=COMPARED,
        show_default=True,
        help="Resolver that every name is also asked of, to compare the answers.",
    ),
    click.option(
        "--no-doh",
        is_flag=True,
        envvar="KEEPITON_NO_DOH",
        help="Compare with nobody: ask neither the resolver above, which lies abroad and is"
        " visible, nor a zone's own servers.",
    ),
    click.option(
        "--throughput",
        is_flag=True,
        help="Take a sample of 1 MB at the most from targets whose list allows it.",
    ),
    click.option(
        "--quic", is_flag=True, help="Also do a QUIC handshake with https targets (extra: quic)."
    ),
    click.option(
        "--confirm",
        type=click.IntRange(0, 2),
        default=1,
        show_default=True,
        help="Attempts that confirm a failure.",
    ),
    click.option(
        "--pause",
        type=click.FloatRange(0, 60),
        default=5.0,
        show_default=True,
        help="Seconds before a confirming attempt.",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0.1, 5000),
        default=20.0,
        show_default=True,
        help="New connections a second, at most; 50 suits a server.",
    ),
    click.option(
        "--deadline",
        type=click.FloatRange(1, 86400),
        default=600.0,
        show_default=True,
        help="Seconds after which targets not got to are skipped.",
    ),
    click.option(
        "--max-bytes",
        type=click.IntRange(10_000),
        default=50_000_000,
        show_default=True,
        help="End the run after receiving so much.",
    ),
    click.option(
        "--roots",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Trust anchors (PEM) instead of the pinned bundle.",
    ),
    click.option(
        "--do-not-probe",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="A file of hosts, addresses and prefixes never to contact.",
    ),
    click.option(
        "--allow-private", is_flag=True, help="Also connect to private and reserved addresses."
    ),
    click.option(
        "--contact",
        default="",
        help="A page or address that explains your probes, told to targets where they are named.",
    ),
    click.option(
        "--user-agent",
        type=click.Choice(["auto", "ordinary", "named"]),
        default="auto",
        show_default=True,
        help="What requests say of themselves: ordinary as a browser does, named says keepiton;"
        " auto is ordinary from inside and named from outside.",
    ),
    click.option(
        "--accept-risk",
        type=click.Choice(["low", "medium", "high"]),
        help="Accept lists up to this risk, for unattended use; recorded.",
    ),
    click.option(
        "--again",
        is_flag=True,
        help="Probe targets again that were probed less than 5 minutes ago.",
    ),
    retention.options,
    alarm_options.options,
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", is_flag=True, help="Say more, also without a terminal."),
)


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option that a run has."""
    for one in reversed(OPTIONS):
        function = one(function)
    return function


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for, read and found right; nothing has been sent or written."""

    options: ProbeOptions
    data: Path
    lang: "Language"
    loaded: "LoadedLists"
    settings: "Settings"
    retention: "tuple[timedelta | None, int | None, timedelta | None, int]"
    """As :func:`keeping.read` gives it."""
    alarms: alarm_options.AlarmRun | None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one run; without ``done`` there was none, and why has been said."""

    code: int
    result: "RunResult | None" = None
    perspective: "Perspective" = "outside"


def prepare(asked: ProbeOptions, stdin: Callable[[int], bytes]) -> RunRequest:
    """Read lists and settings. Raises UserError."""
    from keepiton.lists.load import load  # noqa: PLC0415

    if not (asked["contact"].isascii() and asked["contact"].isprintable()):
        raise UserError("--contact: write plain ASCII, such as https://example.org/probes")
    words = i18n.language(asked["lang"])
    loaded = load(
        asked["lists"],
        stdin,
        allow_private=asked["allow_private"],
        do_not_probe=asked["do_not_probe"],
    )
    data = asked["data"] or folders.data_folder()
    kept = retention.read(
        asked["keep"], asked["max_size"], asked["compact_after"], asked["min_free"]
    )
    alarms = alarm_options.prepare(
        data,
        asked["on_change"],
        asked["notify_file"],
        asked["alarm_from"],
        asked["ping_url_file"],
    )
    return RunRequest(asked, data, words, loaded, _settings(asked, loaded), kept, alarms)


def perform_run(
    ready: RunRequest,
    planned_at: "datetime",
    bar: AbstractContextManager[Callable[["Progress"], None]],
    *,
    jitter_s: float = 0.0,
    until: "date | None" = None,
) -> RunOutcome:
    """Do one run under the folder's lock, and what belongs to it. Raises UserError."""
    import random  # noqa: PLC0415
    import time  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from keepiton.probe.run import RunPlan, run_once  # noqa: PLC0415
    from keepiton.storage import lock, state  # noqa: PLC0415

    asked, data, loaded, words = ready.options, ready.data, ready.loaded, ready.lang
    quiet, verbose = asked["quiet"], asked["verbose"]
    told = verbose or (sys.stderr.isatty() and not quiet)
    try:
        with lock.hold(data):
            memory = state.load(data)
            try:
                if until and schedule_expiry.check_expiry(until, memory, planned_at, quiet=quiet):
                    return RunOutcome(0)
                ask.show_first_run_text(memory, data, quiet=quiet)
                for note in loaded.notes if told else ():
                    click.echo(f"Note: {note}", err=True)
                who = ask.vantage_and_perspective(
                    memory, asked["vantage"], asked["perspective"], quiet=quiet
                )
                ask.require_accepted_risk(memory, loaded, asked["accept_risk"], planned_at)
                names = [one.id for one in loaded.targets]
                if until and not asked["again"] and memory.too_soon(names, planned_at):
                    return RunOutcome(exits.LOCKED)  # made up for after sleep just now
                if not asked["again"]:
                    ask.refuse_too_soon(memory, loaded, planned_at)
            finally:  # what was said and settled holds, even when the run is refused
                state.save(data, memory)
            if jitter_s:
                time.sleep(random.uniform(0, jitter_s))  # noqa: S311 - to spread runs, not to hide
            settings, (keep, max_size, compact_after, min_free) = ready.settings, ready.retention
            try:
                room = retention.room(data, min_free)
            except OSError:
                retention.maintain(data, datetime.now(UTC), keep, max_size, compact_after)
                room = retention.room(data, min_free)  # with what old days have left
            if room == "scarce":
                settings = settings.reduced()
                if told:
                    click.echo(words.gettext(LITTLE_DISK), err=True)
            alarm_options.begin(ready.alarms)
            plan = RunPlan(
                data, loaded, *who, settings, planned_at, asked["contact"], asked["user_agent"]
            )
            with bar as step:
                done = run_once(plan, memory, step)
            code, now = _code(done), datetime.now(UTC)
            verdict = done.progress.verdict
            alarm_options.after(ready.alarms, data, verdict, code, words, now, verbose=verbose)
            if code not in STOPPED:  # who ends a run does not want to wait
                retention.maintain(data, now, keep, max_size, compact_after)
    except lock.Locked as exc:
        return RunOutcome(exits.print_error(str(exc), exits.LOCKED) if told else exits.LOCKED)
    except OSError as exc:
        where = exc.filename or data
        text = f"results not written: {where}: {exc.strerror}; what was written stays readable"
        code = exits.print_error(text, exits.NOT_WRITTEN)
        alarm_options.after(
            ready.alarms, data, None, code, words, datetime.now(UTC), verbose=verbose
        )
        return RunOutcome(code)
    return RunOutcome(code, done, who[1])


def _code(done: "RunResult") -> int:

    offline = exits.VANTAGE_OFFLINE if done.progress.verdict.counts_as_offline else 0
    return {"interrupted": 130, "terminated": 143}.get(done.progress.reason, offline)


def _settings(asked: ProbeOptions, loaded: "LoadedLists") -> "Settings":
    from keepiton.probe import certificate, dns, http  # noqa: PLC0415
    from keepiton.probe import quic as quic_stage  # noqa: PLC0415
    from keepiton.probe.settings import Settings  # noqa: PLC0415

    roots, doh = asked["roots"], None if asked["no_doh"] else asked["doh"]
    if asked["quic"] and not quic_stage.available():
        raise UserError("--quic: aioquic is not installed; pip install 'keepiton[quic]'")
    try:
        certificate.bundle(roots)
    except (OSError, ValueError):
        raise UserError(f"--roots {roots}: no certificates in PEM found there") from None
    chosen = tuple(
        dns.system_resolver() if text == "system" else dns.parse_resolver(text, number, roots)
        for number, text in enumerate(asked["resolvers"] or ("system",), 1)
    )
    return Settings(
        resolvers=chosen,
        compare=(dns.parse_resolver(doh, 0, roots),) if doh else (),
        fingerprints=loaded.fingerprints,
        throughput=asked["throughput"],
        quic=asked["quic"],
        refused_name=loaded.refused.name,
        headers=http.ORDINARY,
        roots=roots,
        confirm=asked["confirm"],
        pause_s=asked["pause"],
        rate=asked["rate"],
        deadline_s=asked["deadline"],
        max_bytes=asked["max_bytes"],
        allow_private=asked["allow_private"],
        refused=loaded.refused.address,
    )
