"""Which addresses are this machine's own."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own. A name other than localhost counts as outside."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
