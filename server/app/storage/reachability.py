"""Whether a store that is far away can be reached: asked at most once a second, however many want to know."""

import asyncio
import time
from collections.abc import Awaitable, Callable

FRESH_S = 1.0


class Reachability:
    """Remembers what ``look`` returned last: what is wrong, or None. ``look`` must end within seconds."""

    def __init__(self, look: Callable[[], Awaitable[str | None]], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._known_until = float("-inf")
        self._trouble: str | None = None
        self._looking: asyncio.Task[str | None] | None = None

    def proved(self) -> None:
        """The store has just answered: nobody need look."""
        self._know(None)

    async def trouble(self) -> str | None:
        """Return what is wrong, None if nothing is. All who ask at once share one look."""
        if self._clock() < self._known_until:
            return self._trouble
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._find_out())
        return await asyncio.shield(self._looking)

    async def _find_out(self) -> str | None:
        trouble = await self._look()
        self._know(trouble)
        return trouble

    def _know(self, trouble: str | None) -> None:
        self._trouble, self._known_until = trouble, self._clock() + FRESH_S
