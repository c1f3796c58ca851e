"""One spelling for every target, and what makes two of them one."""

import hashlib

from keepiton.base.names import host_name, web_url
from keepiton.base.types import Risk
from keepiton.lists.types import MAX_TARGETS, Target, TargetList

MAX_ID = 200
MAX_URL = 2000


def listed_url(text: str) -> str:
    """Return a list's URL in its one spelling. Raises ValueError with what is wrong."""
    url = web_url(text)
    if len(url) > MAX_URL:
        raise ValueError(f"longer than {MAX_URL} characters")
    return url


def canonical(target: Target) -> Target:
    """Return the target with its URL or host in their one spelling.

    Raises ValueError that begins with the field's name.
    """
    for name, spell in (("url", web_url), ("host", host_name)):
        value = getattr(target, name)
        if value:
            try:
                return target.model_copy(update={name: spell(value)})
            except ValueError as exc:
                raise ValueError(f"{name}: {exc}") from None
    return target


def id_of_url(url: str) -> str:
    """Return the id of a target that has no other name than its URL, 200 characters at the most."""
    if len(url) <= MAX_ID:
        return url
    return f"{url[: MAX_ID - 17]}~{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def identity(target: Target) -> tuple[object, ...]:
    """Return what makes two targets one: what would be sent, not what they are called."""
    return (
        target.url,
        target.host,
        frozenset(target.addresses) if not (target.url or target.host) else None,
        frozenset(target.ports),
        target.query,
    )


def as_list(
    name: str, targets: list[Target], mistakes: list[str], *, risk: Risk = "low", why: str = ""
) -> tuple[TargetList | None, list[str]]:
    """Return the list of a file that holds targets alone, or None and every mistake."""
    if len(targets) > MAX_TARGETS:
        mistakes = [*mistakes, f"{name}:1: more than {MAX_TARGETS} targets; split the file"]
    if mistakes:
        return None, mistakes
    return TargetList(title=name[:200], target=tuple(targets), risk=risk, why=why), []
