"""How much memory processes have, where the system tells."""

import os
from collections.abc import Iterable
from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")


def resident_bytes(pids: Iterable[int]) -> int | None:
    """Return the resident memory of processes in all; None if this system has no ``/proc``. An ended one has none."""
    if not Path("/proc/self/statm").exists():
        return None
    return sum(map(_resident, pids))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
