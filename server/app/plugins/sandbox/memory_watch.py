"""Ends the call of a worker that has more memory than it may: the measure where no control group enforces the limit."""

import asyncio
import os
from collections.abc import Callable

EVERY_S = 0.05
_PAGE = os.sysconf("SC_PAGESIZE")
_MIB = 1024 * 1024


class MemoryWatch:
    """Reads a process's resident memory 20 times a second, while it is watched."""

    def __init__(self, pid: int, limit_mb: int, on_excess: Callable[[int], None]) -> None:
        self.peak_bytes = 0
        self._limit = limit_mb * _MIB
        self._on_excess = on_excess
        self._first: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        try:
            self._statm: int | None = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._statm = None

    def start(self) -> None:
        """Watch from now on."""
        if self._statm is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._statm is not None:
            os.close(self._statm)
            self._statm = None

    def grown_bytes(self) -> int:
        """Return how much more memory the process has than when this was first asked."""
        resident = self._resident()
        if resident is None:
            return 0
        if self._first is None:
            self._first = resident
        return resident - self._first

    def _resident(self) -> int | None:
        try:
            return None if self._statm is None else int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):  # the process has ended
            return None

    def _look(self) -> None:
        self._timer = None
        resident = self._resident()
        if resident is None:
            return
        self.peak_bytes = max(self.peak_bytes, resident)
        if resident > self._limit:
            self._on_excess(resident)
        self.start()
