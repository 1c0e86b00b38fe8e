"""Who may call a plugin now: a queue of seats, first come, first served."""

import asyncio
from collections import deque

from app.governance.errors import PluginRefused


class Seats:
    """The seats of one plugin. A freed seat goes to the caller that has waited longest."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.taken = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()

    @property
    def waiting(self) -> int:
        return sum(not turn.done() for turn in self._waiting)

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.taken)

    def try_take(self) -> bool:
        """Take a seat if one is free and nobody waits for it."""
        if self.taken < self.capacity and not self.waiting:
            self.taken += 1
            return True
        return False

    async def wait(self, max_waiting: int | None, max_wait_s: float | None) -> None:
        """Wait for a seat. Raises PluginRefused ``overloaded`` if too many wait already, or it takes too long.

        None means no limit: for durable jobs, which have waited in the store.
        """
        if max_waiting is not None and len(self._waiting) >= max_waiting and self.waiting >= max_waiting:
            said = f"{self.waiting} calls wait for this plugin already; try again later"
            raise PluginRefused("overloaded", said, waiting=self.waiting, limit=max_waiting)
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        # A bare timer: asyncio.timeout costs more than the rest of admission.
        timer = loop.call_later(max_wait_s, _give_up, turn) if max_wait_s is not None else None
        try:
            seated = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.release()  # the seat came as the caller left: it is the next one's
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not seated:
            said = f"no seat at this plugin was free within {max_wait_s:g} s; try again later"
            raise PluginRefused("overloaded", said, limit_s=max_wait_s)

    def release(self) -> None:
        """Free a seat: the longest waiter gets it."""
        while self._waiting and self.taken <= self.capacity:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.taken -= 1


def _give_up(turn: "asyncio.Future[bool]") -> None:
    if not turn.done():
        turn.set_result(False)
