"""How many files the server may hold open, and how many of them callers may take."""

import resource
from contextlib import suppress

# The store, the log, the event loop, and what starting a worker takes for a moment.
_OWN = 48
_ENOUGH = 65_536
_LEAST_CONNECTIONS = 8


def raise_limit() -> int:
    """Raise the limit of open files as far as it is of use, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def most_connections(descriptors: int) -> int:
    """Return how many connections leave enough descriptors for the server's own work and its workers."""
    return max(_LEAST_CONNECTIONS, (descriptors - _OWN) // 2)
