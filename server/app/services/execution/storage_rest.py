"""How long a job waits whose input could not be read: longer each time, until one can be read."""

import time
from collections.abc import Callable

FIRST_S, LONGEST_S = 2.0, 15.0


class StorageRest:
    """One for all jobs of a server: what fails them is one cause. Each try is an attempt on record."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rest_s = 0.0
        self._until = float("-inf")

    def failed(self) -> float:
        """Return the seconds until the next try. What fails during a rest, being older than it, makes none longer."""
        now = self._clock()
        if now >= self._until:
            self._rest_s = min(max(FIRST_S, 2 * self._rest_s), LONGEST_S)
            self._until = now + self._rest_s
        return max(FIRST_S, self._until - now)

    def over(self) -> None:
        """An input was read."""
        self._rest_s, self._until = 0.0, float("-inf")
