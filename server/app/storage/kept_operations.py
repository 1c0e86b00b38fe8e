"""What nobody awaits and the database did not take, kept in its order until it does.

A writer that meets a database which takes nothing now (locked, full, read-only, away) must neither lose the rows of
calls nor hold up who awaits something. So what is awaited overtakes what is kept; and behind what is kept more is kept,
or a job's end would come before its beginning. Now and then the oldest is tried alone, and the others when that could
be stored.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

from app.storage.operations import Operation

# What is kept is tried again this often.
AGAIN_S = 0.5


class KeptOperations:
    """Belongs to one writer; only its length may be asked for from other threads. Whoever fills it bounds it.

    ``most_together``: how many are tried at once.
    """

    def __init__(self, most_together: int) -> None:
        self._kept: deque[Operation] = deque()
        self._most_together = most_together
        self._together = 1
        self._again_at = 0.0
        self._failed_again = False
        self._taken = 0

    def __len__(self) -> int:
        """Return how many are kept, those included that are just being tried."""
        return len(self._kept) + self._taken

    @property
    def due(self) -> bool:
        """Whether there is something to try again now."""
        return bool(self._kept) and time.monotonic() >= self._again_at

    def hold_back(self, operations: list[Operation]) -> list[Operation]:
        """Keep what nobody awaits, if something is kept already; return what may be done now."""
        if not self._kept:
            return operations
        self._kept += [operation for operation in operations if operation.waiter is None]
        return [operation for operation in operations if operation.waiter is not None]

    def keep(
        self, operations: Sequence[Operation], may_wait: Callable[[Exception], bool], *, again: bool
    ) -> list[Exception]:
        """Keep what failed and nobody awaits, if its failure may pass; return the failures of the rest, which is lost.

        ``again``: they are what `take` returned.
        """
        kept: list[Operation] = []
        lost: list[Exception] = []
        failures = [(one, one.failure) for one in operations if one.failure is not None and one.waiter is None]
        for operation, failure in failures:
            # What comes after one that is kept may have failed for its want: the end of a job that is not there.
            if kept or may_wait(failure):
                operation.failure = None
                kept.append(operation)
            else:
                lost.append(failure)
        if again:
            self._failed_again = bool(kept)
            self._kept.extendleft(reversed(kept))
            self._taken = 0
        else:
            self._kept += kept
        return lost

    def take(self) -> list[Operation]:
        """Return what is to be tried now; `tried` is called afterwards."""
        self._failed_again = False
        self._taken = min(len(self._kept), self._together)
        return [self._kept.popleft() for _ in range(self._taken)]

    def tried(self) -> bool:
        """Note that what was taken has been tried; tell whether all of it could be stored, or is lost."""
        self._together = 1 if self._failed_again else self._most_together
        self._again_at = time.monotonic() + AGAIN_S if self._failed_again else 0.0
        return not self._failed_again

    def take_all(self) -> list[Operation]:
        """Return all that is kept, oldest first, and keep it no longer."""
        return [self._kept.popleft() for _ in range(len(self._kept))]
