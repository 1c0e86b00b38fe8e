"""The life of a job: create it, make it durable, run it, record its end, take it up again after a crash."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from app.governance.error_envelope import stored_envelope
from app.governance.errors import PluginRefused, RequestError
from app.governance.execution_context import ExecutionContext, ProgressSink, set_current_execution
from app.governance.job_lifecycle import TERMINAL, IllegalTransition, JobStatus
from app.governance.retry import RetryPolicy
from app.plugins.sandbox.home_loop import HomeLoop
from app.services.execution.job_dispatcher import DispatchRules, JobDispatcher
from app.services.execution.job_inputs import JobInputs
from app.services.execution.job_intake import MAX_PLUGIN_NAME, JobIntake
from app.services.execution.job_leases import JobLeases
from app.services.execution.job_outcome import JobOutcome, as_ended, ended_call, error_of
from app.services.execution.job_runs import JobObserver, JobRuns
from app.services.execution.job_terms import Accepted, AcceptedBatch, JobTerms
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.job_events import JobEvents, Progress
from app.services.job_management_service import JobManagementService, job_missing
from app.services.job_results import JobResults
from app.storage.errors import JobMissing
from app.storage.job_ids import new_job_id
from app.storage.records import BatchProgress, Change, Job, NewJob, Recovery, Released
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

# How long a request to cancel waits for the end of a job whose worker was killed.
CANCEL_S = 5.0
LOOK_AGAIN_S = 1.0
# Jobs of a batch that are cancelled side by side.
CANCELLED_AT_ONCE = 64


@dataclass(slots=True)
class _Call:
    """A job of this process that a caller waits for. ``payload`` is held until it runs."""

    job: Job
    payload: dict[str, Any] | None
    context: ExecutionContext | None = None


@dataclass(frozen=True, slots=True)
class JobRules:
    """How many durable jobs run at once in all; whether waiting calls keep their inputs; seconds to drain.

    ``lease_s``: a server that is silent for so long loses its jobs to others.
    """

    at_once: int = 64
    keep_all_inputs: bool = False
    drain_s: float = 10.0
    lease_s: float = 15.0


class Webhooks(Protocol):
    """Calls the addresses that jobs name for their end."""

    def wake(self) -> None:
        """A job that has a webhook has ended. Cheap, never raises."""


class JobExecutionService:
    """Owns jobs; knows nothing of images but that they are bytes. Durable ones are run by its dispatcher."""

    def __init__(
        self,
        store: JobStore,
        inputs: JobInputs,
        results: JobResults,
        plugins: PluginExecutionService,
        management: JobManagementService,
        events: JobEvents,
        observer: JobObserver,
        home: HomeLoop,
        rules: JobRules | None = None,
        *,
        policy_of: Callable[[str], RetryPolicy] = lambda _: RetryPolicy(),
        webhooks: Webhooks | None = None,
    ) -> None:
        self._store = store
        self._inputs = inputs
        self._results = results
        self._plugins = plugins
        self._management = management
        self._events = events
        self._home = home
        self._rules = rules or JobRules()
        self._webhooks = webhooks
        self._calls: dict[str, _Call] = {}
        self._runs = JobRuns(
            store, plugins, inputs, results, events, observer, self.look_again, self._ran, self._job_ended
        )
        dispatch = DispatchRules(self._rules.at_once, self._rules.lease_s)
        self._dispatcher = JobDispatcher(store, plugins, self._runs, dispatch, self._ended_unrun)
        self._leases = JobLeases(store, self._runs, self._rules.lease_s, self._recovered)
        self._intake = JobIntake(store, inputs, events, policy_of, self._dispatcher.added)
        self._progressed = events.progressed
        self._draining = False
        self._calls_ended = asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()
        store.listen(self._changed_elsewhere)

    def create_job(self, plugin_name: str, payload: dict[str, Any]) -> str:
        """Accept a durable job; it is on disk when this returns its id. Raises StorageError."""
        return self._home.run(self.create_job_async(plugin_name, payload))

    def run_job(self, job_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a job, or wait for the end of one that runs, and return its ``(result, envelope)``."""
        return self._home.run(self.run_job_async(job_id))

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Return the job as callers see it. Raises RequestError ``job_not_found``."""
        return self._home.run(self.get_job_async(job_id))

    async def create_job_async(
        self,
        plugin_name: str,
        payload: dict[str, Any],
        *,
        durable: bool = True,
        owner: str | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Accept a job. A durable one and its input are on disk when this returns; else it is only this process's.

        ``timeout_s`` is how long it may wait and run, in all. Raises PluginRefused ``shutting_down``.
        """
        if durable:
            return (await self.accept(plugin_name, payload, JobTerms(), owner, timeout_s)).job_id
        self.refuse_if_draining()
        now = datetime.now(UTC)
        job = Job(
            id=new_job_id(),
            plugin=plugin_name[:MAX_PLUGIN_NAME],
            status=JobStatus.RUNNING,
            created_at=now,
            deadline=now + timedelta(seconds=timeout_s) if timeout_s is not None else None,
            owner=owner,
        )
        if self._rules.keep_all_inputs:
            await self._store.add([NewJob(job, [await self._inputs.keep(payload)])])
        else:
            self._store.record(job)
        self._calls[job.id] = _Call(job, payload)
        if self._events.watched:
            self._events.changed(job)
        return job.id

    async def accept(
        self,
        plugin_name: str,
        payload: Mapping[str, Any],
        terms: JobTerms,
        owner: str | None = None,
        timeout_s: float | None = None,
    ) -> Accepted:
        """Accept a durable job on terms. Raises RequestError, PluginRefused, StorageError."""
        self.refuse_if_draining()
        return await self._intake.accept(plugin_name, payload, terms, owner, timeout_s)

    async def accept_batch(
        self,
        plugin_names: Sequence[str],
        payloads: Sequence[Mapping[str, Any]],
        options: Mapping[str, Mapping[str, Any]],
        terms: JobTerms,
        owner: str | None = None,
        timeout_s: float | None = None,
    ) -> AcceptedBatch:
        """Accept a durable job for each image and plugin. Raises RequestError, PluginRefused, StorageError."""
        self.refuse_if_draining()
        return await self._intake.accept_batch(plugin_names, payloads, options, terms, owner, timeout_s)

    async def requeue(self, job_id: str, check: Callable[[str], None] = lambda _: None) -> Accepted:
        """Accept a new durable job with the input and options of another.

        ``check`` is called with its plugin's name and may refuse by raising. Raises RequestError ``job_not_found``, or
        ``not_found`` if its input was not kept; StorageError.
        """
        self.refuse_if_draining()
        job = await self._management.find(job_id)
        check(job.plugin)
        return await self._intake.accept_copy(job)

    def refuse_if_draining(self) -> None:
        """Raise PluginRefused ``shutting_down`` if the server takes nothing new."""
        if self._draining:
            raise PluginRefused("shutting_down", retry_after_s=max(1.0, self._rules.drain_s))

    async def run_job_async(self, job_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The awaitable twin of ``run_job``."""
        outcome = await self.run_to_end(job_id)
        return outcome.result, outcome.envelope

    async def run_to_end(self, job_id: str, tell: Callable[[Progress], None] | None = None) -> JobOutcome:
        """Run a job, or wait for its end, and return how it ended. Raises RequestError ``job_not_found``.

        ``tell`` is called with what the plugin reports while a job that is not durable runs; others have event streams.
        """
        call = self._calls.get(job_id)
        if call is not None and call.payload is not None:
            payload, call.payload = call.payload, None
            return await self._run_call(call, payload, tell)
        task = self._runs.task_of(job_id)
        if task is None and (claimed := await self._store.claim_job(job_id, self._dispatcher.lease_until())):
            task = self._runs.begin(claimed)
        outcome = await asyncio.shield(task) if task is not None else None
        return outcome if outcome is not None else await self._wait_for_end(job_id)

    async def get_job_async(self, job_id: str) -> dict[str, Any]:
        """The awaitable twin of ``get_job``."""
        return await self._management.show(job_id)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job and return it as callers see it: one that waits has ended then, one that runs will have soon.

        Raises RequestError ``job_not_found``, or ``job_not_cancellable`` if it had ended before.
        """
        if job_id not in self._calls:
            await self._cancel_stored(job_id)
        else:
            await self._cancel_here(job_id)
        return await self._management.show(job_id)

    async def cancel_batch(self, batch_id: str) -> BatchProgress:
        """Cancel what is left of a batch, and return how far it had come. Raises RequestError ``not_found``."""
        await self._management.batch(batch_id)
        left = await self._store.batch_jobs(batch_id, [status for status in JobStatus if status not in TERMINAL])
        for start in range(0, len(left), CANCELLED_AT_ONCE):
            some = left[start : start + CANCELLED_AT_ONCE]
            await asyncio.gather(*(self._cancel_if_possible(job_id) for job_id in some))
        return await self._management.batch(batch_id)

    async def recover(self) -> None:
        """Put right what a server that died left behind, without running anything. Raises StorageError."""
        await self._leases.recover()

    async def start(self) -> None:
        """Recover what a dead server left, then run durable jobs as they come. Raises StorageError."""
        await self.recover()
        self._leases.start()
        self._dispatcher.start()

    async def drain(self) -> None:
        """Take nothing new, take up nothing more, and wait for what runs, at most ``drain_s`` seconds.

        What still runs then is handed back: it waits for the next server, or another one. Event streams end last.
        """
        if self._draining:
            return
        self._draining = True
        ends = asyncio.get_running_loop().time() + self._rules.drain_s
        await self._dispatcher.stop()
        await self._runs.finish(self._rules.drain_s)
        if self._calls:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends):
                    await self._calls_ended.wait()
        await self._runs.hand_back()
        self._events.close()

    async def stop(self) -> None:
        """Drain, unless that was done before, and stop."""
        await self.drain()
        await self._runs.hand_back()
        self._events.close()
        await self._leases.stop()

    @property
    def dispatching(self) -> bool:
        """Whether durable jobs are being taken up."""
        return self._dispatcher.running

    @property
    def draining(self) -> bool:
        """Whether the server stops, and takes nothing new."""
        return self._draining

    def look_again(self) -> None:
        """Something changed that may let waiting jobs run: a plugin was enabled or reloaded."""
        self._dispatcher.wake()

    async def _run_call(
        self, call: _Call, payload: dict[str, Any], tell: Callable[[Progress], None] | None
    ) -> JobOutcome:
        """Run a call that somebody waits for; if they leave, it is ended and recorded as cancelled."""
        job = call.job
        context = call.context = ExecutionContext(
            job.id, _on_loop_clock(job.deadline), self._progressed if tell is None else self._telling(tell)
        )
        set_current_execution(context)
        try:
            result, envelope = await self._plugins.execute_async(job.plugin, payload)
        except asyncio.CancelledError:
            self._record_end(job, ended_call(job, "cancelled", context))
            raise
        if envelope:
            envelope["error"]["details"]["job_id"] = job.id
        outcome = JobOutcome(job.id, result, envelope, context.waiting_ms, context.running_ms)
        self._record_end(job, outcome)
        return outcome

    def _telling(self, tell: Callable[[Progress], None]) -> ProgressSink:
        def told(job_id: str, done: float, total: float, message: str) -> None:
            self._events.progressed(job_id, done, total, message)
            progress = self._events.progress_of(job_id)
            if progress is not None:
                tell(progress)

        return told

    def _record_end(self, job: Job, outcome: JobOutcome) -> None:
        end = outcome.to_end(started_at=job.created_at)
        self._store.record_end(end)
        del self._calls[job.id]
        self._events.forget(job.id)
        if self._events.watched:
            self._events.changed(as_ended(job, end))
        if self._draining and not self._calls:
            self._calls_ended.set()

    async def _wait_for_end(self, job_id: str) -> JobOutcome:
        with self._events.watch_job(job_id) as watch:
            while True:
                job = await self._store.get(job_id)
                if job is None:
                    raise job_missing(job_id)
                if job.status in TERMINAL:
                    job = await self._results.with_result(job)
                    waited_ms, ran_ms = job.waiting_ms or 0.0, job.running_ms or 0.0
                    return JobOutcome(job.id, job.result or {}, stored_envelope(job.error), waited_ms, ran_ms)
                await watch.wait(LOOK_AGAIN_S)  # another server's message may be lost

    async def _cancel_stored(self, job_id: str) -> None:
        job = await self._management.find(job_id)
        try:
            cancelled, released = await self._store.request_cancel(job_id, error_of(job, "cancelled"))
        except IllegalTransition as ended:
            said = f"the job has ended as {ended.old.value} and cannot be cancelled"
            raise RequestError("job_not_cancellable", said) from None
        except JobMissing:
            raise job_missing(job_id) from None
        if cancelled.status is JobStatus.CANCELLED:
            self._runs.tell_end(await self._management.find(job_id), released)
        elif not await self._cancel_here(job_id):
            self._store.announce(Change(job_id, "cancel", job.plugin))
            with self._events.watch_job(job_id) as watch:
                await watch.wait(CANCEL_S)

    async def _cancel_if_possible(self, job_id: str) -> None:
        with contextlib.suppress(RequestError):  # it has ended meanwhile
            await self._cancel_stored(job_id)

    async def _cancel_here(self, job_id: str) -> bool:
        """End a job that runs in this process, and wait for that a while; tells whether it runs here."""
        task, call = self._runs.task_of(job_id), self._calls.get(job_id)
        if task is not None:
            await self._runs.cancel(job_id)
            await asyncio.wait({task}, timeout=CANCEL_S)
        elif call is not None and call.context is not None:
            call.context.cancelled = True  # in case it has no worker yet
            with self._events.watch_job(job_id) as watch:
                if await self._plugins.kill(call.job.plugin, job_id) and job_id in self._calls:
                    await watch.wait(CANCEL_S)
        return task is not None or call is not None

    def _ran(self, plugin: str, milliseconds: float) -> None:
        self._dispatcher.ran(plugin, milliseconds)

    def _job_ended(self, job: Job) -> None:
        if job.webhook is not None and self._webhooks is not None:
            self._webhooks.wake()

    def _ended_unrun(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._runs.tell_end(job, Released())

    def _recovered(self, recovery: Recovery) -> None:
        for job_id in (*recovery.requeued, *recovery.interrupted):
            self._events.changed_elsewhere(job_id)
        self._ended_unrun(recovery.ended)
        self._dispatcher.wake()

    def _changed_elsewhere(self, change: Change) -> None:
        """Another server says that it did something."""
        if change.kind == "cancel":
            task = asyncio.get_running_loop().create_task(self._cancel_here(change.job_id))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        elif change.kind == "progress":
            with contextlib.suppress(KeyError, TypeError, ValueError):
                done, total = float(change.data["done"]), float(change.data["total"])
                self._events.progressed(change.job_id, done, total, str(change.data["message"]))
        else:
            if change.kind == "waiting":
                self._dispatcher.wake()
            if change.status in TERMINAL:
                self._events.forget(change.job_id)
            if change.job_id:
                self._events.changed_elsewhere(change.job_id)


def _on_loop_clock(deadline: datetime | None) -> float | None:
    if deadline is None:
        return None
    return asyncio.get_running_loop().time() + (deadline - datetime.now(UTC)).total_seconds()
