"""Events to look at: votes, and disruptions known from others, each with its source."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from keepiton.base.errors import UserError
from keepiton.base.suggest import closest
from keepiton.base.toml_lines import line_of
from keepiton.base.types import clean
from keepiton.lists import toml
from keepiton.lists.load import EVENTS, SHIPPED_FOLDER, text_of
from keepiton.lists.types import Event, EventList

_WHEN = "a date or an instant, such as 2022-02-27 or 2022-02-27T05:00:00Z, without quotation marks"
_WORD = "lower-case letters, digits and hyphens, 32 at most"
FORM = toml.TomlForm(
    EventList,
    "event",
    {"event": Event},
    {
        "confidence": '"high", "medium" or "low"',
        "country": toml.RIGHT["country"],
        "end": _WHEN,
        "id": _WORD,
        "kind": f'"vote", or another word in {_WORD}',
        "operators": f'a list of ids, such as ["a1"]: {_WORD}',
        "precision": '"minute", "hour", "day" or "month"',
        "source": "where it can be read, such as an address",
        "start": _WHEN,
        "title": "a line of text",
        "where": 'whom it touched, such as "national"',
        "zone": 'a time zone such as "Europe/Minsk" or "UTC"',
    },
)


def read(path: Path) -> EventList:
    """Read a file of events; each one's zone is filled in. Raises UserError with every mistake."""
    listed, lines, mistakes = toml.parse(FORM, str(path), text_of(path))
    events: list[Event] = []
    first: dict[str, int] = {}
    for number, event in enumerate(listed.event if listed else ()):
        whole = event.model_copy(update={"zone": event.zone or (listed and listed.zone)})
        begin, end = whole.span()
        if end <= begin:
            at = line_of(lines, FORM.entry, number, "end")
            wrong = f"is not after its start; write {_WHEN}, or leave it out"
            mistakes.append(f'{path}:{at}: event "{event.id}", end: {wrong}')
        at = line_of(lines, FORM.entry, number, "id")
        if event.id in first:
            wrong = f"already used in line {first[event.id]}; choose another"
            mistakes.append(f'{path}:{at}: event "{event.id}", id: {wrong}')
        first.setdefault(event.id, at)
        events.append(whole)
    if mistakes or not listed:
        raise UserError("\n".join(mistakes))
    return listed.model_copy(update={"event": tuple(events)})


@cache
def shipped() -> tuple[EventList, ...]:
    """Read the events that come with keepiton, of every country; once, however often asked."""
    return tuple(read(path) for path in sorted(SHIPPED_FOLDER.glob(f"*/{EVENTS}.toml")))


def of_country(country: str | None) -> EventList | None:
    """Return the events that come with keepiton for a country; None where there are none."""
    return next((events for events in shipped() if country and events.country == country), None)


def find(name: str, lists: Iterable[EventList]) -> Event:
    """Return the event of an id, of the first list that has it. Raises UserError."""
    known: dict[str, Event] = {}
    for listed in lists:
        for event in listed.event:
            known.setdefault(event.id, event)
    if name in known:
        return known[name]
    near = closest(name, known)
    meant = f"did you mean {near[0]}? " if near else ""
    ids = ", ".join(known) or "none"
    raise UserError(f"{clean(name)}: no such event; {meant}known events: {ids}")
