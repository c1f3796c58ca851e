"""Messages about a change, in the reader's language. Pure."""

import re
from dataclasses import dataclass, replace

from keepiton.base.language import Language, gettext_noop
from keepiton.base.types import clean
from keepiton.detect.types import Window
from keepiton.operate.alarms.changes import Change, SupersededWindow
from keepiton.report import phrases, vocabulary
from keepiton.report.defang import name as defanged
from keepiton.report.types import Report

TITLE_LENGTH = 200
BODY_LENGTH = 4000
SHOWN_NAMES = 10
ODD = re.compile(r"[^\w .:,/()+\[\]-]")
"""Characters removed from names: chats and mail programs mention, format and link by them."""
REASON_TEXTS = {
    "withdrawn": gettext_noop(
        "This was announced and is withdrawn: with the data there is now, no such disruption is"
        " found."
    ),
    "goes-on": gettext_noop("This was announced as over. With the data there is now, it goes on."),
    "part-of-larger": gettext_noop("This includes what was announced before: {names}."),
    "": gettext_noop("It takes the place of what was announced before: {names}."),
}


@dataclass(frozen=True, slots=True)
class Message:
    """A title of one line, and a body of several."""

    title: str
    body: str


def write_message(change: Change, report: Report, *, late: bool) -> Message:
    """Return the message of a change; names are defanged, for chats link names and fetch the pages.

    ``late``: it could not be sent when it was found. The report gives language, zone and time.
    """
    lang = report.lang
    _ = lang.gettext
    window = _defanged_window(change.window, lang)
    heading = phrases.heading(window, lang)
    if change.kind == "opening":
        title = _("Disruption: {heading}", heading=heading)
    elif change.kind == "correction":
        title = _("Correction: {heading}", heading=heading)
    elif window.end_latest:
        title = _("Disruption over: {heading}", heading=heading)
    else:
        title = _("No more data on a disruption: {heading}", heading=heading)
    body = []
    if change.reason or change.supersedes:
        names = ", ".join(_name(smaller, lang) for smaller in change.supersedes[:SHOWN_NAMES])
        if (more := len(change.supersedes) - SHOWN_NAMES) > 0:
            names += " " + lang.ngettext("and {n} more", "and {n} more", more)
        body.append(_(REASON_TEXTS[change.reason], names=names))
    if late:
        at = phrases.instant(change.at, report)
        body.append(_("Found at {at}; it could not be sent before.", at=at))
    rows = [
        (_("began"), phrases.began(window, report)),
        (_("ended"), phrases.ended(window, report)),
        *phrases.facts(window, report),
    ]
    if change.reason == "withdrawn":
        rows = [rows[0], (_("id"), window.id)]
    body += [f"{name}: {value}" for name, value in rows]
    body += [phrases.times(report), _(vocabulary.CAVEAT)]
    return Message(clean(title, TITLE_LENGTH), "\n".join(map(_line, body))[:BODY_LENGTH])


def _line(text: str) -> str:
    return clean(text, 1000)


def _defanged(text: str) -> str:
    """Return a name that a stranger may have chosen, without links and mentions."""
    return ODD.sub("_", defanged(clean(text)))


def _name(window: SupersededWindow, lang: Language) -> str:
    return f"{_defanged(window.subject)} ({lang.gettext(vocabulary.SCOPES[window.scope])})"


def _defanged_window(window: Window, lang: Language) -> Window:
    """Return a window with few and defanged names, and without evidence."""

    def few(names: tuple[str, ...]) -> tuple[str, ...]:
        more = len(names) - SHOWN_NAMES
        left = (lang.ngettext("and {n} more", "and {n} more", more),) if more > 0 else ()
        return (*map(_defanged, names[:SHOWN_NAMES]), *left)

    return replace(
        window,
        id=_defanged(window.id),
        subject=_defanged(window.subject),
        targets=few(window.targets),
        operators=few(window.operators),
        vantages_for=few(window.vantages_for),
        failures={_defanged(failure): count for failure, count in window.failures.items()},
        evidence=(),
    )
