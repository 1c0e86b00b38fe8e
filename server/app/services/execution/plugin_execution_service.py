"""Admission: may this plugin run now? Unknown, disabled, broken or overloaded ones are refused before the gate."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from app.governance.error_envelope import build_error_envelope
from app.governance.errors import GovernedError, PluginNotFound, PluginRefused
from app.governance.execution_context import current_execution
from app.governance.image_digest import image_digest
from app.governance.lifecycle import Availability
from app.plugins.loader.plugin_registry import PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner
from app.plugins.sandbox.embedded import AT_ONCE
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.workers import Workers
from app.services.execution.admission_desk import (
    AdmissionDesk,
    AdmissionRules,
    PluginHealth,
    refuse_cancelled,
    refuse_late,
)
from app.services.execution.breaker import BreakerState


class RefusalObserver(Protocol):
    """Is told of every refusal; a refusal is no execution."""

    def refused(self, plugin: str, code: str) -> None: ...


class PluginExecutionService:
    """Holds a queue of seats, a breaker and a quarantine for each plugin. Knows nothing of jobs."""

    def __init__(
        self,
        registry: PluginRegistry,
        tool_runner: ToolRunner,
        home: HomeLoop | None = None,
        *,
        rules: AdmissionRules | None = None,
        observer: RefusalObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._tool_runner = tool_runner
        self._home = home or HomeLoop()
        self._rules = rules or AdmissionRules()
        self._observer = observer
        self._clock = clock
        self._desks: dict[str, AdmissionDesk] = {}
        self._back_in_s: float | None = None

    def execute(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run one execution and wait for it. Raises RuntimeError on the event loop's own thread."""
        return self._home.run(self.execute_async(plugin_name, payload))

    async def execute_async(
        self, plugin_name: str, payload: dict[str, Any], *, patient: bool = False
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Admit one call and run it through the gate; return ``(result, {})`` or ``({}, envelope)``.

        A ``patient`` caller (a durable job) waits for a seat without limit; others are refused as overloaded.
        """
        began = self._clock()
        try:
            desk, trial = await self._admit(plugin_name, payload, patient)
        except GovernedError as refused:
            return {}, self._refuse(plugin_name, refused)
        finally:
            context = current_execution()
            if context is not None:
                context.waiting_ms = round((self._clock() - began) * 1000, 3)
        code: str | None = "cancelled"
        try:
            result, envelope = await self._tool_runner.run_async(plugin_name, payload)
            code = envelope["error"]["details"]["code"] if envelope else None
            return result, envelope
        finally:
            try:
                self._learn(plugin_name, desk, code, trial)
                if code == "plugin_crashed":
                    desk.quarantine.crashed(await image_digest(_image_of(payload)))
            finally:
                desk.seats.release()  # last: whoever gets the seat is judged by what was learned

    @property
    def waiting(self) -> int:
        """How many callers wait for a seat now, over all plugins."""
        return sum(desk.seats.waiting for desk in self._desks.values())

    def refuse_if_full(self, plugin_name: str) -> None:
        """Raise PluginRefused ``overloaded`` if a call that came now would be refused because too many wait."""
        desk = self._desks.get(plugin_name)
        if desk is not None and desk.seats.waiting and desk.seats.waiting >= self._rules.max_waiting:
            if self._observer is not None:
                self._observer.refused(plugin_name, "overloaded")
            raise PluginRefused("overloaded", waiting=desk.seats.waiting, limit=self._rules.max_waiting)

    def check(self, plugin_name: str) -> None:
        """Raise GovernedError if a job of the plugin would be refused, whatever its input and however long it waits.

        A plugin that rests is not refused: its jobs wait for the end of the rest.
        """
        self._refuse_unusable(plugin_name, self._desk(plugin_name))

    def can_run(self, plugin_name: str) -> bool:
        """Tell whether `check` lets jobs of the plugin pass: it is here, and runs now or after a rest."""
        try:
            self.check(plugin_name)
        except GovernedError:
            return False
        return True

    def would_run(self, plugin_name: str) -> bool:
        """Tell whether a call that came now would be let in, if a seat is free."""
        return self.can_run(plugin_name) and not self._desk(plugin_name).breaker.rests_now()

    def why_not(self, plugin_name: str) -> str | None:
        """Return why every call of the plugin would be refused now, whatever its input; None if it would not."""
        try:
            self.check(plugin_name)
        except GovernedError as refusal:
            return refusal.message
        desk = self._desk(plugin_name)
        return desk.resting().message if desk.breaker.rests_now() else None

    def free_seats(self, plugin_name: str, ahead: int = 0) -> int:
        """Return how many more calls of a plugin could start now; 0 while it is disabled or rests, 1 after a rest.

        ``ahead`` is how many may wait for a seat beyond those. An unknown plugin has one seat: its call ends at once,
        with the right error.
        """
        if not self._registry.knows(plugin_name):
            return 1
        if self._registry.get_availability(plugin_name).code == "plugin_disabled":
            return 0
        return self._desk(plugin_name).free_seats(ahead)

    def seats(self, plugin_name: str) -> int:
        """Return how many calls of a plugin run at once, at most."""
        return self._capacity(plugin_name)

    async def kill(self, plugin_name: str, call_id: str) -> bool:
        """End a call and the worker it runs on; tells whether it was found on one."""
        try:
            plugin = self._registry.get_plugin(plugin_name)
        except GovernedError:
            return False
        return isinstance(plugin, Workers) and await plugin.kill(call_id)

    def retry_after_s(self, plugin_name: str) -> float:
        """Return the seconds after which a refused caller may try again."""
        desk = self._desks.get(plugin_name)
        return max(1.0, desk.breaker.retry_after_s()) if desk is not None else 1.0

    def health(self, plugin_name: str) -> PluginHealth:
        """Return what is held against a plugin: its breaker and the inputs that are refused."""
        desk = self._desks.get(plugin_name)
        return desk.health() if desk is not None else PluginHealth()

    def forget(self, plugin_name: str) -> None:
        """Start anew with a plugin that was reloaded or enabled: its breaker is closed, its quarantine empty."""
        desk = self._desks.get(plugin_name)
        if desk is not None:
            desk.forget()

    def stopping(self, back_in_s: float) -> None:
        """The server stops: a call that waits in vain for a seat from now on is told that, and when to come back."""
        self._back_in_s = back_in_s

    def _refuse(self, plugin_name: str, refused: GovernedError) -> dict[str, Any]:
        """Count a refusal and return its envelope. Here, so that no frame that holds the image names the refusal."""
        refusal = self._as_it_is(refused)
        if self._observer is not None:
            self._observer.refused(plugin_name, refusal.code)
        return build_error_envelope(refusal, plugin_name)

    def _as_it_is(self, refusal: GovernedError) -> GovernedError:
        if self._back_in_s is None or refusal.code != "overloaded":
            return refusal
        said = "the server is stopping, and no seat at this plugin was free in time"
        return PluginRefused("shutting_down", said, retry_after_s=self._back_in_s)

    async def _admit(self, plugin_name: str, payload: dict[str, Any], patient: bool) -> tuple[AdmissionDesk, int]:
        """Give a call a seat; return the plugin's desk, and the trial of its breaker that it is. Raises GovernedError.

        One that had to wait is judged anew: what was true of the plugin before need not be now.
        """
        refuse_late()
        desk = self._desk(plugin_name)
        self._refuse_unusable(plugin_name, desk)
        if desk.breaker.rests_now():
            raise desk.resting()
        # Before it may become the trial: nothing is to be awaited between that and its seat.
        await _refuse_quarantined(desk, payload)
        trial = desk.let_try()
        waited = not desk.seats.try_take()
        if waited:
            await desk.wait_for_seat(trial, patient)
        try:
            if waited:
                self._refuse_unusable(plugin_name, desk)
                await _refuse_quarantined(desk, payload)
                trial = desk.still(trial)
            refuse_cancelled()
        except BaseException:
            desk.give_up(trial)
            raise
        return desk, trial

    def _refuse_unusable(self, plugin_name: str, desk: AdmissionDesk) -> None:
        """Raise GovernedError if the plugin is unknown, or cannot run for a reason that waiting does not mend.

        While its breaker is open, that is what its availability tells, and a call may try after the rest.
        """
        availability = self._registry.get_availability(plugin_name)
        broken = availability.availability is not Availability.OK
        if broken and (desk.breaker.state is BreakerState.CLOSED or availability.code == "plugin_disabled"):
            raise PluginRefused(availability.code, availability.reason or "")

    def _learn(self, plugin_name: str, desk: AdmissionDesk, code: str | None, trial: int) -> None:
        if code is None and desk.breaker.state is BreakerState.CLOSED:
            return
        if code == "plugin_unavailable" and desk.breaker.state is BreakerState.CLOSED:
            # Its worker could not be started: the reason stands in the registry; try again after a rest.
            reason = self._unusable_because(plugin_name)
            if reason is not None:
                desk.breaker.open(reason)
                desk.rest()
        elif desk.breaker.record(code, trial):
            closed = desk.breaker.state is BreakerState.CLOSED
            said = None if closed else f"it rests because {desk.breaker.reason}"
            self._tell(plugin_name, Availability.OK if closed else Availability.FAILED, said)
            if not closed:
                desk.rest()

    def _unusable_because(self, plugin_name: str) -> str | None:
        with contextlib.suppress(PluginNotFound):
            availability = self._registry.get_availability(plugin_name)
            if availability.availability is not Availability.OK:
                return availability.reason or "its worker could not be started"
        return None

    def _tell(self, plugin_name: str, availability: Availability, reason: str | None) -> None:
        """Put what the breaker says into the registry, unless the plugin was removed, or disabled, during the call."""
        with contextlib.suppress(PluginNotFound):
            if self._registry.get_availability(plugin_name).code != "plugin_disabled":
                self._registry.set_availability(plugin_name, availability, reason)

    def _desk(self, plugin_name: str) -> AdmissionDesk:
        desk = self._desks.get(plugin_name)
        if desk is None:
            desk = self._desks[plugin_name] = AdmissionDesk(self._rules, self._clock)
        capacity = self._capacity(plugin_name)
        if capacity != desk.seats.capacity:
            desk.seats.resize(capacity)
        return desk

    def _capacity(self, plugin_name: str) -> int:
        try:
            plugin = self._registry.get_plugin(plugin_name)
        except GovernedError:
            return 1
        return plugin.capacity if isinstance(plugin, Workers) else AT_ONCE


async def _refuse_quarantined(desk: AdmissionDesk, payload: dict[str, Any]) -> None:
    if desk.quarantine.refuses_any and desk.quarantine.holds(await image_digest(_image_of(payload))):
        raise PluginRefused("input_quarantined")


def _image_of(payload: dict[str, Any]) -> bytes:
    image = payload.get("image")
    return image if isinstance(image, bytes) else b""
