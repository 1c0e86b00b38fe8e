"""The inputs of jobs that were accepted here a moment ago, so that one that runs at once need not be read back."""

import asyncio
from collections import deque
from typing import NamedTuple

MOST_BYTES = 64 * 1024 * 1024
KEPT_S = 10.0


class RecentInput(NamedTuple):
    """One job's image and its media type."""

    image: bytes
    media_type: str


class RecentInputs:
    """Holds at most ``most_bytes``, each for at most ``kept_s`` seconds. Used on one event loop only.

    When it is full, what comes is not taken: the jobs that came first run first.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, kept_s: float = KEPT_S) -> None:
        self._most_bytes = most_bytes
        self._kept_s = kept_s
        self._held: dict[str, RecentInput] = {}
        self._bytes = 0
        self._order: deque[tuple[float, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, job_id: str, recent: RecentInput) -> None:
        """Hold a job's input, if there is room."""
        if self._bytes + len(recent.image) > self._most_bytes:
            return
        loop = asyncio.get_running_loop()
        self._held[job_id] = recent
        self._bytes += len(recent.image)
        self._order.append((loop.time() + self._kept_s, job_id))
        if self._timer is None:
            self._timer = loop.call_later(self._kept_s, self._sweep)

    def take(self, job_id: str) -> RecentInput | None:
        """Return a job's input, if it is held, and hold it no longer."""
        recent = self._held.pop(job_id, None)
        if recent is not None:
            self._bytes -= len(recent.image)
        return recent

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._order and self._order[0][0] <= loop.time():
            self.take(self._order.popleft()[1])
        self._timer = loop.call_at(self._order[0][0], self._sweep) if self._order else None
