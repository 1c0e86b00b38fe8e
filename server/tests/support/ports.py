"""Ports for servers that are ended and started again where they were."""

import random
import socket
from pathlib import Path

_GIVEN_BY_THE_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def lasting_port() -> int:
    """Return a free port of loopback that the system gives nobody who did not ask for it.

    From the others it gives one to each connection and to each server on port 0, so that who comes back to his own
    may find it taken.
    """
    end = _lowest_given()
    for _ in range(100):
        port = random.randrange(_LOWEST, end) if end > _LOWEST else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError(f"no port below {end} is free")


def _lowest_given() -> int:
    try:
        return int(_GIVEN_BY_THE_SYSTEM.read_text().split()[0])
    except OSError:
        return 0
