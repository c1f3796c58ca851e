r"""The man page and the shells' completions, written from the commands themselves.

Made anew, in the checkout, by: .venv/bin/python tests/manual.py
"""

import inspect
import os
import re
import sys
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from keepiton import __version__
from keepiton.cli import folders, keepiton

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
COMPLETIONS = {"bash": "keepiton.bash", "zsh": "_keepiton", "fish": "keepiton.fish"}
FIRST = "[[ $zsh_eval_context[-1] == loadautofunc ]]"
ALWAYS = '[[ "$funcstack[1]" == _keepiton ]]'
"""zsh keeps a file that it loaded as a function: click's test is true at the first TAB alone, and
the second would do nothing."""
WIDTH = 76
SIGNS = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    '"': r"\(dq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
}
"""What roff would take for its own, or would print as something that cannot be pasted."""
VARIABLES = {
    "KEEPITON_LANG": "Language of help and of what people read: en, ru or be.",
    "LC_ALL, LC_MESSAGES, LANG": "The language where that is not set.",
}
"""Read by the program itself; those of options stand at the options, and are gathered there."""


def escaped(text: str) -> str:
    """Write a text so that roff prints it as it is, wherever it stands but at a line's start."""
    return "".join(
        SIGNS.get(sign) or (sign if sign.isascii() else rf"\[u{ord(sign):04X}]") for sign in text
    )


def line(text: str) -> str:
    """Write a whole line of text, which may begin with what would be a request."""
    done = escaped(text)
    return rf"\&{done}" if done.startswith((".", r"\(aq")) else done


def filled(text: str) -> list[str]:
    """Write a paragraph, in short lines."""
    words = [escaped(word) for word in text.split()]
    lines = textwrap.wrap(" ".join(words), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{one}" if one.startswith((".", r"\(aq")) else one for one in lines]


def prose(text: str) -> list[str]:
    r"""Write help as click shows it: paragraphs, and those marked with \b line by line."""
    out: list[str] = []
    for part in inspect.cleandoc(text).split("\n\n"):
        lines = part.strip("\n").splitlines()
        if lines and lines[0] == "\b":
            out += [".PP", ".nf", *map(line, lines[1:]), ".fi"]
        elif lines:
            out += [".PP", *filled(part)]
    return out[1:]  # a section opens with a paragraph of its own


def entry(term: str, told: str) -> list[str]:
    """Write a term, in bold, and what is said of it."""
    return [".TP", rf"\fB{escaped(term)}\fR", *(filled(told) or [r"\&"])]


def commands(group: click.Context) -> dict[str, click.Context]:
    """Find every command below a group, by the words that call it."""
    found: dict[str, click.Context] = {}
    assert isinstance(group.command, click.Group)
    for name in group.command.list_commands(group):
        command = group.command.get_command(group, name)
        assert command
        context = click.Context(command, parent=group, info_name=name)
        found[context.command_path] = context
        if isinstance(command, click.Group):
            found |= commands(context)
    return found


def options(context: click.Context, params: list[click.Parameter]) -> list[str]:
    """Write options as help shows them, whatever the width."""
    records = [one.get_help_record(context) for one in params if isinstance(one, click.Option)]
    return [text for record in records if record for text in entry(*record)]


def variables(contexts: Iterable[click.Context]) -> dict[str, str]:
    """Return what is taken from the environment, and for what."""
    found = dict(VARIABLES)
    for context in contexts:
        for one in context.command.params:
            names = [one.envvar] if isinstance(one.envvar, str) else one.envvar or []
            for name in names:
                found.setdefault(name, f"For {max(one.opts, key=len)}, where that is not given.")
    return dict(sorted(found.items()))


def files() -> dict[str, str]:
    """Return the files that the program knows by itself, and what they are."""
    home = re.compile(rf"^{re.escape(str(Path.home()))}(?=/)")
    where = {folders.data_folder(): "Results and state, where --data names no other folder."} | {
        path: f"Configuration: the {layer}'s." for layer, path in folders.config_files().items()
    }
    return {home.sub("~", str(path)): told for path, told in where.items()}


def page(date: str) -> str:
    """Write packaging/keepiton.1 as it must be, with the date it was made on."""
    assert keepiton.help
    root = click.Context(keepiton, info_name="keepiton", **keepiton.context_settings)
    told, _, statuses = inspect.cleandoc(keepiton.help).partition("\n\nExit status: ")
    short = told.partition(":")[0]
    out = [
        r".\" Made by tests/manual.py from the commands; edits are lost.",
        f'.TH KEEPITON 1 {date} "keepiton {__version__}" "User Commands"',
        ".SH NAME",
        rf"keepiton \- {escaped(short[0].lower() + short[1:])}",
        ".SH SYNOPSIS",
        r"\fBkeepiton\fR [\fIoptions\fR] \fIcommand\fR [\fIarguments\fR]...",
        ".SH DESCRIPTION",
        *prose(told),
        ".SH OPTIONS",
        *options(root, keepiton.get_params(root)),
        ".SH COMMANDS",
    ]
    below = commands(root)
    for path, context in below.items():
        usage = " ".join(context.command.collect_usage_pieces(context))
        out += [f".SS {escaped(path)}", rf"\fB{escaped(path)}\fR {escaped(usage)}", ".PP"]
        out += [*prose(context.command.help or ""), *options(context, context.command.params)]
    out.append(".SH EXIT STATUS")
    for one in " ".join(statuses.removesuffix(".").split()).split("; "):
        out += entry(*one.split(" ", 1))
    out.append(".SH ENVIRONMENT")
    for name, why in variables(below.values()).items():
        out += entry(name, why)
    out.append(".SH FILES")
    for name, what in files().items():
        out += entry(name, what)
    return "\n".join(out) + "\n"


def completion(shell: str) -> str:
    """Write what makes a shell complete, as click itself does, but for one line of zsh's."""
    maker = get_completion_class(shell)
    assert maker
    made = maker(keepiton, {}, "keepiton", "_KEEPITON_COMPLETE").source()
    assert shell != "zsh" or FIRST in made
    made = made.replace(FIRST, ALWAYS)
    return "\n".join(text.rstrip() for text in made.strip().splitlines()) + "\n"


def wanted(date: str) -> dict[str, str]:
    """Return every generated file under packaging, as it must be."""
    return {"keepiton.1": page(date)} | {
        name: completion(shell) for shell, name in COMPLETIONS.items()
    }


if __name__ == "__main__":
    for variable in [one for one in os.environ if one.startswith("XDG_")]:
        del os.environ[variable]
    for name, text in wanted(f"{datetime.now(UTC):%Y-%m-%d}").items():
        (PACKAGING / name).write_text(text)
        sys.stdout.write(f"packaging/{name}\n")
