"""Threads for embedded plugins: ordinary blocking code that the embedding program trusts."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 32


class EmbeddedThreads:
    """A bounded thread pool. No timeout and no memory limit: a thread cannot be ended."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self.capacity = at_once
        self._executor: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[[dict[str, Any]], Any], payload: dict[str, Any]) -> Any:
        """Call ``function(payload)`` on a thread, in the caller's context, and return or raise what it does.

        Whatever is raised comes out of this as it is, but CancelledError, which would look like the caller's own
        cancellation: it comes out as a RuntimeError.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.capacity, thread_name_prefix="sightgate-embedded")
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        result, raised = await loop.run_in_executor(self._executor, context.run, _caught, function, payload)
        if isinstance(raised, asyncio.CancelledError):
            raise RuntimeError("the plugin raised CancelledError") from raised
        if raised is not None:
            raise raised
        return result

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)


def _caught(function: Callable[[dict[str, Any]], Any], payload: dict[str, Any]) -> tuple[Any, BaseException | None]:
    # A future treats some exceptions specially (StopIteration, SystemExit on some paths): carry them as values.
    try:
        return function(payload), None
    except BaseException as raised:  # returned to the gate, which sorts it
        return None, raised
