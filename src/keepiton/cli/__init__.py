"""The command line: one module a command for its options, one for what it does.

``status.py`` holds the options and the help of ``keepiton status``. It imports click, light modules
of the standard library and light modules of ours alone, so that ``--help`` and completion are quick
and work where duckdb or numpy cannot be had. Its function is empty and decorated with
:func:`deferred`, the last decorator: the function that runs has the same name and lies in
``status_run.py``, which imports all it needs at its top and is loaded when the command is called.
A command that needs one module alone may import that inside its function instead.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from gettext import gettext
from importlib import import_module

import click

from keepiton import __version__
from keepiton.base.errors import UserError
from keepiton.cli import exits, folders, i18n

COMMANDS = {
    "config": "Show what is configured, and where each value comes from.",
    "doctor": "Look over this machine and the data folder, with plain advice.",
    "drill": "Practise on a make-believe country on this machine; nothing leaves it.",
    "findings": "Say what one run's rows show of each target, by which rule, and on which lines.",
    "probe": "Look once at every target of the lists, and write one result file.",
    "report": "Turn result files into disruption windows.",
    "results": "Look after result files: check, pack, prune, merge, export, share.",
    "schedule": "Print, install or remove a schedule of runs.",
    "status": "Show a quick table: who answers now, and since when.",
    "explain": "Say what a code means, what causes it and what it does not prove.",
    "targets": "Show and validate target lists.",
    "watch": "Look again and again in the foreground, with a live table.",
    "wipe": "Remove everything keepiton has written.",
}
"""Every command, by the name of its module and function."""
CORE = ("probe", "status", "report", "explain", "targets")
"""Commands whose modules lie here; those of the others lie in ``keepiton.commands``."""


def deferred(
    module: str, *, readers: bool = False
) -> Callable[[Callable[[], None]], Callable[..., None]]:
    """Let a command of options and help alone run the function of its name in ``module``.

    That function takes every option by its name. With ``readers``, the command raises UserError
    where duckdb or numpy is missing, before the module is loaded.
    """

    def decorate(declared: Callable[[], None]) -> Callable[..., None]:
        @wraps(declared)
        def run(*context: click.Context, **options: object) -> None:
            if readers:
                import_module("keepiton.storage.result_files").require()
            getattr(import_module(module), declared.__name__)(*context, **options)

        run.deferred_to = module  # type: ignore[attr-defined]
        return run

    return decorate


class Commands(click.Group):
    """Knows its commands, by the names of modules in a package, without loading them."""

    shorts = COMMANDS

    def package(self, name: str) -> str:
        """Return the package that holds a command's module."""
        return __name__ if name in CORE else "keepiton.commands"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them, in order."""
        del ctx
        return list(self.shorts)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one."""
        if cmd_name not in self.shorts:
            return None
        module = import_module(f"{self.package(cmd_name)}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        if ctx.obj and ctx.obj.code != "en":
            i18n.translate(command, ctx.obj)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them into the help."""
        translate = ctx.obj.gettext if ctx.obj else str
        with formatter.section(gettext("Commands")):
            formatter.write_dl([(name, translate(short)) for name, short in self.shorts.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option(
    "--lang", expose_value=False, help="Language of help and of what people read: en, ru or be."
)
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
    if folders.configured():
        from keepiton.cli import config_layers  # noqa: PLC0415

        context.default_map = config_layers.defaults(keepiton, context.invoked_subcommand)


def _open_streams() -> None:
    """Lead closed standard streams nowhere; else the next file that is opened takes their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


def main() -> None:
    """Run the command line; a mistake of the user's becomes a message and exit 2."""
    _open_streams()
    try:
        language = i18n.activate(sys.argv[1:])
        if language.code != "en":
            i18n.translate(keepiton, language)
        keepiton.main(prog_name="keepiton", standalone_mode=False, obj=language)
    except UserError as exc:
        sys.exit(exits.print_error(str(exc), exits.USAGE))
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except click.Abort:
        click.echo("keepiton: interrupted", err=True)
        sys.exit(exits.INTERRUPTED)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (MemoryError, ImportError, SystemError) as exc:  # also as loaders and Python say it
        if isinstance(exc, ImportError) and "failed to map" not in str(exc):
            raise
        message = ": ".join(filter(None, ["out of memory", str(exc)]))
        sys.exit(exits.print_error(f"{message}; what was written stays", exits.NOT_WRITTEN))
    except BrokenPipeError:  # the reader of our output went away, as with head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
