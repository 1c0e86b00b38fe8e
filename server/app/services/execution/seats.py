"""Who may call a plugin now: a queue of seats, first come, first served."""

import asyncio
import contextlib
from collections import deque

from app.governance.errors import PluginRefused


class Seats:
    """The seats of one plugin. A freed seat goes to the caller that has waited longest."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.taken)

    def try_take(self) -> bool:
        """Take a seat if one is free and nobody waits for it."""
        if self.taken < self.capacity and not self._waiting:
            self.taken += 1
            return True
        return False

    async def wait(self, max_waiting: int | None, max_wait_s: float | None) -> None:
        """Wait for a seat. Raises PluginRefused ``overloaded`` if too many wait already, or it takes too long.

        None means no limit: for durable jobs, which have waited in the store.
        """
        if max_waiting is not None and len(self._waiting) >= max_waiting:
            said = f"{len(self._waiting)} calls wait for this plugin already; try again later"
            raise PluginRefused("overloaded", said, waiting=len(self._waiting), limit=max_waiting)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(max_wait_s):
                await turn
        except BaseException as left:
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
            if turn.done() and not turn.cancelled():  # the seat came as the caller left: it is the next one's
                self.release()
            if isinstance(left, TimeoutError):
                said = f"no seat at this plugin was free within {max_wait_s:g} s; try again later"
                raise PluginRefused("overloaded", said, limit_s=max_wait_s) from None
            raise

    def release(self) -> None:
        """Free a seat: the longest waiter gets it."""
        while self._waiting and self.taken <= self.capacity:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1
