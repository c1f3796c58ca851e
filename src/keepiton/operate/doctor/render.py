"""What the checks found, for a terminal and for machines."""

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
    "well": ("+", gettext_noop("well"), "green"),
    "note": ("~", gettext_noop("note"), "cyan"),
    "trouble": ("!", gettext_noop("trouble"), "bold red"),
    "not looked": ("?", gettext_noop("not looked"), "dim"),
}
"""Of each state: its sign, its word and its colour, which never stands alone."""
GAP = 2
LEAST = 40
"""Columns that a text beside the names needs; else it stands below."""
ADVICE = "> "


def table(looks: Sequence[CheckResult], words: Language, width: int) -> Text:
    """Write one line a check, advice below it, and what it comes to at the end."""
    _ = words.gettext
    states = {state: f"{sign} {_(word)}" for state, (sign, word, _colour) in SIGNS.items()}
    first = max(map(cell_len, states.values())) + GAP
    second = max(cell_len(_(one.name)) for one in looks) + GAP
    wide = width - first - second >= LEAST
    beside, below = (first + second, first) if wide else (GAP, GAP)
    out = Text()
    for one in looks:
        state, name = states[one.state], _(one.name)
        out.append(state, Style.parse(SIGNS[one.state][2]))
        out.append(" " * (first - cell_len(state)) + name)
        out.append(" " * (second - cell_len(name)) if wide else "\n" + " " * beside)
        said = " ".join(text.by(words) for text in one.said)
        out.append(_wrapped(said, width, beside) + "\n")
        if one.advice:
            advice = _wrapped(ADVICE + one.advice.by(words), width, below, len(ADVICE))
            out.append(" " * below + advice + "\n")
    out.append("\n" + _wrapped(_sum(looks, words), width, 0))
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


def _sum(looks: Sequence[CheckResult], words: Language) -> str:
    """Say what it comes to; what is in trouble by name, since the end is what is seen first."""
    by_state = {
        state: [words.gettext(one.name) for one in looks if one.state == state] for state in SIGNS
    }
    counts = ", ".join(
        f"{words.gettext(word)} {words.number(len(by_state[state]))}"
        for state, (_sign, word, _colour) in SIGNS.items()
    )
    if not by_state["trouble"]:
        return words.gettext("Nothing is in trouble ({counts}).", counts=counts)
    names = ", ".join(by_state["trouble"])
    return words.gettext("In trouble: {names} ({counts}).", names=names, counts=counts)


def to_json(looks: Sequence[CheckResult], at: datetime, code: int) -> str:
    """Write the same for machines: in English, whoever reads."""
    shown = {
        "format": FORMAT,
        "keepiton": __version__,
        "at": utc(at),
        "exit": code,
        "trouble": sum(one.state == "trouble" for one in looks),
        "checks": [
            {
                "name": one.name,
                "state": one.state,
                "said": " ".join(told.by(ENGLISH) for told in one.said),
                "advice": one.advice.by(ENGLISH) if one.advice else None,
            }
            for one in looks
        ],
    }
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
