"""One spelling for every target, and what makes two of them one."""

from keepiton.model import Target
from keepiton.names import host_name, web_url


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


def same(target: Target) -> tuple[object, ...]:
    """Return what makes two targets one: what would be sent, not what they are called."""
    return (
        target.url,
        target.host,
        frozenset(target.addresses) if not (target.url or target.host) else None,
        frozenset(target.ports),
        target.query,
    )
