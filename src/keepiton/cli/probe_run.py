"""``keepiton probe``: one run under the lock of the data folder, and what belongs to it."""

import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from keepiton.base.errors import UserError
from keepiton.base.language import Language, gettext_noop
from keepiton.base.types import Perspective
from keepiton.cli import ask, exits, extensions, folders, i18n, summary
from keepiton.cli.probe_options import ProbeOptions
from keepiton.lists.load import LoadedLists, load
from keepiton.probe import certificate, dns, http, quic
from keepiton.probe.run import RunPlan, RunResult, run_once
from keepiton.probe.settings import Settings
from keepiton.probe.types import Progress
from keepiton.storage import lock, state

LITTLE_DISK = gettext_noop(
    "Note: little of the disk is free; only what says whether a target answers is measured"
    " (--min-free)"
)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run that was asked for: its options are read and right, nothing is sent or written yet."""

    options: ProbeOptions
    data: Path
    lang: Language
    loaded: LoadedLists
    settings: Settings
    hooks: tuple[extensions.RunHooks, ...]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The exit code of a run, and its result; without one there was no run, and why is printed."""

    code: int
    result: RunResult | None = None
    perspective: Perspective = "outside"


def probe(jitter: float, until: datetime | None, *, dry_run: bool, **values: Any) -> None:  # noqa: ANN401 - options of a run
    """Run the command: its options are those of :mod:`keepiton.cli.probe`."""
    planned_at = datetime.now(UTC)
    request = prepare(ProbeOptions.of(values), sys.stdin.buffer.read)
    if dry_run:
        memory = state.load(request.data)
        perspective = request.options.perspective or memory.perspective or "outside"
        _show_plan(request.loaded, request.settings, perspective)
        return
    bar = summary.bar(request.lang, quiet=request.options.quiet)
    outcome = perform_run(
        request, planned_at, bar, jitter_s=jitter, until=until.date() if until else None
    )
    _conclude(outcome, request)
    sys.exit(outcome.code)


def prepare(options: ProbeOptions, stdin: Callable[[int], bytes]) -> RunRequest:
    """Read lists and settings. Raises UserError."""
    if not (options.contact.isascii() and options.contact.isprintable()):
        raise UserError("--contact: write plain ASCII, such as https://example.org/probes")
    lang = i18n.language(options.lang)
    loaded = load(
        options.lists,
        stdin,
        allow_private=options.allow_private,
        do_not_probe=options.do_not_probe,
    )
    data = options.data or folders.data_folder()
    hooks = tuple(
        extension.prepare_run(data, options.extra) for extension in extensions.run_extensions()
    )
    return RunRequest(options, data, lang, loaded, _settings(options, loaded), hooks)


def perform_run(
    request: RunRequest,
    planned_at: datetime,
    bar: AbstractContextManager[Callable[[Progress], None]],
    *,
    jitter_s: float = 0.0,
    until: date | None = None,
) -> RunOutcome:
    """Do one run under the folder's lock, with its extensions. Raises UserError."""
    options, data, loaded, hooks = request.options, request.data, request.loaded, request.hooks
    informs = options.verbose or (sys.stderr.isatty() and not options.quiet)
    run: extensions.RunContext | None = None
    try:
        with lock.hold(data):
            memory = state.load(data)
            run = extensions.RunContext(
                data, memory, planned_at, until, request.lang, options.quiet, options.verbose
            )
            try:
                if not all(hook.allow(run) for hook in hooks):
                    return RunOutcome(0)
                ask.show_first_run_text(memory, data, quiet=options.quiet)
                for note in loaded.notes if informs else ():
                    click.echo(f"Note: {note}", err=True)
                who = ask.vantage_and_perspective(
                    memory, options.vantage, options.perspective, quiet=options.quiet
                )
                ask.require_accepted_risk(memory, loaded, options.accept_risk, planned_at)
                names = [target.id for target in loaded.targets]
                if until and not options.again and memory.too_soon(names, planned_at):
                    return RunOutcome(exits.LOCKED)  # made up for after sleep just now
                if not options.again:
                    ask.refuse_too_soon(memory, loaded, planned_at)
            finally:  # what was said and settled holds, even when the run is refused
                state.save(data, memory)
            if jitter_s:
                time.sleep(random.uniform(0, jitter_s))  # noqa: S311 - to spread runs, not to hide
            settings = request.settings
            scarce = [hook.begin(run) for hook in hooks]
            if any(scarce):
                settings = settings.reduced()
                if informs:
                    click.echo(request.lang.gettext(LITTLE_DISK), err=True)
            plan = RunPlan(
                data, loaded, *who, settings, planned_at, options.contact, options.user_agent
            )
            with bar as step:
                result = run_once(plan, memory, step)
            code = _exit_code(result)
            for hook in reversed(hooks):
                hook.end(run, result.progress.verdict, code)
    except lock.Locked as exc:
        return RunOutcome(exits.print_error(str(exc), exits.LOCKED) if informs else exits.LOCKED)
    except OSError as exc:
        where = exc.filename or data
        text = f"results not written: {where}: {exc.strerror}; what was written stays readable"
        code = exits.print_error(text, exits.NOT_WRITTEN)
        if run:
            for hook in reversed(hooks):
                hook.end(run, None, code)
        return RunOutcome(code)
    return RunOutcome(code, result, who[1])


def _exit_code(result: RunResult) -> int:
    offline = exits.VANTAGE_OFFLINE if result.progress.verdict.counts_as_offline else 0
    signalled = {"interrupted": exits.INTERRUPTED, "terminated": exits.TERMINATED}
    return signalled.get(result.progress.reason, offline)


def _settings(options: ProbeOptions, loaded: LoadedLists) -> Settings:
    doh = None if options.no_doh else options.doh
    if options.quic and not quic.available():
        raise UserError("--quic: aioquic is not installed; pip install 'keepiton[quic]'")
    try:
        certificate.bundle(options.roots)
    except (OSError, ValueError):
        raise UserError(f"--roots {options.roots}: no certificates in PEM found there") from None
    resolvers = tuple(
        dns.system_resolver()
        if text == "system"
        else dns.parse_resolver(text, number, options.roots)
        for number, text in enumerate(options.resolvers or ("system",), 1)
    )
    return Settings(
        resolvers=resolvers,
        compare=(dns.parse_resolver(doh, 0, options.roots),) if doh else (),
        fingerprints=loaded.fingerprints,
        refused_name=loaded.refused.name,
        headers=http.ORDINARY,
        refused=loaded.refused.address,
        **options.settings(),
    )


def _show_plan(loaded: LoadedLists, settings: Settings, perspective: str) -> None:
    """Print what would be contacted."""
    fitting = [target for target in loaded.targets if target.perspective in ("any", perspective)]
    names = ", ".join(resolver.label for resolver in settings.resolvers)
    click.echo(f"Would probe {len(fitting)} targets, seen from {perspective}. Nothing is sent now.")
    click.echo(f"Names would be asked of: {names} (A and AAAA)")
    for resolver in settings.compare:
        click.echo(f"and, to compare, of: {resolver.label} (A; left out with --no-doh)")
    zones = sorted(
        {f".{target.serves}" for target in fitting if target.serves and settings.compare}
    )
    if zones:
        click.echo(
            f"and, to compare, names under {', '.join(zones)} of the zone's own servers in the list"
            " (A; left out with --no-doh)"
        )
    for target in fitting:
        where = target.url or " ".join(
            [*([target.host] if target.host else []), *target.addresses, *target.ports]
        )
        how = f"GET {where}" if target.url else f"connect {where}"
        if target.query:
            how = f"ask {' '.join(target.addresses)} {' '.join(target.ports)}: "
            how += f"{target.query.name} {target.query.type}"
        click.echo(f"  {target.control + ' control' if target.control else target.role:<18} {how}")
    left = len(loaded.targets) - len(fitting)
    if left:
        click.echo(f"Not probed from {perspective}: {left} target(s) that make no sense from there")
    for why in loaded.whys:
        click.echo(f"Risk: {why}")


def _conclude(outcome: RunOutcome, request: RunRequest) -> None:
    """Print the summary where someone reads it."""
    result = outcome.result
    if result is None or request.options.quiet:
        return
    if sys.stderr.isatty() or request.options.verbose:
        for line in summary.lines(result, outcome.perspective, request.lang):
            click.echo(line, err=True)
    elif outcome.code == exits.VANTAGE_OFFLINE:
        click.echo("keepiton: " + summary.offline_text(result.progress, request.lang), err=True)
