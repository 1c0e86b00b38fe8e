"""Who may call a plugin now: a queue of seats, first come, first served."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from app.governance.errors import PluginRefused
from sightgate.errors import counted


class Seats:
    """The seats of one plugin. A freed seat goes to the caller that has waited longest."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.taken = 0
        # None of them has its answer, but for those whose callers left a moment ago.
        self._waiting: deque[asyncio.Future[bool]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.taken)

    def resize(self, capacity: int) -> None:
        """Have so many seats from now on. Who sits on one too many keeps it."""
        self.capacity = capacity
        self._hand_on()

    def try_take(self) -> bool:
        """Take a seat if one is free and nobody waits for it."""
        if self.taken < self.capacity and not self._waiting:
            self.taken += 1
            return True
        return False

    async def wait(self, max_waiting: int | None, max_wait_s: float | None) -> None:
        """Wait for a seat. Raises PluginRefused ``overloaded`` if too many wait already, or it takes too long.

        None means no limit: for durable jobs, which have waited in the store. Raises what ``send_away`` was given, too.
        """
        if max_waiting is not None and self.waiting >= max_waiting:
            said = f"no more than {counted(max_waiting, 'call')} may wait for this plugin; try again later"
            raise PluginRefused("overloaded", said, waiting=self.waiting, limit=max_waiting)
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        # A bare timer: asyncio.timeout costs more than the rest of admission.
        timer = loop.call_later(max_wait_s, self._give_up, turn) if max_wait_s is not None else None
        try:
            seated = await turn
        except asyncio.CancelledError:
            self._leave(turn)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not seated:
            said = f"no seat at this plugin was free within {max_wait_s:g} s; try again later"
            raise PluginRefused("overloaded", said, limit_s=max_wait_s)

    def release(self) -> None:
        """Free a seat: the longest waiter gets it."""
        self.taken -= 1
        self._hand_on()

    def send_away(self, refusal: Callable[[], PluginRefused]) -> None:
        """Refuse all who wait now."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(refusal())
                turn.exception()  # its caller may leave before it hears of it: that is no news for the log

    def _hand_on(self) -> None:
        while self._waiting and self.taken < self.capacity:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(True)

    def _give_up(self, turn: "asyncio.Future[bool]") -> None:
        if not turn.done():
            self._waiting.remove(turn)
            turn.set_result(False)

    def _leave(self, turn: "asyncio.Future[bool]") -> None:
        if turn.cancelled():
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
        elif turn.exception() is None and turn.result():
            self.release()  # the seat came as the caller left: it is the next one's
