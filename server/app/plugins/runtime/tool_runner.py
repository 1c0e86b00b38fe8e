"""The gate: the one place that calls a plugin's ``run``."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from app.governance.error_envelope import as_governed, build_error_envelope, internal_fault
from app.governance.errors import (
    CallEnded,
    GovernedError,
    InputValidationError,
    InternalFault,
    PluginNotFound,
    PluginRefused,
)
from app.governance.execution_context import ExecutionContext, current_execution
from app.governance.lifecycle import Outcome
from app.governance.validation import (
    DEFAULT_INPUT_RULES,
    DEFAULT_OUTPUT_RULES,
    InputRules,
    OutputRules,
    measure_plugin_output,
    normalize_mime_type,
    validate_input_payload,
)
from app.plugins.loader.plugin_registry import PluginRegistry, get_registry
from app.plugins.sandbox.embedded import EmbeddedThreads
from app.plugins.sandbox.workers import Workers

T = TypeVar("T")
Payload = dict[str, Any]
Answer = tuple[dict[str, Any], dict[str, Any]]
Call = Callable[[Any, Payload], Awaitable[Any]]


class ExecutionObserver(Protocol):
    """Is told of every execution once: for the log line and the metrics. Must not raise."""

    def executed(
        self,
        plugin: str,
        outcome: Outcome,
        elapsed_ms: float,
        envelope: dict[str, Any],
        context: ExecutionContext | None,
    ) -> None: ...


class ToolRunner:
    """Validates the input, calls the plugin, validates the output, wraps every failure, and counts the execution.

    ``run`` and ``run_async`` return ``(result, {})`` or ``({}, envelope)`` and never raise for anything that a plugin
    or an input can do.
    """

    def __init__(
        self,
        registry: PluginRegistry | None = None,
        *,
        observer: ExecutionObserver | None = None,
        input_rules: InputRules = DEFAULT_INPUT_RULES,
        output_rules: OutputRules = DEFAULT_OUTPUT_RULES,
        threads: EmbeddedThreads | None = None,
    ) -> None:
        self._registry = registry if registry is not None else get_registry()
        self._observer = observer
        self._input_rules = input_rules
        self._output_rules = output_rules
        self._threads = threads or EmbeddedThreads()

    def run(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run one execution and wait for it. For plain callers; the server awaits ``run_async``."""
        return _drive(self._execute(plugin_name, payload, self._call_and_wait))

    async def run_async(self, plugin_name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run one execution on the event loop. If the caller's task is cancelled, so is the execution."""
        return await self._execute(plugin_name, payload, self._call_and_await)

    async def _execute(self, plugin_name: str, payload: Payload, call: Call) -> Answer:
        """The one body behind both entries; it suspends only where ``call`` does."""
        began = time.perf_counter()
        if not isinstance(plugin_name, str):
            plugin_name = repr(plugin_name)[:80]
        outcome: Outcome = Outcome.ERROR
        envelope: dict[str, Any] = {}
        self._registry.started(plugin_name)
        try:
            plugin = self._registry.get_plugin(plugin_name)
            checked = self._accept_input(plugin_name, payload)
            result = self._accept_output(plugin_name, await call(plugin, checked))
            outcome = Outcome.SUCCESS
            return result, envelope
        except asyncio.CancelledError:
            outcome = Outcome.CANCELLED
            envelope = build_error_envelope(CallEnded("cancelled"), plugin_name)
            raise
        except Exception as raised:
            outcome, envelope = _judge(raised, plugin_name)
            return {}, envelope
        finally:
            # Rounded once, so that the registry, the job and the metrics tell the same time.
            elapsed_ms = round((time.perf_counter() - began) * 1000, 3)
            self._registry.update_execution_metrics(plugin_name, outcome, elapsed_ms, outcome is not Outcome.SUCCESS)
            context = current_execution()
            if context is not None:
                context.running_ms = elapsed_ms
            if self._observer is not None:
                self._observer.executed(plugin_name, outcome, elapsed_ms, envelope, context)

    def _accept_input(self, plugin_name: str, payload: Payload) -> Payload:
        validate_input_payload(payload, self._input_rules)
        options = payload.get("options", {})
        check = self._registry.get_record(plugin_name).options_check
        if check is not None:
            check(options)
        # A payload of its own: what a plugin does to it does not reach the caller's.
        return {
            "image": payload["image"],
            "mime_type": normalize_mime_type(payload["mime_type"]),
            "options": options,
        }

    def _accept_output(self, plugin_name: str, raw: object) -> dict[str, Any]:
        result, size = measure_plugin_output(raw, self._output_rules)
        check = self._registry.get_record(plugin_name).result_check
        if check is not None:
            check(result)
        context = current_execution()
        if context is not None:
            context.result_bytes = size
        return result

    async def _call_and_wait(self, plugin: Any, payload: Payload) -> Any:
        """Call without suspending: the other end drives this coroutine on a plain thread."""
        if isinstance(plugin, Workers):
            return plugin.run(payload)
        try:
            return plugin.run(payload)
        except BaseException as raised:
            raise _sorted(raised) from raised

    async def _call_and_await(self, plugin: Any, payload: Payload) -> Any:
        if isinstance(plugin, Workers):
            return await plugin.run_async(payload)
        try:
            return await self._threads.call(plugin.run, payload)
        except asyncio.CancelledError:
            raise
        except BaseException as raised:
            raise _sorted(raised) from raised


def _sorted(raised: BaseException) -> GovernedError:
    """Return what an embedded plugin raised as an error with a code."""
    if isinstance(raised, SystemExit):
        exit_code = raised.code if isinstance(raised.code, int) else int(raised.code is not None)
        return CallEnded("plugin_crashed", "the plugin asked its process to end", exit_code=exit_code)
    if isinstance(raised, MemoryError):
        return CallEnded("plugin_out_of_memory", "the plugin ran out of memory")
    return as_governed(raised)


def _judge(raised: Exception, plugin_name: str) -> tuple[Outcome, dict[str, Any]]:
    """Return what a failure counts as, and its envelope.

    The body above must give it no name: its frame would hold the failure and the failure its frame, and with them the
    image, until a garbage collection.
    """
    failure = raised if isinstance(raised, GovernedError) else internal_fault(raised)
    return _outcome_of(failure), build_error_envelope(failure, plugin_name)


def _outcome_of(failure: GovernedError) -> Outcome:
    """What the plugin's state is derived from: an input that never reached it says nothing of its health."""
    if isinstance(failure, CallEnded) and failure.code == "cancelled":
        return Outcome.CANCELLED
    refused = isinstance(failure, (InputValidationError, PluginNotFound, PluginRefused, InternalFault))
    return Outcome.REFUSED if refused else Outcome.ERROR


def _drive(execution: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return what it returns."""
    try:
        execution.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    execution.close()
    raise RuntimeError("a plain call of the gate tried to wait on the event loop")
