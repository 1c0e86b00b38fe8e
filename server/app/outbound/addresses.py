"""Which IP addresses may be called. Pure rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What `is_global` takes for the public internet, or took in some releases of Python, and what leads elsewhere.
_REFUSED: Sequence[Network] = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "168.63.129.16/32",  # the host of a virtual machine in Azure
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",  # reserved
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address within
        "3fff::/20",  # documentation
    )
]
# Unicast that is routed. So neither IPv4 within IPv6 (::/96, ::ffff:0:0/96), nor NAT64 (64:ff9b::/96, 64:ff9b:1::/48),
# nor unique local (fc00::/7), link-local (fe80::/10), site-local (fec0::/10) and multicast (ff00::/8) addresses.
_ROUTED_IPV6 = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Public addresses may be called, and those of the networks that the operator allows."""

    allowed: Sequence[Network] = ()

    def allow(self, address: Address) -> bool:
        """Tell whether the address may be called."""
        return is_public(address) or any(address in network for network in self.allowed)


PUBLIC_ONLY = AddressRules()


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, by itself and not as a way to another."""
    if isinstance(address, IPv6Address) and address not in _ROUTED_IPV6:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)
