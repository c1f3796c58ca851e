"""Takes out of what is stored whatever a server echoes of the volunteer (SAFETY S5).

Known own addresses go wherever they stand, in every shape that servers and reverse names give
them. A public address behind a router is not known to us, so in free text every address that is
not the target's goes too.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, ip_address

from keepiton.base.bogons import is_bogon
from keepiton.storage.rows import Certificate

GONE = "[scrubbed]"
_V4 = re.compile(r"(?<![0-9A-Za-z])\d{1,3}([._-])\d{1,3}\1\d{1,3}\1\d{1,3}(?![0-9])")
_V6 = re.compile(
    r"(?<![0-9A-Za-z:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}(?![0-9A-Za-z:])"
    r"|(?<![0-9A-Za-z])(?:(?:[0-9a-fA-F]{1,4}-){7}|(?:[0-9a-fA-F]{1,4}-){2,6}(?:-[0-9a-fA-F]{1,4}){0,5}-)"
    r"[0-9a-fA-F]{1,4}(?![0-9A-Za-z])"
)
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}|[0-9a-f]{32}|(?:[0-9a-f][.-]){31}[0-9a-f])(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""What may be an address in hexadecimal, whole or by nibbles."""
FREE = frozenset({"server", "headers", "location_host", "title", "ede", "cnames", "followed"})
"""Row fields in which a server may write what it likes; ``followed`` is a name it redirects to."""


def shapes(own: str) -> set[str]:
    """Return the ways in which an address is written in texts and reverse names."""
    address = ip_address(own)
    if isinstance(address, IPv4Address):
        parts = own.split(".")
        padded = [part.zfill(3) for part in parts]
        turned = (parts, parts[::-1], padded, padded[::-1])
        spellings = {sign.join(parts) for parts in turned for sign in ".-_"}
        return spellings | {address.packed.hex(), "".join(padded), f"::ffff:{own}"}
    whole = address.exploded
    nibbles = whole.replace(":", "")
    spellings = {own, whole, nibbles, ".".join(reversed(nibbles)), "-".join(reversed(nibbles))}
    return spellings | {spelling.replace(":", "-") for spelling in (own, whole)}


@lru_cache(maxsize=256)
def _pattern(own: frozenset[str]) -> re.Pattern[str] | None:
    spellings = sorted(
        {spelling for each in own for spelling in shapes(each)}, key=len, reverse=True
    )
    if not spellings:
        return None
    any_of = "|".join(map(re.escape, spellings))
    return re.compile(
        rf"(?<![0-9A-Fa-f])(?<!\d\.)(?:{any_of})(?!\.?[0-9])(?![A-Fa-f])", re.IGNORECASE
    )


@lru_cache(maxsize=4096)
def _own(text: str, own: frozenset[str]) -> str:
    pattern = _pattern(own)
    text = pattern.sub(GONE, text) if pattern else text
    return GONE if _near(text, own) else text


def _free(text: str, mine: tuple[str, ...]) -> str:
    def gone(matched: re.Match[str]) -> str:
        return matched[0] if matched[0].replace("-", ".") in mine or matched[0] in mine else GONE

    return _HEX.sub(GONE, _V6.sub(gone, _V4.sub(gone, text)))


def text(free: str, own: frozenset[str], mine: tuple[str, ...], field: str) -> str:
    """Scrub the text of a row's field; ``mine`` are the target's own addresses, which may stay."""
    scrubbed = _own(free, own)
    whole = field == "location_host" and _is_address(scrubbed)  # a place, not an echo
    return _free(scrubbed, mine) if field in FREE and not whole else scrubbed


def value(fact: object, own: frozenset[str], mine: tuple[str, ...], field: str) -> object:
    """Scrub every text in the value of a row's field, see :func:`text`."""
    if isinstance(fact, str):
        return text(fact, own, mine, field)
    if isinstance(fact, tuple):
        return tuple(value(part, own, mine, field) for part in fact)
    if isinstance(fact, dict):
        return {key: value(part, own, mine, field) for key, part in fact.items()}
    if isinstance(fact, Certificate):
        names = ("subject", "issuer", "names")
        changed = {name: value(getattr(fact, name), own, mine, name) for name in names}
        return fact.model_copy(update=changed)
    return fact


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _near(text: str, own: frozenset[str]) -> bool:
    """Whether a private address lies in this machine's own network: a router, a neighbour."""
    if not _is_address(text) or not is_bogon(text) or ip_address(text).is_loopback:
        return False
    theirs = ip_address(text)
    for address in own:
        ours = ip_address(address)
        shift = 64 if ours.version == 6 else 8  # noqa: PLR2004 - an IP version
        if ours.version == theirs.version and int(ours) >> shift == int(theirs) >> shift:
            return True
    return False
