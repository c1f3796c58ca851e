"""One spelling for every name and URL: names in ASCII, URLs whole, no second meaning."""

import re
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

import idna

_LABELS = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


def host_name(text: str) -> str:
    """Return a host in ASCII, lower case: ``мой.бел`` and ``xn--i1afg.xn--90ais`` are one.

    Raises ValueError with what is wrong; a bad name must never become a false "does not exist".
    """
    text = text.strip().rstrip(".")
    if "%" in text:
        raise ValueError(f"{text!r} is not a host name; of an address, leave out the zone after %")
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        pass
    try:
        ascii_name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
        if "xn--" in ascii_name:
            idna.decode(ascii_name)
    except (idna.IDNAError, UnicodeError) as exc:
        raise ValueError(f"{text!r} is not a host name: {exc}") from None
    if not _LABELS.fullmatch(ascii_name):
        raise ValueError(f"{text!r} is not a host name (letters, digits, hyphens and dots)")
    if ascii_name.rsplit(".", 1)[-1].isdigit():
        raise ValueError(f"{text!r} looks like an address and is none")
    return ascii_name


def web_url(text: str) -> str:
    """Return an http or https URL in its one spelling. Raises ValueError with what is wrong."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not an http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user name and password out of the URL")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} has a port that is no number from 1 to 65535") from None
    host = host_name(parts.hostname)
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = host if port in (None, default) else f"{host}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else ""
    return f"{parts.scheme}://{netloc}{path}{query}"
