"""The do-not-probe list: hosts and networks that are never contacted (SAFETY S13)."""

from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from keepiton.base.names import host_name
from keepiton.lists.types import Target


@dataclass(frozen=True, slots=True)
class DoNotProbe:
    """What is never contacted, whatever a list says."""

    hosts: list[str] = field(default_factory=list)
    networks: list[IPv4Network | IPv6Network] = field(default_factory=list)

    def address(self, text: str) -> bool:
        """Whether an address must not be contacted."""
        address = ip_address(text)
        return any(address in net for net in self.networks if net.version == address.version)

    def name(self, host: str) -> bool:
        """Whether a host, or one that it lies under, must not be contacted."""
        return any(host == entry or host.endswith("." + entry) for entry in self.hosts)

    def target(self, target: Target) -> bool:
        """Whether a target as a whole must not be contacted."""
        return self.name(_host(target)) or any(map(self.address, named_addresses(target)))

    def add(self, path: str, text: str) -> list[str]:
        """Add the entries of a file, one a line; return its mistakes."""
        mistakes = []
        for number, line in enumerate(text.splitlines(), 1):
            entry = line.split("#", 1)[0].strip()
            if not entry:
                continue
            try:
                self.networks.append(ip_network(entry))
            except ValueError:
                try:
                    self.hosts.append(host_name(entry))
                except ValueError as exc:
                    mistakes.append(
                        f"{path}:{number}: {exc}; write a host, address or prefix a line"
                    )
        return mistakes


def named_addresses(target: Target) -> list[str]:
    """Return every address that the target itself names, in its URL or host too."""
    addresses = list(target.addresses)
    with suppress(ValueError):
        addresses.append(str(ip_address(_host(target))))
    return addresses


def _host(target: Target) -> str:
    return (urlsplit(target.url).hostname if target.url else target.host) or ""
