"""What admission knows of one plugin, and how a call gets its seat: the queue, the breaker, the quarantine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.governance.errors import CallEnded, PluginRefused
from app.governance.execution_context import current_execution
from app.services.execution.breaker import Breaker, BreakerRules, BreakerState, Quarantine
from app.services.execution.seats import Seats


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """How many callers may wait for one plugin, and how many seconds each."""

    max_waiting: int = 32
    max_wait_s: float = 10.0
    breaker: BreakerRules = field(default_factory=BreakerRules)


@dataclass(frozen=True, slots=True)
class PluginHealth:
    """What admission holds against a plugin. ``quarantined`` are SHA-256 of images; ``retry_after_s`` is seconds.

    ``rests``: how many rests of the breaker followed on each other.
    """

    breaker: BreakerState = BreakerState.CLOSED
    reason: str = ""
    retry_after_s: float = 0.0
    rests: int = 0
    quarantined: tuple[str, ...] = ()


class AdmissionDesk:
    """Where the calls of one plugin get their seats. A ``trial`` is the number of a call that tries, 0 for others."""

    def __init__(self, rules: AdmissionRules, clock: Callable[[], float]) -> None:
        self.seats = Seats(1)
        self.breaker = Breaker(rules.breaker, clock)
        self.quarantine = Quarantine(rules.breaker.quarantine_after)
        self._rules = rules

    def health(self) -> PluginHealth:
        """Return what is held against the plugin."""
        breaker, held_back = self.breaker, tuple(self.quarantine.digests())
        if breaker.state is BreakerState.CLOSED:
            return PluginHealth(quarantined=held_back)
        wait_s = round(breaker.retry_after_s(), 3)
        return PluginHealth(breaker.state, breaker.reason, wait_s, breaker.rests, held_back)

    def forget(self) -> None:
        """Start anew: the breaker is closed, the quarantine empty."""
        self.breaker.close(forget=True)
        self.quarantine = Quarantine(self._rules.breaker.quarantine_after)

    def free_seats(self, ahead: int) -> int:
        """Return how many more calls could start now, and ``ahead`` of them wait: one after a rest, none during it."""
        if self.breaker.rests_now():
            return 0
        free = max(0, self.seats.free - self.seats.waiting + ahead)
        return free if self.breaker.state is BreakerState.CLOSED else min(1, free)

    def let_try(self) -> int:
        """Return the trial that a call is from now on. Raises PluginRefused while the plugin rests."""
        if not self.breaker.allows():
            raise self.resting()
        return self.breaker.trial

    def still(self, trial: int) -> int:
        """Return the trial that a call is which was let in before, and has waited since. Raises PluginRefused."""
        return trial if trial and trial == self.breaker.trial else self.let_try()

    def rest(self) -> None:
        """The breaker is open: nobody waits for a seat any more."""
        self.seats.send_away(self.resting)

    def resting(self) -> PluginRefused:
        """Return what a call is told while the plugin rests."""
        said = f"the plugin rests because {self.breaker.reason}"
        return PluginRefused("plugin_unavailable", said, retry_after_s=round(self.breaker.retry_after_s(), 1))

    def give_up(self, trial: int) -> None:
        """A call that has a seat does not begin."""
        self.seats.release()
        self.breaker.give_up_trial(trial)

    async def wait_for_seat(self, trial: int, patient: bool) -> None:
        """Wait for a seat, at most until the call's deadline. Raises PluginRefused."""
        context = current_execution()
        deadline = context.deadline if context is not None else None
        left_s = None if deadline is None else deadline - asyncio.get_running_loop().time()
        max_wait_s = None if patient else self._rules.max_wait_s
        hurried = left_s is not None and (max_wait_s is None or left_s < max_wait_s)
        try:
            await self.seats.wait(None if patient else self._rules.max_waiting, left_s if hurried else max_wait_s)
        except PluginRefused as refused:
            self.breaker.give_up_trial(trial)
            if hurried and "limit_s" in refused.details:
                raise PluginRefused("deadline_exceeded") from None
            raise
        except BaseException:
            self.breaker.give_up_trial(trial)
            raise


def refuse_late() -> None:
    """Raise PluginRefused if the call's deadline has passed."""
    context = current_execution()
    deadline = context.deadline if context is not None else None
    if deadline is not None and deadline <= asyncio.get_running_loop().time():
        raise PluginRefused("deadline_exceeded")


def refuse_cancelled() -> None:
    """Raise CallEnded if somebody asked for the call's end while it was being admitted."""
    context = current_execution()
    if context is not None and context.cancelled:
        raise CallEnded("cancelled")
