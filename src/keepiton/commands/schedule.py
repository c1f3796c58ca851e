"""``keepiton schedule``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepiton.base.errors import UserError
from keepiton.base.language import gettext_noop
from keepiton.cli import exits, folders, i18n, shared_options
from keepiton.cli.probe_options import ProbeOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keepiton.base.language import Language
    from keepiton.cli.probe_run import RunRequest
    from keepiton.operate.schedule import Installed, Job
    from keepiton.storage.state import DataFolderState

NAMES = ("systemd", "systemd-system", "cron", "launchd", "windows", "termux")
GIVEN = {
    "data": "give it before the --",
    "jitter": "the schedule sets it",
    "until": "the schedule sets it; see --days",
    "dry_run": "try it with keepiton probe first",
    "verbose": "nobody looks on",
}
"""Options of a run that a schedule cannot pass on, and why."""
LEFT_OUT = {"quiet", "accept_risk"}
"""Given anyway; and kept in the folder's memory, so that a new risk is asked about anew."""
GRACE_S = 300
"""What a run may take beyond its own deadline before it counts as hanging."""
TIED = gettext_noop(
    "If you probe from inside: a rented server is tied to whoever pays for it, and who rents it out"
    " sees every probe; use a user of its own there, without your own SSH keys."
)


@click.command()
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROBE OPTIONS]...")
@click.option(
    "--kind",
    type=click.Choice(["auto", *NAMES]),
    default="auto",
    show_default=True,
    help="What starts the runs; auto is what this machine has.",
)
@click.option(
    "--every",
    help="How often: 5m, 6m, 10m, 12m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h."
    "  [default: that of the schedule before, or 10m; 15m on Termux]",
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=90,
    show_default=True,
    help="How long, until it is renewed by installing it again.",
)
@shared_options.data_option
@shared_options.language_option
@click.option("--install", is_flag=True, help="Install it, in place of the one before.")
@click.option("--remove", is_flag=True, help="Remove what was installed, and nothing else.")
def schedule(
    options: tuple[str, ...],
    kind: str,
    every: str | None,
    days: int,
    data: Path | None,
    lang: str | None,
    *,
    install: bool,
    remove: bool,
) -> None:
    """Print, install or remove a schedule of runs.

    What stands after -- goes to every run, as it does with keepiton probe. Without --install the
    files are printed and nothing is written. Installed again without options, a schedule keeps
    those it had, and its time begins anew.
    """
    from keepiton.operate.schedule import installed  # noqa: PLC0415

    words = i18n.language(lang)
    if install and remove:
        raise UserError("--install, --remove: give one of them")
    there = [one for one in installed() if may_change(one)]
    try:
        if remove:
            if options:
                raise UserError(f"--remove takes no options of a run: {options[0][:40]}")
            _remove([one for one in there if kind in ("auto", one.kind)], words)
        else:
            _make(options, kind, every, days, data, there, words, install=install)
    except OSError as exc:
        where = exc.filename or "schedule"
        sys.exit(exits.print_error(f"{where}: not written: {exc.strerror}", exits.NOT_WRITTEN))


def may_change(one: "Installed") -> bool:
    """Tell whether this user may change a schedule: the machine's only its administrator may."""
    import os  # noqa: PLC0415

    return one.kind != "systemd-system" or os.geteuid() == 0


def _remove(there: "list[Installed]", words: "Language") -> None:
    from keepiton.operate.schedule import KINDS  # noqa: PLC0415

    for one in there:
        KINDS[one.kind].remove()
        _say(words.gettext("Removed: {place}", place=one.place))
    if not there:
        _say(words.gettext("No schedule of keepiton is installed here."))


def _make(
    options: tuple[str, ...],
    kind: str,
    every: str | None,
    days: int,
    data: Path | None,
    there: "list[Installed]",
    words: "Language",
    *,
    install: bool,
) -> None:
    """Print a schedule, or settle what its runs must know and install it. Raises UserError."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    from keepiton.operate.schedule import KINDS, Job, fitting, systemd  # noqa: PLC0415
    from keepiton.operate.schedule import job as jobs  # noqa: PLC0415
    from keepiton.storage import state  # noqa: PLC0415

    now = datetime.now(UTC)
    before = next((one for one in there if kind in ("auto", one.kind)), None)
    if kind == "auto":
        kind = before.kind if before else fitting()
    one, machine = KINDS[kind], kind == "systemd-system"
    usual = before.every if before else "15m" if one.least_s > jobs.EVERY["10m"] else "10m"
    every_s = jobs.period(every or usual)
    if every_s < one.least_s:
        raise UserError(f"--every {every}: Android runs nothing more often; write 15m or more")
    if machine and _given("data"):
        raise UserError(f"--data: with --kind systemd-system results lie in {systemd.STATE}")
    if before and not _given("data"):
        data = before.data
    data = systemd.STATE if machine else (data or folders.data_folder()).absolute()
    asked, passed = _of_run(options or (before.options if before else ()), data, words)
    memory = state.DataFolderState() if machine else state.load(data)
    if install:
        from keepiton.cli.probe_run import prepare  # noqa: PLC0415

        ready = prepare(asked, _no_stdin)
        if machine:
            _settle(memory, ready, now)
        else:
            memory = _settle_in(data, ready, now)
    name = asked.vantage or memory.vantage or state.random_vantage()
    if machine:  # its memory is made by the first run
        passed = (*_told(asked, memory, name, passed), *passed)
    phase_s = jobs.phase(name, every_s)
    job = Job(
        sys.executable,
        passed,
        every_s,
        phase_s,
        jobs.jitter(every_s),
        data,
        now.date() + timedelta(days=days),
        jobs.first(now, every_s, phase_s)
        if one.utc
        else jobs.first(now.astimezone(), every_s, phase_s // jobs.MINUTE * jobs.MINUTE),
        round(asked.deadline) + GRACE_S,
    )
    if not install:
        _print(one.files(job))
        return
    one.install(job)
    for other in there:
        if other.kind != kind:
            KINDS[other.kind].remove()
            _say(words.gettext("Removed: {place}", place=other.place))
    _tell(kind, job, words, inside=(asked.perspective or memory.perspective) == "inside")


def _given(name: str) -> bool:
    from click.core import ParameterSource  # noqa: PLC0415

    source = click.get_current_context().get_parameter_source(name)
    return source == ParameterSource.COMMANDLINE


def _no_stdin(size: int) -> bytes:
    del size
    raise UserError("-: a schedule has no stdin; name a file")


def _of_run(
    given: tuple[str, ...], data: Path, words: "Language"
) -> tuple[ProbeOptions, tuple[str, ...]]:
    """Read the options of a run as the run itself does; return them, and how to write them.

    What the environment and the configuration say now is written out, and paths are absolute:
    runs are started from elsewhere. Raises UserError.
    """
    from click.core import ParameterSource  # noqa: PLC0415

    from keepiton.cli.probe import probe  # noqa: PLC0415

    parent = click.get_current_context().parent
    context = probe.make_context("probe", list(given), parent=parent)
    options: list[str] = []
    lists: list[str] = []
    for one in probe.params:
        name = one.name or ""
        source = context.get_parameter_source(name)
        if name in GIVEN:
            if source == ParameterSource.COMMANDLINE:
                raise UserError(f"{one.opts[0]}: not for a schedule: {GIVEN[name]}")
        elif name not in LEFT_OUT and source != ParameterSource.DEFAULT:
            (options if isinstance(one, click.Option) else lists).extend(
                _written(one, context.params[name])
            )
    if words.code != "en" and "--lang" not in options:
        options += ["--lang", words.code]
    asked = {name: value for name, value in context.params.items() if name not in GIVEN}
    asked |= {"data": data, "quiet": False, "verbose": False}
    return ProbeOptions.of(asked), (*options, *lists)


def _written(one: click.Parameter, value: Any) -> list[str]:  # noqa: ANN401 - as click gives it
    """Write an option, or lists, as the command line takes it."""
    if isinstance(one, click.Argument):
        if "-" in value:
            _no_stdin(0)
        return [str(Path(text).absolute()) if Path(text).is_file() else text for text in value]
    if isinstance(one, click.Option) and one.is_flag:
        return [one.opts[0]] if value else []
    values = value if one.multiple else [value]
    texts = (str(each.absolute() if isinstance(each, Path) else each) for each in values)
    return [word for text in texts for word in (one.opts[0], text)]


def _settle(memory: "DataFolderState", ready: "RunRequest", now: "datetime") -> None:
    """Say and ask what a first run would, while somebody is there (SAFETY S3). Raises UserError."""
    from keepiton.cli import ask  # noqa: PLC0415

    asked = ready.options
    ask.show_first_run_text(memory, ready.data, quiet=False)
    ask.vantage_and_perspective(memory, asked.vantage, asked.perspective, quiet=False)
    ask.require_accepted_risk(memory, ready.loaded, asked.accept_risk, now)


def _settle_in(data: Path, ready: "RunRequest", now: "datetime") -> "DataFolderState":
    from keepiton.storage import lock, state  # noqa: PLC0415

    try:
        with lock.hold(data):
            memory = state.load(data)
            try:
                _settle(memory, ready, now)
            finally:  # as with a run
                state.save(data, memory)
    except lock.Locked as exc:
        sys.exit(exits.print_error(f"{exc}; install the schedule when it is over", exits.LOCKED))
    return memory


def _told(
    asked: ProbeOptions,
    memory: "DataFolderState",
    vantage: str,
    passed: tuple[str, ...],
) -> list[str]:
    """Write for every run what else its folder's memory tells."""
    told = {
        "--vantage": vantage,
        "--perspective": asked.perspective or memory.perspective,
        "--accept-risk": asked.accept_risk,
    }
    pairs = [(name, value) for name, value in told.items() if value and name not in passed]
    return [word for pair in pairs for word in pair]


def _print(files: "Mapping[str, str]") -> None:
    """Print the files: one alone as it is, so that it can be piped; several under their paths."""
    for path, text in files.items():
        click.echo(f"# {path}", err=len(files) == 1)
        click.echo(text, nl=len(files) > 1)


def _tell(kind: str, job: "Job", words: "Language", *, inside: bool) -> None:
    """Say what was done, and how to go on."""
    from datetime import UTC  # noqa: PLC0415

    from keepiton.operate.schedule import KINDS, systemd  # noqa: PLC0415

    for place in KINDS[kind].files(job):
        _say(words.gettext("Installed: {place}", place=place))
    first = words.instant(job.first_at, UTC)
    if kind == "termux":
        _say(words.gettext("A run every {every}, when Android finds time for it.", every=job.every))
    else:
        _say(
            words.gettext("A run every {every}, the first at {at} UTC.", every=job.every, at=first)
        )
    _say(words.gettext("Results: {folder}", folder=job.data))
    _say(
        words.gettext(
            "The last day is {until}; then it ends by itself. To renew it: {command}",
            until=job.until,
            command="keepiton schedule --install",
        )
    )
    _say(words.gettext("To look at it: {command}", command=KINDS[kind].show_command))
    _say(words.gettext("To remove it: {command}", command="keepiton schedule --remove"))
    if kind == "systemd" and not systemd.lingers():
        _say(
            words.gettext(
                "It runs only while you are logged in; for a server: {command}",
                command="loginctl enable-linger",
            )
        )
    if inside:
        _say(words.gettext(TIED))


def _say(text: str) -> None:
    click.echo(text, err=True)
