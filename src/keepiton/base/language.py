"""The reader's language: texts from gettext catalogues, dates and numbers as CLDR writes them.

A new language is one catalogue under ``locale/`` and one line here (how:
docs/guides/languages.md). Files that machines read stay in English.
"""

import gettext
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from importlib import resources
from importlib.resources.abc import Traversable

from keepiton.base.errors import UserError

LOCALES = {"en": "en_GB", "ru": "ru_RU", "be": "be_BY"}
"""Every language, and the locale whose dates and numbers it takes."""
DOMAIN = "keepiton"
DAY_MIN, HOUR_MIN = 1440, 60


def gettext_noop(message: str) -> str:
    """Mark a text that is translated where it is shown, not where it stands."""
    return message


@dataclass(frozen=True, slots=True)
class Language:
    """One language; its methods write what a person reads."""

    code: str
    catalogue: gettext.NullTranslations

    def gettext(self, message: str, **values: object) -> str:
        """Translate a text; what stands in braces is filled in afterwards, so it is never code."""
        translated = self.catalogue.gettext(message) if message else ""
        return translated.format(**values) if values else translated

    def ngettext(self, singular: str, plural: str, n: int, **values: object) -> str:
        """Translate a text in the form that a number asks for; ``{n}`` is the number."""
        translated = self.catalogue.ngettext(singular, plural, n)
        return translated.format(n=self.number(n), **values)

    def number(self, value: float) -> str:
        """Write a number."""
        from babel import numbers  # noqa: PLC0415 - where help is shown none of it is needed

        return numbers.format_decimal(value, locale=LOCALES[self.code])

    def confidence(self, value: float) -> str:
        """Write a probability to two places, as 0.95."""
        from babel import numbers  # noqa: PLC0415

        return numbers.format_decimal(value, format="0.00", locale=LOCALES[self.code])

    def percent(self, share: float) -> str:
        """Write a share of one in per cent."""
        from babel import numbers  # noqa: PLC0415

        return numbers.format_percent(share, locale=LOCALES[self.code])

    def day(self, at: datetime, *, year: bool = True) -> str:
        """Write the day of an instant that is in the reader's zone."""
        from babel import dates  # noqa: PLC0415

        return dates.format_skeleton("yMMMd" if year else "MMMd", at, locale=LOCALES[self.code])

    def instant(self, at: datetime, zone: tzinfo) -> str:
        """Write an instant to the minute in a zone, which is printed elsewhere."""
        local = at.astimezone(zone)
        return f"{self.day(local)}, {local:%H:%M}"

    def duration(self, span: timedelta) -> str:
        """Write a length of time, to the minute, or the hour from two days on."""
        minutes = round(span.total_seconds() / 60)
        if minutes >= 2 * DAY_MIN:
            parts = [(minutes // DAY_MIN, "day"), (minutes % DAY_MIN // HOUR_MIN, "hour")]
        elif minutes >= 2 * HOUR_MIN:
            parts = [(minutes // HOUR_MIN, "hour"), (minutes % HOUR_MIN, "minute")]
        else:
            return self._unit(minutes, "minute")
        return " ".join(self._unit(count, unit) for count, unit in parts if count)

    def _unit(self, count: int, unit: str) -> str:
        from babel import units  # noqa: PLC0415

        return units.format_unit(count, f"duration-{unit}", "short", locale=self.code)


def load(code: str) -> Language:
    """Find a language. Raises UserError for one that is not there."""
    if code not in LOCALES:
        raise UserError(f"--lang {code}: no such language; known: {', '.join(LOCALES)}")
    if code == "en":
        return ENGLISH
    with folder().joinpath(code, "LC_MESSAGES", f"{DOMAIN}.mo").open("rb") as file:
        return Language(code, gettext.GNUTranslations(file))


def of_system(environment: Mapping[str, str]) -> str:
    """Return the language of the system's messages, where it is one of ours; else English."""
    asked = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    code = next((value for value in asked if value), "")[:2].lower()
    return code if code in LOCALES else "en"


def folder() -> Traversable:
    """Return where the catalogues lie."""
    return resources.files("keepiton") / "locale"


ENGLISH = Language("en", gettext.NullTranslations())
