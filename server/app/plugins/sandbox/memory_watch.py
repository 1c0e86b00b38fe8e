"""Ends the call of a worker that has more memory than it may: the measure where no control group enforces the limit.

The kernel tells a process's memory by its main thread. A plugin may end that one alone, and go on in others: then the
process seems to have none. What the other threads tell is taken instead, and the worker is reported as headless.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

EVERY_S = 0.05
# What keeps the server from looking for now, and tells nothing of the process.
SHORT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_PAGE = os.sysconf("SC_PAGESIZE")
_MIB = 1024 * 1024
# Fields of /proc/N/task/N/stat behind the program's name.
_FLAGS, _RESIDENT, _PENDING = 6, 21, 28
_EXITING = 0x4
_KILLED = 1 << 8


class MemoryWatch:
    """Reads a process's resident memory 20 times a second, while it is watched.

    ``on_excess`` is told the bytes of one that has more than it may, ``on_headless`` of one that has only other threads
    than its main one.
    """

    def __init__(
        self, pid: int, limit_mb: int, on_excess: Callable[[int], None], on_headless: Callable[[], None]
    ) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._limit = limit_mb * _MIB
        self._on_excess = on_excess
        self._on_headless = on_headless
        self._first: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._statm: int | None = None
        self._closed = False

    def start(self) -> None:
        """Watch from now on."""
        if not self._closed and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._look)

    def close(self) -> None:
        """Stop watching."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._statm is not None:
            os.close(self._statm)
            self._statm = None

    def grown_bytes(self) -> int:
        """Return how much more memory the process has than when this was first asked."""
        resident = 0
        if not self._closed:
            with suppress(OSError):
                resident = self._resident()
        if resident == 0:
            return 0
        if self._first is None:
            self._first = resident
        return resident - self._first

    def _resident(self) -> int:
        """Return the resident bytes as the main thread tells them. Raises OSError if the process has ended, too."""
        if self._statm is None:
            self._statm = os.open(f"/proc/{self._pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        return int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE

    def _look(self) -> None:
        self._timer = None
        try:
            resident = self._resident()
        except OSError as failed:
            if failed.errno in SHORT_OF_FILES:
                self.start()
            return  # else the process has ended
        headless = False
        if resident == 0:  # its main thread has ended: alone, or as the first of all
            resident = max(_resident_of_living_threads(self._pid), default=0)
            headless = resident > 0
        self.peak_bytes = max(self.peak_bytes, resident)
        if resident > self._limit:
            self._on_excess(resident)
        elif headless:
            self._on_headless()
        self.start()


def _resident_of_living_threads(pid: int) -> Iterator[int]:
    """Yield the process's resident bytes as each thread tells them that is not about to end with the process."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError, IndexError, ValueError):
            # The name of the program, in brackets, may hold anything.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if not int(fields[_FLAGS]) & _EXITING and not int(fields[_PENDING]) & _KILLED:
                yield int(fields[_RESIDENT]) * _PAGE
