"""``keepiton probe``."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.cli import common

if TYPE_CHECKING:
    from datetime import datetime

    from keepiton.model import Perspective
    from keepiton.probe.chain import Settings
    from keepiton.probe.runner import Progress
    from keepiton.run import Done, Plan
    from keepiton.state import State
    from keepiton.targets import Loaded

SHOWN_FAILURES = 20
SHOWN_OFFSET_MS = 2000


@click.command()
@click.argument("lists", nargs=-1, metavar="[LIST]...")
@common.data_option
@click.option(
    "--vantage",
    envvar="KEEPITON_VANTAGE",
    help="Name of this vantage in the results.  [default: a random one, kept]",
)
@click.option(
    "--perspective",
    type=click.Choice(["inside", "outside"]),
    envvar="KEEPITON_PERSPECTIVE",
    help="Where this machine is, seen from the country.",
)
@click.option(
    "--resolver",
    "resolvers",
    multiple=True,
    envvar="KEEPITON_RESOLVER",
    help="Ask this instead of the system's resolver: 9.9.9.9, tcp://9.9.9.9,"
    " tls://dns.quad9.net, https://dns.quad9.net/dns-query, or system. Repeatable.",
)
@click.option(
    "--confirm",
    type=click.IntRange(0, 2),
    default=1,
    show_default=True,
    help="Attempts that confirm a failure.",
)
@click.option(
    "--pause",
    type=click.FloatRange(0, 60),
    default=5.0,
    show_default=True,
    help="Seconds before a confirming attempt.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 5000),
    default=20.0,
    show_default=True,
    help="New connections a second, at most; 50 suits a server.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(1, 86400),
    default=600.0,
    show_default=True,
    help="Seconds after which targets not got to are skipped.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(10_000),
    default=50_000_000,
    show_default=True,
    help="End the run after receiving so much.",
)
@click.option(
    "--jitter",
    type=click.FloatRange(0, 86400),
    default=0.0,
    help="Wait a random time up to so many seconds first (for cron).",
)
@click.option(
    "--roots",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Trust anchors (PEM) instead of the pinned bundle.",
)
@click.option(
    "--do-not-probe",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of hosts, addresses and prefixes never to contact.",
)
@click.option(
    "--allow-private", is_flag=True, help="Also connect to private and reserved addresses."
)
@click.option(
    "--contact",
    default="",
    help="A page or address that explains your probes, told to targets from outside only.",
)
@click.option(
    "--accept-risk",
    type=click.Choice(["low", "medium", "high"]),
    help="Accept lists up to this risk, for unattended use; recorded.",
)
@click.option(
    "--again", is_flag=True, help="Probe targets again that were probed less than 5 minutes ago."
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say more, also without a terminal.")
def probe(
    lists: tuple[str, ...],
    data: Path | None,
    vantage: str | None,
    perspective: "Perspective | None",
    resolvers: tuple[str, ...],
    confirm: int,
    pause: float,
    rate: float,
    deadline: float,
    max_bytes: int,
    jitter: float,
    roots: Path | None,
    do_not_probe: Path | None,
    contact: str,
    accept_risk: str | None,
    *,
    allow_private: bool,
    again: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Look once at every target of the lists, and write one result file.

    LIST is a file (TOML, Citizen Lab CSV, or a name, URL, host:port or address a line), a shipped
    list (see: keepiton targets list --all), or - for stdin. Without any, the default lists.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from keepiton import state  # noqa: PLC0415
    from keepiton.errors import Mistake  # noqa: PLC0415
    from keepiton.run import Plan  # noqa: PLC0415
    from keepiton.targets import load  # noqa: PLC0415

    planned_at = datetime.now(UTC)
    loaded = load(lists, sys.stdin.read, allow_private=allow_private, do_not_probe=do_not_probe)
    settings = _settings(
        resolvers,
        confirm,
        pause,
        rate,
        deadline,
        max_bytes,
        roots,
        loaded,
        allow_private=allow_private,
    )
    if not (contact.isascii() and contact.isprintable()):
        raise Mistake("--contact: write plain ASCII, such as https://example.org/probes")
    data = data or common.folder()
    if dry_run:
        memory = state.load(data)
        _show_plan(loaded, settings, perspective or memory.perspective or "outside")
        return
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        memory = state.load(data)
        _tell_once(memory, data, quiet=quiet)
        for note in loaded.notes if verbose or (sys.stderr.isatty() and not quiet) else ():
            click.echo(f"Note: {note}", err=True)
        vantage, perspective = _who(memory, vantage, perspective, quiet=quiet)
        _accept(memory, loaded, accept_risk, planned_at)
        if not again:
            _not_too_soon(memory, loaded, planned_at)
        state.save(data, memory)
        plan = Plan(data, loaded, vantage, perspective, settings, planned_at, contact)
        done = _run(plan, jitter, quiet=quiet, verbose=verbose)
    except OSError as exc:
        where = exc.filename or data
        text = f"results not written: {where}: {exc.strerror}; what was written stays readable"
        sys.exit(common.complain(text, common.NOT_WRITTEN))
    sys.exit(_conclude(done, perspective, quiet=quiet, verbose=verbose))


def _settings(
    resolvers: tuple[str, ...],
    confirm: int,
    pause: float,
    rate: float,
    deadline: float,
    max_bytes: int,
    roots: Path | None,
    loaded: "Loaded",
    *,
    allow_private: bool,
) -> "Settings":
    from keepiton.errors import Mistake  # noqa: PLC0415
    from keepiton.probe import certificate, dns, http  # noqa: PLC0415
    from keepiton.probe.chain import Settings  # noqa: PLC0415

    try:
        certificate.bundle(roots)
    except (OSError, ValueError):
        raise Mistake(f"--roots {roots}: no certificates in PEM found there") from None
    chosen = tuple(
        dns.system_resolver() if text == "system" else dns.parse_resolver(text, number, roots)
        for number, text in enumerate(resolvers or ("system",), 1)
    )
    return Settings(
        resolvers=chosen,
        headers=http.ORDINARY,
        roots=roots,
        confirm=confirm,
        pause_s=pause,
        rate=rate,
        deadline_s=deadline,
        max_bytes=max_bytes,
        allow_private=allow_private,
        refused=loaded.refused.address,
    )


def _show_plan(loaded: "Loaded", settings: "Settings", perspective: str) -> None:
    """Print what would be contacted."""
    fitting = [one for one in loaded.targets if one.perspective in ("any", perspective)]
    names = ", ".join(one.label for one in settings.resolvers)
    click.echo(f"Would probe {len(fitting)} targets, seen from {perspective}. Nothing is sent now.")
    click.echo(f"Names would be asked of: {names} (A and AAAA)")
    for one in fitting:
        asked = one.url or " ".join([*([one.host] if one.host else []), *one.addresses, *one.ports])
        how = f"GET {asked}" if one.url else f"connect {asked}"
        if one.query:
            how = f"ask {' '.join(one.addresses)} {' '.join(one.ports)}: "
            how += f"{one.query.name} {one.query.type}"
        click.echo(f"  {one.control + ' control' if one.control else one.role:<18} {how}")
    left = len(loaded.targets) - len(fitting)
    if left:
        click.echo(f"Not probed from {perspective}: {left} target(s) that make no sense from there")
    for why in loaded.whys:
        click.echo(f"Risk: {why}")


def _tell_once(memory: "State", data: Path, *, quiet: bool) -> None:
    from keepiton.consent import FIRST_RUN  # noqa: PLC0415
    from keepiton.state import CONSENT  # noqa: PLC0415

    if memory.told < CONSENT and not quiet:
        click.echo(FIRST_RUN.format(data=data), err=True)
        memory.told = CONSENT


def _who(
    memory: "State", vantage: str | None, perspective: "Perspective | None", *, quiet: bool
) -> "tuple[str, Perspective]":
    """Settle who looks and from where: asked once on a terminal, else a safe default, said once."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from keepiton.consent import ASK_PERSPECTIVE, ASK_VANTAGE  # noqa: PLC0415
    from keepiton.errors import Mistake  # noqa: PLC0415
    from keepiton.model import Token  # noqa: PLC0415
    from keepiton.state import random_vantage  # noqa: PLC0415

    known = perspective or memory.perspective
    name = vantage or memory.vantage
    if not known and sys.stdin.isatty() and sys.stderr.isatty():
        click.echo(ASK_PERSPECTIVE, err=True)
        choice = click.Choice(["inside", "outside"])
        answer = click.prompt("inside or outside", type=choice, default="outside", err=True)
        known = "inside" if answer == "inside" else "outside"
        if not name:
            click.echo(ASK_VANTAGE, err=True)
            name = click.prompt("vantage", default=random_vantage(), err=True)
    elif not known and not quiet:
        click.echo(
            "keepiton: perspective not set, taking outside; set it with --perspective"
            " or in keepiton.toml (said once)",
            err=True,
        )
    name = name or random_vantage()
    known = known or "outside"
    try:
        TypeAdapter(Token).validate_python(name)
    except ValidationError:
        raise Mistake(
            f"--vantage {name}: write lower-case letters, digits and hyphens, 32 at most"
        ) from None
    memory.vantage = memory.vantage or name
    memory.perspective = memory.perspective or known
    return name, known


def _accept(memory: "State", loaded: "Loaded", accept_risk: str | None, now: "datetime") -> None:
    """Ask before a list above the lowest risk, or take what was accepted before. Raises Mistake."""
    from keepiton.errors import Mistake  # noqa: PLC0415
    from keepiton.model import RISKS, Risk  # noqa: PLC0415
    from keepiton.state import CONSENT, Acceptance  # noqa: PLC0415

    def covers(level: str) -> bool:
        return RISKS.index(level) >= RISKS.index(loaded.risk)

    if loaded.risk == "low":
        return
    if any(covers(level) and one.consent == CONSENT for level, one in memory.accepted.items()):
        return
    for why in loaded.whys:
        click.echo(f"Risk: {why}", err=True)
    level: Risk = loaded.risk
    if accept_risk:
        if not covers(accept_risk):
            raise Mistake(f"--accept-risk {accept_risk}: these lists have risk {loaded.risk}")
    elif not (sys.stdin.isatty() and click.confirm("Probe these?", default=False, err=True)):
        raise Mistake(
            f"lists of risk {loaded.risk} are not accepted; read the lines above, and if you are"
            f" sure add --accept-risk {loaded.risk} (recorded with the date)"
        )
    memory.accepted[level] = Acceptance(at=now, consent=CONSENT)


def _not_too_soon(memory: "State", loaded: "Loaded", now: "datetime") -> None:
    from keepiton.errors import Mistake  # noqa: PLC0415
    from keepiton.model import utc  # noqa: PLC0415

    at = memory.too_soon([one.id for one in loaded.targets], now)
    if at:
        raise Mistake(
            "these targets were probed less than 5 minutes ago; wait until"
            f" {utc(at)}, or add --again to do it all the same"
        )


def _run(plan: "Plan", jitter: float, *, quiet: bool, verbose: bool) -> "Done":
    import random  # noqa: PLC0415
    import time  # noqa: PLC0415

    import filelock  # noqa: PLC0415

    from keepiton.run import once  # noqa: PLC0415

    if jitter:
        time.sleep(random.uniform(0, jitter))  # noqa: S311 - to spread runs, not to hide
    lock = filelock.FileLock(plan.data / "lock", timeout=0, mode=0o600)
    try:
        with lock, _bar(quiet=quiet) as step:
            return once(plan, step)
    except filelock.Timeout:
        if sys.stderr.isatty() or verbose:
            click.echo(f"keepiton: another run is under way in {plan.data}", err=True)
        sys.exit(common.LOCKED)


@contextmanager
def _bar(*, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Show a progress bar, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("looking at the own line", total=None)

        def step(progress: "Progress") -> None:
            counts = Counter(one.state for one in progress.done)
            said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
            bar.update(task, total=progress.planned, completed=len(progress.done), description=said)

        yield step


def _conclude(done: "Done", perspective: str, *, quiet: bool, verbose: bool) -> int:
    """Print the summary where someone reads it; return the exit code."""
    progress = done.progress
    codes = {"interrupted": 130, "terminated": 143}
    code = codes.get(progress.reason, common.OWN_LINE_DOWN if progress.verdict == "down" else 0)
    if quiet:
        return code
    if sys.stderr.isatty() or verbose:
        for line in summary(done, perspective):
            click.echo(line, err=True)
    elif code == common.OWN_LINE_DOWN:
        click.echo("keepiton: " + own_line(progress, perspective), err=True)
    return code


def own_line(progress: "Progress", perspective: str) -> str:
    """Say in plain words what the controls said of this machine's own line."""
    controls = progress.controls
    count = f"{controls.foreign_ok} of {controls.foreign} foreign controls answered"
    if controls.domestic:
        count += f", {controls.domestic_ok} of {controls.domestic} domestic"
    words = {
        "up": "this machine's own line is up",
        "down": "this machine's own line is down: results are inconclusive",
        "border": "foreign controls are dead and domestic ones alive: abroad is not reached from"
        f" {perspective}",
        "resolver": "this machine's resolver does not answer: failures to resolve are inconclusive",
        "unknown": "this machine's own line was not judged: failures are inconclusive",
    }
    lines = {line for _, line in progress.lines}
    text = words[progress.verdict]
    if progress.verdict == "down" and lines != {"down"}:
        text = "this machine's own line was down for a part: failures of that part are inconclusive"
    return f"{text} ({count})"


def summary(done: "Done", perspective: str) -> "Iterator[str]":
    """Write what a person wants to know after a run."""
    from keepiton.model import clean  # noqa: PLC0415
    from keepiton.report.table import columns  # noqa: PLC0415

    progress = done.progress
    span = f"{done.started_at:%Y-%m-%d %H:%M:%S} to {done.ended_at:%H:%M:%S} UTC"
    counts = Counter(one.state for one in progress.done)
    yield f"Probed {len(progress.done)} targets from {perspective}, {span} ({progress.reason})."
    text = own_line(progress, perspective)
    yield text[0].upper() + text[1:] + "."
    yield (
        f"Targets: {counts['ok']} answered, {counts['fail']} failed,"
        f" {counts['inconclusive']} inconclusive, {counts['skipped']} skipped."
    )
    failed = sorted(
        (one for one in progress.done if one.state == "fail"),
        key=lambda one: (one.target.operator or "~", one.target.id),
    )
    if failed:
        rows = [
            [clean(one.target.id), one.target.operator or "-", one.stage or "-", one.failure or "-"]
            for one in failed[:SHOWN_FAILURES]
        ]
        yield ""
        yield columns(["failed", "operator", "at", "how"], rows).rstrip()
        if len(failed) > SHOWN_FAILURES:
            yield f"and {len(failed) - SHOWN_FAILURES} more"
        yield ""
    yield f"Received {progress.bytes_received / 1000:,.0f} kB."
    offset_ms = progress.clock_offset_ms or 0
    if abs(offset_ms) > SHOWN_OFFSET_MS:
        yield f"This machine's clock is {-offset_ms / 1000:+.0f} s off that of the controls."
    if done.recovered:
        yield f"Sealed what an earlier run left behind: {done.recovered}"
    yield f"Results: {done.path}"
