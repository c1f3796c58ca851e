"""The options of a run: ``probe`` and ``watch`` have them all, ``doctor`` and ``schedule`` some."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import click

from keepiton.cli import shared_options
from keepiton.cli.extensions import add_run_options
from keepiton.cli.option_fields import add_options, declared, option

QUAD9_BY_ADDRESS = "https://9.9.9.9/dns-query"
"""Its certificate holds the address, so no other resolver is needed to reach this one."""
READABLE_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """The values of the options; from the fields come flags, configuration keys and their page."""

    lists: tuple[str, ...] = declared((), click.argument("lists", nargs=-1, metavar="[LIST]..."))
    data: Path | None = declared(None, shared_options.data_option)
    lang: str | None = declared(None, shared_options.language_option)
    vantage: str | None = option(
        "--vantage",
        default=None,
        envvar="KEEPITON_VANTAGE",
        help="Name of this vantage in the results.  [default: a random one, kept]",
    )
    perspective: Literal["inside", "outside"] | None = option(
        "--perspective",
        default=None,
        type=click.Choice(["inside", "outside"]),
        envvar="KEEPITON_PERSPECTIVE",
        help="Where this machine is, seen from the country.",
    )
    resolvers: tuple[str, ...] = option(
        "--resolver",
        default=(),
        envvar="KEEPITON_RESOLVER",
        help="Ask this instead of the system's resolver: 9.9.9.9, tcp://9.9.9.9,"
        " tls://dns.quad9.net, https://dns.quad9.net/dns-query, or system. Repeatable.",
    )
    doh: str = option(
        "--doh",
        default=QUAD9_BY_ADDRESS,
        help="Resolver that every name is also asked of, to compare the answers.",
    )
    no_doh: bool = option(
        "--no-doh",
        default=False,
        envvar="KEEPITON_NO_DOH",
        help="Compare with nobody: ask neither the resolver above, which lies abroad and is"
        " visible, nor a zone's own servers.",
    )
    throughput: bool = option(
        "--throughput",
        default=False,
        setting="throughput",
        help="Take a sample of 1 MB at the most from targets whose list allows it.",
    )
    quic: bool = option(
        "--quic",
        default=False,
        setting="quic",
        help="Also do a QUIC handshake with https targets (extra: quic).",
    )
    confirm: int = option(
        "--confirm",
        default=1,
        setting="confirm",
        type=click.IntRange(0, 2),
        help="Attempts that confirm a failure.",
    )
    pause: float = option(
        "--pause",
        default=5.0,
        setting="pause_s",
        type=click.FloatRange(0, 60),
        help="Seconds before a confirming attempt.",
    )
    rate: float = option(
        "--rate",
        default=20.0,
        setting="rate",
        type=click.FloatRange(0.1, 5000),
        help="New connections a second, at most; 50 suits a server.",
    )
    deadline: float = option(
        "--deadline",
        default=600.0,
        setting="deadline_s",
        type=click.FloatRange(1, 86400),
        help="Seconds after which targets not got to are skipped.",
    )
    max_bytes: int = option(
        "--max-bytes",
        default=50_000_000,
        setting="max_bytes",
        type=click.IntRange(10_000),
        help="End the run after receiving so much.",
    )
    roots: Path | None = option(
        "--roots",
        default=None,
        setting="roots",
        type=READABLE_FILE,
        help="Trust anchors (PEM) instead of the pinned bundle.",
    )
    do_not_probe: Path | None = option(
        "--do-not-probe",
        default=None,
        type=READABLE_FILE,
        help="A file of hosts, addresses and prefixes never to contact.",
    )
    allow_private: bool = option(
        "--allow-private",
        default=False,
        setting="allow_private",
        help="Also connect to private and reserved addresses.",
    )
    contact: str = option(
        "--contact",
        default="",
        help="A page or address that explains your probes, told to targets where they are named.",
    )
    user_agent: Literal["auto", "ordinary", "named"] = option(
        "--user-agent",
        default="auto",
        type=click.Choice(["auto", "ordinary", "named"]),
        help="What requests say of themselves: ordinary as a browser does, named says keepiton;"
        " auto is ordinary from inside and named from outside.",
    )
    accept_risk: str | None = option(
        "--accept-risk",
        default=None,
        type=click.Choice(["low", "medium", "high"]),
        help="Accept lists up to this risk, for unattended use; recorded.",
    )
    again: bool = option(
        "--again",
        default=False,
        help="Probe targets again that were probed less than 5 minutes ago.",
    )
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"decorator": add_run_options})
    """Values of the options that extensions add here."""
    quiet: bool = option("-q", "--quiet", default=False, help="Say nothing but errors.")
    verbose: bool = option(
        "-v", "--verbose", default=False, help="Say more, also without a terminal."
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "ProbeOptions":
        """Return the options of a command's values; those of extensions stand in ``extra``."""
        names = {entry.name for entry in fields(cls)} - {"extra"}
        own = {name: value for name, value in values.items() if name in names}
        extra = {name: value for name, value in values.items() if name not in names}
        return cls(**own, extra=extra)

    def settings(self) -> dict[str, Any]:
        """Return what the options say of a run's settings, by the names of their fields."""
        return {
            entry.metadata["setting"]: getattr(self, entry.name)
            for entry in fields(self)
            if entry.metadata.get("setting")
        }


options = add_options(ProbeOptions)
"""Decorator that adds every option of a run."""
