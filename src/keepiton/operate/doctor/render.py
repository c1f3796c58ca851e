"""Results of the checks, as a table for a terminal and as JSON."""

import json
import textwrap
from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from keepiton import __version__
from keepiton.base.language import ENGLISH, Language, gettext_noop
from keepiton.base.types import utc
from keepiton.operate.doctor.types import CheckOutcome, CheckResult

FORMAT = 1
"""Of the JSON; raised when a meaning changes, not when a check is added."""
SIGNS: dict[CheckOutcome, tuple[str, str, str]] = {
    "ok": ("+", gettext_noop("well"), "green"),
    "info": ("~", gettext_noop("note"), "cyan"),
    "problem": ("!", gettext_noop("trouble"), "bold red"),
    "skipped": ("?", gettext_noop("not looked"), "dim"),
}
"""Sign, word and colour of each state; the colour never stands alone."""
GAP = 2
"""Spaces between two columns."""
LEAST = 40
"""Columns that the messages need beside the names; with fewer they are written below."""
ADVICE = "> "


def table(results: Sequence[CheckResult], lang: Language, width: int) -> Text:
    """Return one line per check with its advice below it, and a summary at the end."""
    _ = lang.gettext
    states = {state: f"{sign} {_(word)}" for state, (sign, word, _colour) in SIGNS.items()}
    first = max(map(cell_len, states.values())) + GAP
    second = max(cell_len(_(result.name)) for result in results) + GAP
    wide = width - first - second >= LEAST
    beside, below = (first + second, first) if wide else (GAP, GAP)
    out = Text()
    for result in results:
        state, name = states[result.state], _(result.name)
        out.append(state, Style.parse(SIGNS[result.state][2]))
        out.append(" " * (first - cell_len(state)) + name)
        out.append(" " * (second - cell_len(name)) if wide else "\n" + " " * beside)
        messages = " ".join(message.translated(lang) for message in result.messages)
        out.append(_wrapped(messages, width, beside) + "\n")
        if result.advice:
            advice = ADVICE + result.advice.translated(lang)
            out.append(" " * below + _wrapped(advice, width, below, len(ADVICE)) + "\n")
    out.append("\n" + _wrapped(_summary(results, lang), width, 0))
    return out


def _wrapped(text: str, width: int, indent: int, hanging: int = 0) -> str:
    """Break a text into lines, all but the first indented; words and options stay whole."""
    lines = textwrap.wrap(
        text,
        width - indent,
        break_long_words=False,
        break_on_hyphens=False,
        subsequent_indent=" " * hanging,
    )
    return ("\n" + " " * indent).join(lines)


def _summary(results: Sequence[CheckResult], lang: Language) -> str:
    """Count the results by state, and name the problems: the end of the output is read first."""
    by_state = {
        state: [lang.gettext(result.name) for result in results if result.state == state]
        for state in SIGNS
    }
    counts = ", ".join(
        f"{lang.gettext(word)} {lang.number(len(by_state[state]))}"
        for state, (_sign, word, _colour) in SIGNS.items()
    )
    if not by_state["problem"]:
        return lang.gettext("Nothing is in trouble ({counts}).", counts=counts)
    names = ", ".join(by_state["problem"])
    return lang.gettext("In trouble: {names} ({counts}).", names=names, counts=counts)


def to_json(results: Sequence[CheckResult], at: datetime, code: int) -> str:
    """Return the results as JSON, in English whatever the language of the reader."""
    document = {
        "format": FORMAT,
        "keepiton": __version__,
        "at": utc(at),
        "exit": code,
        "problems": sum(result.state == "problem" for result in results),
        "checks": [
            {
                "name": result.name,
                "state": result.state,
                "message": " ".join(message.translated(ENGLISH) for message in result.messages),
                "advice": result.advice.translated(ENGLISH) if result.advice else None,
            }
            for result in results
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
