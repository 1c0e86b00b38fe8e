"""The life of a job: create it, make it durable, run it, record its end, take it up again after a crash."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from app.governance.error_envelope import stored_envelope
from app.governance.errors import PluginRefused
from app.governance.job_lifecycle import TERMINAL, JobStatus
from app.governance.retry import RetryPolicy
from app.plugins.sandbox.home_loop import HomeLoop
from app.services.execution.job_cancelling import JobCancelling
from app.services.execution.job_dispatcher import DispatchRules, JobDispatcher
from app.services.execution.job_inputs import JobInputs
from app.services.execution.job_intake import MAX_PLUGIN_NAME, JobIntake
from app.services.execution.job_leases import JobLeases
from app.services.execution.job_outcome import JobOutcome
from app.services.execution.job_runs import JobObserver, JobRuns
from app.services.execution.job_terms import Accepted, AcceptedBatch, JobTerms, Submission
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.services.execution.waiting_calls import WaitingCalls
from app.services.job_events import JobEvents, Progress
from app.services.job_management_service import JobManagementService, job_missing
from app.services.job_results import JobResults
from app.storage.job_ids import new_job_id
from app.storage.records import BatchProgress, Change, Job, NewJob, Recovery, Released
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

LOOK_AGAIN_S = 1.0
# How long a server that stops waits for the end of calls whose workers were ended.
INTERRUPT_S = 5.0


@dataclass(frozen=True, slots=True)
class JobRules:
    """How many durable jobs run at once in all; whether waiting calls keep their inputs; seconds to drain.

    ``lease_s``: a server that is silent for so long loses its jobs to others.
    """

    at_once: int = 64
    keep_all_inputs: bool = False
    drain_s: float = 10.0
    lease_s: float = 15.0

    @property
    def back_in_s(self) -> float:
        """Seconds after which a server that begins to stop may be back."""
        return max(1.0, self.drain_s)


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
        self._runs = JobRuns(
            store, plugins, inputs, results, events, observer, self.look_again, self._ran, self._job_ended
        )
        dispatch = DispatchRules(self._rules.at_once, self._rules.lease_s)
        self._dispatcher = JobDispatcher(store, plugins, self._runs, dispatch, self._ended_unrun)
        self._leases = JobLeases(store, self._runs, self._rules.lease_s, self._recovered)
        self._intake = JobIntake(store, inputs, events, policy_of, self._dispatcher)
        self._calls = WaitingCalls(store, plugins, results, events)
        self._cancelling = JobCancelling(store, management, events, self._runs, self._calls)
        self._draining = False
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
            asked = Submission.of_one(plugin_name, payload.get("options"), JobTerms(), owner, timeout_s)
            return (await self.accept(asked, payload)).job_id
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
        self._calls.add(job, payload)
        return job.id

    async def accept(self, asked: Submission, payload: Mapping[str, Any]) -> Accepted:
        """Accept a durable job of one plugin. Raises RequestError, PluginRefused, StorageError."""
        self.refuse_if_draining()
        return await self._intake.accept(asked, payload)

    async def find_replayed(self, asked: Submission, payload: Mapping[str, Any]) -> Accepted | None:
        """Return what an earlier request with the same key was answered.

        The payload has the image, or the ``source`` from which it would be fetched. Raises RequestError
        ``idempotency_conflict``, PluginRefused, StorageError.
        """
        self.refuse_if_draining()
        return await self._intake.find_replayed(asked, payload)

    async def find_replayed_batch(
        self, asked: Submission, payloads: Sequence[Mapping[str, Any]]
    ) -> AcceptedBatch | None:
        """Do the same for a batch."""
        self.refuse_if_draining()
        return await self._intake.find_replayed_batch(asked, payloads)

    async def accept_batch(self, asked: Submission, payloads: Sequence[Mapping[str, Any]]) -> AcceptedBatch:
        """Accept a durable job for each image and plugin. Raises RequestError, PluginRefused, StorageError."""
        self.refuse_if_draining()
        return await self._intake.accept_batch(asked, payloads)

    async def requeue(
        self, job_id: str, check: Callable[[str], None] = lambda _: None, key: str | None = None
    ) -> Accepted:
        """Accept a new durable job with the input and options of another.

        ``check`` is called with its plugin's name and may refuse by raising. ``key`` is the caller's, for this job.
        Raises RequestError ``job_not_found``, or ``not_found`` if its input was not kept; StorageError.
        """
        self.refuse_if_draining()
        if key is not None and (replayed := await self._intake.find_copy(job_id, key)) is not None:
            return replayed  # though the job itself may be gone
        job = await self._management.find(job_id)
        check(job.plugin)
        return await self._intake.accept_copy(job, key)

    def refuse_if_draining(self) -> None:
        """Raise PluginRefused ``shutting_down`` if the server takes nothing new."""
        if self._draining:
            raise PluginRefused("shutting_down", retry_after_s=self._rules.back_in_s)

    async def run_job_async(self, job_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The awaitable twin of ``run_job``."""
        outcome = await self.run_to_end(job_id)
        return outcome.result, outcome.envelope

    async def run_to_end(self, job_id: str, tell: Callable[[Progress], None] | None = None) -> JobOutcome:
        """Run a job, or wait for its end, and return how it ended. Raises RequestError ``job_not_found``.

        ``tell`` is called with what the plugin reports while a job that is not durable runs; others have event streams.
        """
        if (called := await self._calls.run_to_end(job_id, tell)) is not None:
            return called
        task = self._runs.task_of(job_id)
        if task is None:
            # Shielded: a caller that leaves must not leave a job claimed that nobody runs.
            task = await asyncio.shield(self._claim(job_id))
        outcome = await asyncio.shield(task) if task is not None else None
        return outcome if outcome is not None else await self._wait_for_end(job_id)

    async def get_job_async(self, job_id: str) -> dict[str, Any]:
        """The awaitable twin of ``get_job``."""
        return await self._management.show(job_id)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job and return it as callers see it: one that waits has ended then, one that runs will have soon.

        Raises RequestError ``job_not_found``, or ``job_not_cancellable`` if it had ended before.
        """
        await self._cancelling.cancel(job_id)
        return await self._management.show(job_id)

    async def cancel_batch(self, batch_id: str) -> BatchProgress:
        """Cancel what is left of a batch, and return how far it had come. Raises RequestError ``not_found``."""
        await self._management.batch(batch_id)
        await self._cancelling.cancel_batch(batch_id)
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

        What still runs then is handed back: it waits for the next server, or another one. Calls that somebody waits
        for end ``interrupted``. Event streams end last.
        """
        if self._draining:
            return
        self._draining = True
        self._plugins.stopping(self._rules.back_in_s)
        ends = asyncio.get_running_loop().time() + self._rules.drain_s
        await self._dispatcher.stop()
        await self._runs.finish(self._rules.drain_s)
        await self._calls.finish(ends)
        await asyncio.gather(self._runs.hand_back(), self._calls.interrupt(INTERRUPT_S))
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

    async def _claim(self, job_id: str) -> "asyncio.Task[JobOutcome | None] | None":
        claimed = await self._store.claim_job(job_id, self._dispatcher.lease_until())
        return self._runs.begin(claimed) if claimed is not None else None

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

    def _ran(self, plugin: str, loading_ms: float, call_ms: float) -> None:
        self._dispatcher.ran(plugin, loading_ms, call_ms)

    def _job_ended(self, job: Job) -> None:
        if job.webhook is not None and self._webhooks is not None:
            self._webhooks.wake()

    def _ended_unrun(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._runs.tell_end(job, Released())

    def _recovered(self, recovery: Recovery) -> None:
        for job_id in (*recovery.requeued, *recovery.interrupted):
            self._events.changed_elsewhere(job_id)
        self._runs.tell_broken_off(recovery.broken_off)
        self._ended_unrun(recovery.ended)
        self._dispatcher.wake()

    def _changed_elsewhere(self, change: Change) -> None:
        """Another server says that it did something."""
        if change.kind == "cancel":
            task = asyncio.get_running_loop().create_task(self._cancelling.cancel_here(change.job_id))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        elif change.kind == "progress":
            with contextlib.suppress(KeyError, TypeError, ValueError):
                done, total = float(change.data["done"]), float(change.data["total"])
                self._events.progressed(change.job_id, done, total, str(change.data["message"]))
        elif change.kind == "many":
            self._events.many_changed()
        elif change.kind != "plugin":
            if change.kind == "waiting":
                self._dispatcher.wake()
            if change.status in TERMINAL:
                self._events.forget(change.job_id)
            if change.job_id:
                self._events.changed_elsewhere(change.job_id)
