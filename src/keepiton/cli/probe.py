"""``keepiton probe``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepiton.cli import ask, common, summary
from keepiton.errors import Mistake

if TYPE_CHECKING:
    from keepiton.language import Language
    from keepiton.model import Perspective
    from keepiton.probe.world import Settings
    from keepiton.run import Done, UserAgent
    from keepiton.targets import Loaded


COMPARED = "https://9.9.9.9/dns-query"
"""Quad9 by address: its certificate holds it, so no other resolver is needed to reach this one."""


@click.command()
@click.argument("lists", nargs=-1, metavar="[LIST]...")
@common.data_option
@common.language_option
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
    "--doh",
    default=COMPARED,
    show_default=True,
    help="Resolver that every name is also asked of, to compare the answers.",
)
@click.option(
    "--no-doh",
    is_flag=True,
    envvar="KEEPITON_NO_DOH",
    help="Compare with nobody: ask neither the resolver above, which lies abroad and is visible,"
    " nor a zone's own servers.",
)
@click.option(
    "--throughput",
    is_flag=True,
    help="Take a sample of 1 MB at the most from targets whose list allows it.",
)
@click.option(
    "--quic", is_flag=True, help="Also do a QUIC handshake with https targets (extra: quic)."
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
    help="A page or address that explains your probes, told to targets where they are named.",
)
@click.option(
    "--user-agent",
    type=click.Choice(["auto", "ordinary", "named"]),
    default="auto",
    show_default=True,
    help="What requests say of themselves: ordinary as a browser does, named says keepiton; auto is"
    " ordinary from inside and named from outside.",
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
    lang: str | None,
    vantage: str | None,
    perspective: "Perspective | None",
    resolvers: tuple[str, ...],
    doh: str,
    confirm: int,
    pause: float,
    rate: float,
    deadline: float,
    max_bytes: int,
    jitter: float,
    roots: Path | None,
    do_not_probe: Path | None,
    contact: str,
    user_agent: "UserAgent",
    accept_risk: str | None,
    *,
    no_doh: bool,
    throughput: bool,
    quic: bool,
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
    import random  # noqa: PLC0415
    import time  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    import filelock  # noqa: PLC0415

    from keepiton import state  # noqa: PLC0415
    from keepiton.run import Plan, once  # noqa: PLC0415
    from keepiton.targets import load  # noqa: PLC0415

    planned_at = datetime.now(UTC)
    words = common.language(lang)
    loaded = load(
        lists, sys.stdin.buffer.read, allow_private=allow_private, do_not_probe=do_not_probe
    )
    settings = _settings(
        resolvers,
        None if no_doh else doh,
        confirm,
        pause,
        rate,
        deadline,
        max_bytes,
        roots,
        loaded,
        throughput=throughput,
        quic=quic,
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
        with filelock.FileLock(data / "lock", timeout=0, mode=0o600):
            memory = state.load(data)
            try:
                ask.tell_once(memory, data, quiet=quiet)
                for note in loaded.notes if verbose or (sys.stderr.isatty() and not quiet) else ():
                    click.echo(f"Note: {note}", err=True)
                vantage, perspective = ask.who(memory, vantage, perspective, quiet=quiet)
                ask.accept(memory, loaded, accept_risk, planned_at)
                if not again:
                    ask.not_too_soon(memory, loaded, planned_at)
            finally:  # what was said and settled holds, even when the run is refused
                state.save(data, memory)
            if jitter:
                time.sleep(random.uniform(0, jitter))  # noqa: S311 - to spread runs, not to hide
            plan = Plan(
                data, loaded, vantage, perspective, settings, planned_at, contact, user_agent
            )
            with summary.bar(words, quiet=quiet) as step:
                done = once(plan, memory, step)
    except filelock.Timeout:
        if verbose or (sys.stderr.isatty() and not quiet):
            click.echo(f"keepiton: another run is under way in {data}", err=True)
        sys.exit(common.LOCKED)
    except OSError as exc:
        where = exc.filename or data
        text = f"results not written: {where}: {exc.strerror}; what was written stays readable"
        sys.exit(common.complain(text, common.NOT_WRITTEN))
    sys.exit(_conclude(done, perspective, words, quiet=quiet, verbose=verbose))


def _settings(
    resolvers: tuple[str, ...],
    doh: str | None,
    confirm: int,
    pause: float,
    rate: float,
    deadline: float,
    max_bytes: int,
    roots: Path | None,
    loaded: "Loaded",
    *,
    throughput: bool,
    quic: bool,
    allow_private: bool,
) -> "Settings":
    from keepiton.probe import certificate, dns, http  # noqa: PLC0415
    from keepiton.probe import quic as quic_stage  # noqa: PLC0415
    from keepiton.probe.world import Settings  # noqa: PLC0415

    if quic and not quic_stage.available():
        raise Mistake("--quic: aioquic is not installed; pip install 'keepiton[quic]'")
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
        compare=(dns.parse_resolver(doh, 0, roots),) if doh else (),
        fingerprints=loaded.fingerprints,
        throughput=throughput,
        quic=quic,
        refused_name=loaded.refused.name,
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
    for resolver in settings.compare:
        click.echo(f"and, to compare, of: {resolver.label} (A; left out with --no-doh)")
    zones = sorted({f".{one.serves}" for one in fitting if one.serves and settings.compare})
    if zones:
        click.echo(
            f"and, to compare, names under {', '.join(zones)} of the zone's own servers in the list"
            " (A; left out with --no-doh)"
        )
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


def _conclude(
    done: "Done", perspective: str, words: "Language", *, quiet: bool, verbose: bool
) -> int:
    """Print the summary where someone reads it; return the exit code."""
    progress = done.progress
    codes = {"interrupted": 130, "terminated": 143}
    code = codes.get(
        progress.reason, common.OWN_LINE_DOWN if progress.verdict in summary.OFFLINE else 0
    )
    if quiet:
        return code
    if sys.stderr.isatty() or verbose:
        for line in summary.lines(done, perspective, words):
            click.echo(line, err=True)
    elif code == common.OWN_LINE_DOWN:
        click.echo("keepiton: " + summary.own_line(progress, words), err=True)
    return code
