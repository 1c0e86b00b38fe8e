"""How long a server takes up no job when it cannot read inputs at all: longer each time, until it can."""

import time
from collections.abc import Callable

FIRST_S, LONGEST_S = 2.0, 15.0


class StorageRest:
    """One for all jobs of a server: what fails them is one cause."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rest_s = 0.0
        self._until = float("-inf")

    @property
    def is_known(self) -> bool:
        """Whether something failed, and nothing has shown since that it is over."""
        return self._rest_s > 0.0

    @property
    def rests(self) -> bool:
        """Whether it is too early to try again."""
        return self._clock() < self._until

    def failed(self) -> None:
        """Rest, if that is not done already: what fails during a rest is older than it, and makes none longer."""
        if not self.rests:
            self._rest_s = min(max(FIRST_S, 2 * self._rest_s), LONGEST_S)
            self._until = self._clock() + self._rest_s

    def over(self) -> None:
        """Inputs can be read again."""
        self._rest_s, self._until = 0.0, float("-inf")
