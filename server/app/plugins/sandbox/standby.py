"""Keeps one worker of a plugin ready: one that ended is started again, later each time, and not for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.governance.errors import PluginRefused


@dataclass(frozen=True, slots=True)
class StandbyRules:
    """The first restart comes after ``first_s`` seconds, each next one after twice as long, at most ``most_s``.

    After ``budget`` restarts it is given up. A worker that lived for ``sound_after_s`` seconds starts the count anew.
    """

    first_s: float = 0.5
    most_s: float = 60.0
    budget: int = 10
    sound_after_s: float = 60.0


class Standby:
    """Restarts on the event loop. ``start`` makes a worker ready and raises PluginRefused if it cannot be."""

    def __init__(self, rules: StandbyRules, start: Callable[[], Awaitable[None]]) -> None:
        self.wanted = False
        self.restarts = 0
        self._rules = rules
        self._start = start
        self._started_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def given_up(self) -> bool:
        """Whether a worker that ends now is not started again."""
        return self.wanted and self.restarts >= self._rules.budget and self._timer is None and self._starting is None

    def restart_in_s(self) -> float | None:
        """Return the seconds until the next restart, None if none is due."""
        return None if self._timer is None else max(0.0, self._timer.when() - asyncio.get_running_loop().time())

    def want(self) -> None:
        """Keep a worker ready from now on."""
        self.wanted = True

    def started(self) -> None:
        """A worker is ready."""
        self._started_at = time.monotonic()

    def missing(self, *, by_itself: bool = True) -> None:
        """There is no worker any more: start one when its time has come, if one is wanted.

        One that did not end ``by_itself``, but because its caller left or it had served long enough, is no failure.
        """
        if not self.wanted or self._timer is not None or self._starting is not None:
            return
        if not by_itself:
            self._begin()
            return
        if self._started_at is not None and time.monotonic() - self._started_at >= self._rules.sound_after_s:
            self.restarts = 0
        self._started_at = None
        if self.restarts < self._rules.budget:
            wait_s = min(self._rules.first_s * 2**self.restarts, self._rules.most_s)
            self.restarts += 1
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._begin)

    def close(self) -> None:
        """Start nothing any more."""
        self.wanted = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._starting is not None:
            self._starting.cancel()

    def _begin(self) -> None:
        self._timer = None
        self._starting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        try:
            await self._start()
        except PluginRefused:
            self._starting = None
            self.missing()
        finally:
            self._starting = None
