"""Which AS announces an address, as far as the shipped prefixes of operators tell."""

from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from keepiton.lists.load import SHIPPED_FOLDER

NETWORKS = "networks.csv"


@cache
def _shipped() -> list[tuple[IPv4Network | IPv6Network, int]]:
    """Read every country's prefixes: an AS number and a prefix a line."""
    lines = (
        line
        for path in sorted(SHIPPED_FOLDER.glob(f"*/{NETWORKS}"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    return [(ip_network(prefix), int(asn)) for asn, prefix in (line.split(",") for line in lines)]


def origin(text: str) -> int | None:
    """Return the AS of the longest shipped prefix that an address lies in, or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    hits = [(net.prefixlen, asn) for net, asn in _shipped() if address in net]
    return max(hits)[1] if hits else None
