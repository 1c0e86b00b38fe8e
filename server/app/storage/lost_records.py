"""Counts what came to nothing though nobody awaited it, and logs it now and then."""

import logging
import threading
import time

_REPORT_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class LostRecords:
    """``count`` is how many there were. From any thread."""

    def __init__(self) -> None:
        self.count = 0
        self._gate = threading.Lock()
        self._reported = 0
        self._next_report = 0.0

    def add(self, count: int, reason: Exception) -> None:
        """Count them. At most one line a second: a full disk loses thousands, and the log may lie on it too."""
        with self._gate:
            self.count += count
            if time.monotonic() < self._next_report:
                return
            self._next_report = time.monotonic() + _REPORT_EVERY_S
            since, self._reported = self.count - self._reported, self.count
        _log.error("%d records were not stored: %s", since, reason, exc_info=reason)
