"""Calls that somebody waits for: jobs of this process, which are never run again. Their rows cost them microseconds."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from app.governance.execution_context import ExecutionContext, ProgressSink, set_current_execution
from app.services.execution.call_context import context_of
from app.services.execution.job_outcome import JobOutcome, answered_call, as_ended, ended_call
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.job_events import JobEvents, Progress
from app.services.job_results import JobResults
from app.storage.errors import StorageError
from app.storage.records import Job
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

# How long an answer waits until its large result is stored; then it goes into the row.
STORE_RESULT_S = 2.0


@dataclass(slots=True)
class _Call:
    """One call. ``payload`` is held until it runs, ``task`` while it is in the plugin's queue or in the plugin."""

    job: Job
    payload: dict[str, Any] | None
    context: ExecutionContext | None = None
    task: asyncio.Task[Any] | None = None
    interrupted: bool = False


class WaitingCalls:
    """Runs them, ends them from outside, and records how they ended without waiting for the record."""

    def __init__(
        self, store: JobStore, plugins: PluginExecutionService, results: JobResults, events: JobEvents
    ) -> None:
        self._store = store
        self._plugins = plugins
        self._results = results
        self._events = events
        self._progressed = events.progressed
        self._calls: dict[str, _Call] = {}
        self._none_left = asyncio.Event()

    def add(self, job: Job, payload: dict[str, Any]) -> None:
        """Hold a call whose row is recorded; `run_to_end` runs it."""
        self._calls[job.id] = _Call(job, payload)
        if self._events.watched:
            self._events.changed(job)

    def __contains__(self, job_id: str) -> bool:
        """Tell whether a call of this process has not ended yet."""
        return job_id in self._calls

    async def run_to_end(self, job_id: str, tell: Callable[[Progress], None] | None = None) -> JobOutcome | None:
        """Run a call that has not begun, and return how it ended; None if there is none.

        If whoever waits leaves, it is ended and recorded as cancelled. ``tell`` is called with what the plugin reports.
        """
        call = self._calls.get(job_id)
        if call is None or call.payload is None:
            return None
        job, payload, call.payload = call.job, call.payload, None
        context = call.context = context_of(job, self._progressed if tell is None else self._telling(tell))
        set_current_execution(context)
        task = call.task = asyncio.current_task()
        try:
            result, envelope = await self._plugins.execute_async(job.plugin, payload)
        except asyncio.CancelledError:
            ended = ended_call(job, "interrupted" if call.interrupted else "cancelled", context)
            self._record_end(job, ended)
            if not call.interrupted or task is None:
                raise
            task.uncancel()  # whoever waits is still there, and is told
            return ended
        finally:
            call.task = None
        outcome = answered_call(job, result, envelope, context)
        blob: str | None = None
        try:
            if self._results.is_large(outcome.result_bytes):
                blob = await self._store_result(outcome)
        finally:
            self._record_end(job, outcome, blob)
        return outcome

    async def cancel(self, job_id: str, within_s: float) -> bool:
        """End a call that runs, and wait for that at most so many seconds; tells whether there is one."""
        call = self._calls.get(job_id)
        if call is not None and call.context is not None:
            call.context.cancelled = True  # in case it has no worker yet
            with self._events.watch_job(job_id) as watch:
                if await self._plugins.kill(call.job.plugin, job_id) and job_id in self._calls:
                    await watch.wait(within_s)
        return call is not None

    async def finish(self, until: float) -> None:
        """Wait until all have ended, at most until a moment on the loop's clock."""
        self._none_left.clear()
        if self._calls:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._none_left.wait()

    async def interrupt(self, within_s: float) -> None:
        """End all with ``interrupted``, because the server ends, and wait for that at most so many seconds."""
        for call in self._calls.values():
            if call.task is not None:
                call.interrupted = True
                call.task.cancel()
        await self.finish(asyncio.get_running_loop().time() + within_s)

    def _telling(self, tell: Callable[[Progress], None]) -> ProgressSink:
        def told(job_id: str, done: float, total: float, message: str) -> None:
            self._events.progressed(job_id, done, total, message)
            progress = self._events.progress_of(job_id)
            if progress is not None:
                tell(progress)

        return told

    async def _store_result(self, outcome: JobOutcome) -> str | None:
        """Return the digest of the result's blob, or None if it cannot be stored there while its caller waits."""
        try:
            async with asyncio.timeout(STORE_RESULT_S):
                return await self._results.put(outcome.result)
        except (StorageError, TimeoutError) as failed:
            log.warning("a large result is kept in its job's row", job=outcome.job_id, reason=str(failed))
            return None

    def _record_end(self, job: Job, outcome: JobOutcome, result_blob: str | None = None) -> None:
        end = outcome.to_end(result_blob, started_at=job.created_at)
        self._store.record_end(end)
        del self._calls[job.id]
        self._events.forget(job.id)
        if self._events.watched:
            self._events.changed(as_ended(job, end))
        if not self._calls:
            self._none_left.set()
