"""``keepiton schedule``: prints, installs and removes schedules."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from keepiton.base.errors import UserError
from keepiton.base.language import Language, gettext_noop
from keepiton.cli import ask, exits, folders, i18n
from keepiton.cli.probe import probe
from keepiton.cli.probe_options import ProbeOptions
from keepiton.cli.probe_run import RunRequest, prepare
from keepiton.operate.schedule import KINDS, Installed, Job, fitting, installed, systemd
from keepiton.operate.schedule import job as jobs
from keepiton.storage import lock, state
from keepiton.storage.state import DataFolderState

NOT_PASSED = {
    "data": "give it before the --",
    "jitter": "the schedule sets it",
    "until": "the schedule sets it; see --days",
    "dry_run": "try it with keepiton probe first",
    "verbose": "nobody looks on",
}
"""Options of a run that a schedule cannot pass on, and why."""
LEFT_OUT = {"quiet", "accept_risk"}
"""``-q`` is always given; a risk is accepted in the folder's memory, so that a new one is asked
about."""
GRACE_S = 300
"""Time beyond its own deadline after which a run counts as hanging."""
RENTED_SERVER = gettext_noop(
    "If you probe from inside: a rented server is tied to whoever pays for it, and who rents it out"
    " sees every probe; use a user of its own there, without your own SSH keys."
)


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
    """Print, install or remove a schedule. Raises UserError; exits 5 where a file fails."""
    language = i18n.language(lang)
    if install and remove:
        raise UserError("--install, --remove: give one of them")
    before = [schedule for schedule in installed() if schedule.may_change]
    same_kind = [schedule for schedule in before if kind in ("auto", schedule.kind)]
    try:
        if not remove:
            former = same_kind[0] if same_kind else None
            _make(options, kind, every, days, data, former, before, language, install=install)
        elif options:
            raise UserError(f"--remove takes no options of a run: {options[0][:40]}")
        else:
            _remove(same_kind, language)
    except OSError as exc:
        where = exc.filename or "schedule"
        sys.exit(exits.print_error(f"{where}: not written: {exc.strerror}", exits.NOT_WRITTEN))


def _remove(schedules: list[Installed], lang: Language) -> None:
    for schedule in schedules:
        KINDS[schedule.kind].remove()
        _echo(lang.gettext("Removed: {place}", place=schedule.place))
    if not schedules:
        _echo(lang.gettext("No schedule of keepiton is installed here."))


def _make(
    words: tuple[str, ...],
    name: str,
    every: str | None,
    days: int,
    data: Path | None,
    former: Installed | None,
    others: list[Installed],
    lang: Language,
    *,
    install: bool,
) -> None:
    """Print a schedule, or install it and remove the others; ``former`` gives its defaults.

    ``words`` are the options of its runs. Raises UserError.
    """
    now = datetime.now(UTC)
    if name == "auto":
        name = former.kind if former else fitting()
    kind = KINDS[name]
    default = former.every if former else "15m" if kind.least_s > jobs.EVERY["10m"] else "10m"
    every_s = jobs.period(every or default)
    if every_s < kind.least_s:
        raise UserError(f"--every {every}: Android runs nothing more often; write 15m or more")
    if kind.of_machine and _given("data"):
        raise UserError(f"--data: with --kind systemd-system results lie in {systemd.STATE}")
    if former and not _given("data"):
        data = former.data
    data = systemd.STATE if kind.of_machine else (data or folders.data_folder()).absolute()
    options, passed = _run_options(words or (former.options if former else ()), data, lang)
    memory = DataFolderState() if kind.of_machine else state.load(data)
    if install:
        request = prepare(options, _no_stdin)
        if kind.of_machine:
            _ask(memory, request, now)
        else:
            memory = _ask_and_save(data, request, now)
    vantage = options.vantage or memory.vantage or state.random_vantage()
    if kind.of_machine:  # the first run makes its memory
        passed = (*_answers(options, memory, vantage, passed), *passed)
    phase_s = jobs.phase(vantage, every_s)
    job = Job(
        sys.executable,
        passed,
        every_s,
        phase_s,
        jobs.jitter(every_s),
        data,
        now.date() + timedelta(days=days),
        jobs.first(now, every_s, phase_s)
        if kind.utc
        else jobs.first(now.astimezone(), every_s, phase_s // jobs.MINUTE * jobs.MINUTE),
        round(options.deadline) + GRACE_S,
    )
    if not install:
        _print(kind.files(job))
        return
    kind.install(job)
    if replaced := [schedule for schedule in others if schedule.kind != name]:
        _remove(replaced, lang)
    _print_installed(name, job, lang)
    if (options.perspective or memory.perspective) == "inside":
        _echo(lang.gettext(RENTED_SERVER))


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source == ParameterSource.COMMANDLINE


def _no_stdin(size: int) -> bytes:
    del size
    raise UserError("-: a schedule has no stdin; name a file")


def _run_options(
    words: tuple[str, ...], data: Path, lang: Language
) -> tuple[ProbeOptions, tuple[str, ...]]:
    """Parse the options of a run as the run itself does; return them, and as words to pass on.

    Values of the environment and the configuration are written out, and paths are absolute: runs
    are started from elsewhere. Raises UserError.
    """
    parent = click.get_current_context().parent
    context = probe.make_context("probe", list(words), parent=parent)
    options: list[str] = []
    lists: list[str] = []
    for parameter in probe.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in NOT_PASSED:
            if source == ParameterSource.COMMANDLINE:
                raise UserError(f"{parameter.opts[0]}: not for a schedule: {NOT_PASSED[name]}")
        elif name not in LEFT_OUT and source != ParameterSource.DEFAULT:
            passed = options if isinstance(parameter, click.Option) else lists
            passed += _as_words(parameter, context.params[name])
    if lang.code != "en" and "--lang" not in options:
        options += ["--lang", lang.code]
    values = {name: value for name, value in context.params.items() if name not in NOT_PASSED}
    values |= {"data": data, "quiet": False, "verbose": False}
    return ProbeOptions.of(values), (*options, *lists)


def _as_words(parameter: click.Parameter, value: Any) -> list[str]:  # noqa: ANN401 - as click gives it
    """Return an option, or lists, as words of a command line."""
    if isinstance(parameter, click.Argument):
        if "-" in value:
            _no_stdin(0)
        return [str(Path(text).absolute()) if Path(text).is_file() else text for text in value]
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [parameter.opts[0]] if value else []
    values = value if parameter.multiple else [value]
    texts = (str(each.absolute() if isinstance(each, Path) else each) for each in values)
    return [word for text in texts for word in (parameter.opts[0], text)]


def _ask(memory: DataFolderState, request: RunRequest, now: datetime) -> None:
    """Print and ask what a first run would, while somebody is there (SAFETY S3)."""
    options = request.options
    ask.show_first_run_text(memory, request.data, quiet=False)
    ask.vantage_and_perspective(memory, options.vantage, options.perspective, quiet=False)
    ask.require_accepted_risk(memory, request.loaded, options.accept_risk, now)


def _ask_and_save(data: Path, request: RunRequest, now: datetime) -> DataFolderState:
    try:
        with lock.hold(data):
            memory = state.load(data)
            try:
                _ask(memory, request, now)
            finally:  # as with a run
                state.save(data, memory)
    except lock.Locked as exc:
        sys.exit(exits.print_error(f"{exc}; install the schedule when it is over", exits.LOCKED))
    return memory


def _answers(
    options: ProbeOptions, memory: DataFolderState, vantage: str, passed: tuple[str, ...]
) -> list[str]:
    """Return as words what runs cannot read from the memory of their folder."""
    values = {
        "--vantage": vantage,
        "--perspective": options.perspective or memory.perspective,
        "--accept-risk": options.accept_risk,
    }
    pairs = [(name, value) for name, value in values.items() if value and name not in passed]
    return [word for pair in pairs for word in pair]


def _print(files: Mapping[str, str]) -> None:
    """Print the files: one alone as it is, so that it can be piped; several under their paths."""
    for path, text in files.items():
        click.echo(f"# {path}", err=len(files) == 1)
        click.echo(text, nl=len(files) > 1)


def _print_installed(name: str, job: Job, lang: Language) -> None:
    """Print what was installed, and how to show, renew and remove it."""
    _, kind = lang.gettext, KINDS[name]
    for place in kind.files(job):
        _echo(_("Installed: {place}", place=place))
    if kind.exact:
        first = lang.instant(job.first_at, UTC)
        _echo(_("A run every {every}, the first at {at} UTC.", every=job.every, at=first))
    else:
        _echo(_("A run every {every}, when Android finds time for it.", every=job.every))
    _echo(_("Results: {folder}", folder=job.data))
    _echo(
        _(
            "The last day is {until}; then it ends by itself. To renew it: {command}",
            until=job.until,
            command="keepiton schedule --install",
        )
    )
    _echo(_("To look at it: {command}", command=kind.show_command))
    _echo(_("To remove it: {command}", command="keepiton schedule --remove"))
    if name == "systemd" and not systemd.lingers():
        _echo(
            _(
                "It runs only while you are logged in; for a server: {command}",
                command="loginctl enable-linger",
            )
        )


def _echo(text: str) -> None:
    click.echo(text, err=True)
