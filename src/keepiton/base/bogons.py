"""Addresses that no public name has any business with."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# IANA special-purpose registries (RFC 6890 and successors), as OONI's bogon list has them;
# fd00:ec2::254 and 100.100.100.200, where clouds serve their metadata, lie inside.
BOGONS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "2001:10::/28"),
        *("2001:db8::/32", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)


@lru_cache(maxsize=1024)
def is_bogon(text: str) -> bool:
    """Whether an address is private, local, reserved or a wrapping of such a one.

    Raises ValueError when the text is no address.
    """
    address = ip_address(text)
    if any(address in net for net in BOGONS if net.version == address.version):
        return True
    if isinstance(address, IPv6Address):
        inner = [address.sixtofour, *(address.teredo or ())]
        if address in IPv6Network("64:ff9b::/96"):
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
        return any(is_bogon(str(v4)) for v4 in inner if v4)
    return False
