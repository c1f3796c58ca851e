"""The command line: one module a command; parse, call, print.

Heavy libraries are imported inside the command that needs them, so that ``--help`` is quick.
"""

import click

from keepiton import __version__
from keepiton.cli import common, probe, report, status, targets, wipe


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def keepiton(context: click.Context) -> None:
    """Detect and document internet disruptions: what, when, for whom, with the evidence.

    \b
    Begin with:  keepiton probe      one look at every target, about a minute
    Then:        keepiton status     a quick table
                 keepiton report     the disruptions found so far

    A failure is confirmed by a second attempt after a pause (--confirm). Control targets tell
    a disruption from this machine's own dead line. Nothing is sent but the probes.

    Exit status: 0 done; 2 usage, configuration or list wrong; 3 --fail-on met; 4 this machine's
    own line is down; 5 results not written; 6 no data; 75 another run is under way;
    130/143 interrupted.
    """  # noqa: D301 - the backspace is click's mark for lines to keep
    context.default_map = common.configuration(keepiton)


for command in (probe.probe, status.status, report.report, targets.targets, wipe.wipe):
    keepiton.add_command(command)


def main() -> None:
    """Run the command line."""
    common.run(keepiton)
