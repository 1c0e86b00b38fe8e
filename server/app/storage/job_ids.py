"""Job ids: UUID version 7 (RFC 9562, section 5.7) as 32 hexadecimal digits, in the order in which they were made."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta

_COUNTER_BITS = 42
_RANDOM_BYTES = 10
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class _Uuid7:
    """Milliseconds, a counter that starts at random in each millisecond (section 6.2, method 1), and 32 random bits.

    When the wall clock steps back, or the counter runs over, time stands still or goes on by hand: order is kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0
        self._pool = b""

    def _random_bits(self) -> int:
        # Asking the system for every id would be a fifth of a call's record.
        if not self._pool:
            self._pool = os.urandom(_RANDOM_BYTES * 256)
        taken, self._pool = self._pool[:_RANDOM_BYTES], self._pool[_RANDOM_BYTES:]
        return int.from_bytes(taken)

    def make(self) -> str:
        now = time.time_ns() // 1_000_000
        with self._lock:
            random = self._random_bits()
            if now > self._milliseconds:
                self._milliseconds = now
                # The top bit stays 0, so that the counter has room to count.
                self._counter = (random >> 32) & ((1 << (_COUNTER_BITS - 1)) - 1)
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._milliseconds += 1
                    self._counter = 0
            milliseconds, counter = self._milliseconds, self._counter
        high, low = counter >> 30, counter & 0x3FFFFFFF
        number = milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low << 32 | random & 0xFFFFFFFF
        return f"{number:032x}"


_generator = _Uuid7()


def new_job_id() -> str:
    """Return a new id. Ids of one process sort as they were made; those of several processes sort by millisecond."""
    return _generator.make()


def least_id(moment: datetime) -> str:
    """Return what no id made at ``moment`` or later is less than, nor any made before (to the millisecond) at least."""
    # Whole numbers: as a float, a moment of whole milliseconds may lie a little after itself.
    milliseconds = -((_BEGINNING - moment) // _MILLISECOND)
    return f"{max(0, min(milliseconds, (1 << 48) - 1)):012x}".ljust(32, "0")
