"""The simplest list: a name, a URL, host:port or an address a line; # begins a comment."""

from ipaddress import ip_address

from keepiton.base.names import host_name
from keepiton.base.types import clean
from keepiton.lists.canonical import as_list, id_of_url, listed_url
from keepiton.lists.types import Target, TargetList

ADDRESS_PORTS = ("443/tcp", "80/tcp")
"""Asked of an address that stands alone: any answer shows that it is reached."""


def _target(text: str) -> Target:
    if "://" in text:
        url = listed_url(text)
        return Target(id=id_of_url(url), url=url)
    if "/" in text:
        raise ValueError(
            "a prefix is not a target; write single addresses, or a whole https:// URL"
        )
    if "%" in text:
        raise ValueError("of an address, leave out the zone after %")
    try:
        address = str(ip_address(text.strip("[]")))
    except ValueError:
        pass
    else:
        return Target(id=address, addresses=(address,), ports=ADDRESS_PORTS)
    host, colon, port = text.rpartition(":")
    if not colon:
        name = host_name(text)
        return Target(id=id_of_url(name), url=f"https://{name}/")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):  # noqa: PLR2004 - TCP
        raise ValueError(f"{port!r} is not a port from 1 to 65535")
    name = host_name(host)
    shown = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    where = {"addresses": (name,)} if ":" in name or _is_v4(name) else {"host": name}
    return Target(id=id_of_url(shown), ports=(f"{int(port)}/tcp",), **where)


def _is_v4(text: str) -> bool:
    return text.replace(".", "").isdigit()


def read(name: str, text: str) -> tuple[TargetList | None, list[str]]:
    """Read a list; return it, or None and every mistake as ``file:line: …``."""
    targets: list[Target] = []
    mistakes: list[str] = []
    for at, line in enumerate(text.splitlines(), 1):
        entry = (
            line.split("#", 1)[0].strip() if not line.strip().startswith("http") else line.strip()
        )
        if not entry:
            continue
        try:
            targets.append(_target(entry))
        except ValueError as exc:
            mistakes.append(f"{name}:{at}: {clean(entry, 80)}: {exc}")
    if not targets and not mistakes:
        mistakes.append(f"{name}:1: empty; write a name, URL, host:port or address a line")
    return as_list(name, targets, mistakes)
