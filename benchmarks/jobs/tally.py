"""How a queue's workers tell that a job ran: each appends a record to one file. Standard library only.

It is written while the function runs, before the queue notes the job's end: what a queue does after that is not held
against it. Sightgate's workers may not write there; its jobs count when their end is stored.
"""

import os
import struct
import time
from pathlib import Path

from benchmarks.jobs.images import number_of

PLACE = "BENCHMARK_TALLY"
_RECORD = struct.Struct("<QQQ")


def run(data: bytes) -> int:
    """The no-op: note the call, return the input's length."""
    started = time.monotonic_ns()
    # Opened each time: workers fork as they like, and a record within a page is appended whole.
    handle = os.open(os.environ[PLACE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, _RECORD.pack(number_of(data), started, len(data)))
    finally:
        os.close(handle)
    return len(data)


class Tally:
    """Reads the file from the other side."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.touch()

    def count(self) -> int:
        """How often the function ran."""
        return self._file.stat().st_size // _RECORD.size

    def distinct(self) -> int:
        """How many jobs ran. Raises ValueError if one ran with an input of another length."""
        rows = list(_RECORD.iter_unpack(self._file.read_bytes()))
        if len({size for _, _, size in rows}) > 1:
            raise ValueError("a job ran with another input than it was given")
        return len({number for number, _, _ in rows})

    def started_ns(self, number: int) -> int | None:
        """When the job's function began (monotonic clock), or None if it has not."""
        for found, started, _ in _RECORD.iter_unpack(self._file.read_bytes()[-64 * _RECORD.size :]):
            if found == number:
                return int(started)
        return None


class Counted:
    """The half of a submitter that all but Sightgate share."""

    def __init__(self) -> None:
        self._tally = Tally(Path(os.environ[PLACE]))

    async def all_done(self, jobs: int) -> bool:
        return self._tally.count() >= jobs and self._tally.distinct() >= jobs

    async def started_ns(self, number: int) -> int | None:
        return self._tally.started_ns(number)

    async def ran_twice(self) -> int:
        return self._tally.count() - self._tally.distinct()
