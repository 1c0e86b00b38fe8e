"""Notice a caller that hangs up while its call runs, and end the call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import Message, Receive

LOOK_AFTER_S = 0.05


class CallerWatch:
    """Stands between the server's ``receive`` and an endpoint that runs in the current task.

    Most calls end before it begins to look, and cost a timer. It looks only when the body has been read: until then
    whoever reads it notices by itself.
    """

    def __init__(self, receive: Receive) -> None:
        self.left = False
        self._receive = receive
        self._body_read = False
        self._caller = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_AFTER_S, self._begin)
        self._looking: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """Pass a message on, and note the end of the body."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._body_read = True
        return message

    async def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do the work; returns None if the caller left, after the work was cancelled and has ended."""
        try:
            return await work()
        except asyncio.CancelledError:
            if self.left and self._caller is not None and self._caller.uncancel() == 0:
                return None
            raise
        finally:
            self._timer.cancel()
            if self._looking is not None:
                self._looking.cancel()

    def _begin(self) -> None:
        if self._body_read:
            self._looking = self._loop.create_task(self._look())
        else:
            self._timer = self._loop.call_later(LOOK_AFTER_S, self._begin)

    async def _look(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._caller is not None:
            self.left = True
            self._caller.cancel()
