"""The life of a job: create it, make it durable, run it, record its end, take it up again after a crash."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from app.governance.error_envelope import build_error_envelope, internal_fault, stored_envelope
from app.governance.errors import CallEnded, RequestError
from app.governance.execution_context import ExecutionContext, set_current_execution
from app.governance.job_lifecycle import IllegalTransition, JobStatus, is_terminal
from app.plugins.sandbox.home_loop import HomeLoop
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.storage.blobs import BlobStore
from app.storage.errors import StorageError
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobEnd, JobInput, NewJob
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

IMAGE_ROLE = "image"
# Longer than any plugin's name: what a caller invents is found unknown, but not kept at any length.
MAX_PLUGIN_NAME = 200
LOOK_AGAIN_S = 1.0
AFTER_FAULT_S = 1.0
LEASE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended. Exactly one of ``result`` and ``envelope`` is non-empty. Times are milliseconds."""

    job_id: str
    result: dict[str, Any]
    envelope: dict[str, Any]
    waiting_ms: float = 0.0
    running_ms: float = 0.0


@dataclass(slots=True)
class _Running:
    """A job of this process that has not ended. ``payload`` is held until it runs."""

    job: Job
    payload: dict[str, Any] | None = None
    task: "asyncio.Task[JobOutcome] | None" = None


class JobView(Protocol):
    """Turns a job into what callers see."""

    def __call__(self, job: Job) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class JobRules:
    """How many durable jobs run at once in all; whether waiting calls keep their inputs; seconds to drain."""

    at_once: int = 64
    keep_all_inputs: bool = False
    drain_s: float = 10.0


class JobExecutionService:
    """Owns jobs; knows nothing of images but that they are bytes. Durable ones are run by its dispatcher."""

    def __init__(
        self,
        store: JobStore,
        blobs: BlobStore,
        plugins: PluginExecutionService,
        view: JobView,
        home: HomeLoop,
        rules: JobRules | None = None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._plugins = plugins
        self._view = view
        self._home = home
        self._rules = rules or JobRules()
        self._running: dict[str, _Running] = {}
        self._dispatched: dict[str, int] = {}
        self._loading: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

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

        ``timeout_s`` is how long it may wait and run, in all.
        """
        options = payload.get("options")
        now = datetime.now(UTC)
        job = Job(
            id=new_job_id(),
            plugin=plugin_name[:MAX_PLUGIN_NAME],
            status=JobStatus.PENDING if durable else JobStatus.RUNNING,
            created_at=now,
            deadline=now + timedelta(seconds=timeout_s) if timeout_s is not None else None,
            durable=durable,
            options=options if isinstance(options, dict) and durable else {},
            owner=owner,
        )
        if durable or self._rules.keep_all_inputs:
            await self._store.add([NewJob(job, [await self._keep_input(payload)])])
        else:
            self._store.record(job)
        if durable:
            self._wake.set()
        else:
            self._running[job.id] = _Running(job, payload)
        return job.id

    async def run_job_async(self, job_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The awaitable twin of ``run_job``."""
        outcome = await self.run_to_end(job_id)
        return outcome.result, outcome.envelope

    async def run_to_end(self, job_id: str) -> JobOutcome:
        """Run a job, or wait for its end, and return how it ended. Raises RequestError ``job_not_found``."""
        running = self._running.get(job_id)
        if running is not None and running.payload is not None:
            payload, running.payload = running.payload, None
            return await self._run(running.job, payload)
        if running is not None and running.task is not None:
            return await asyncio.shield(running.task)
        claimed = await self._store.claim_job(job_id, datetime.now(UTC) + LEASE)
        if claimed is not None:
            return await asyncio.shield(self._begin(claimed))
        while True:  # it has ended, or somebody else waits for its end
            job = await self._store.get(job_id)
            if job is None:
                raise RequestError("job_not_found", f"there is no job {job_id[:64]!r}")
            if is_terminal(job.status):
                waiting_ms, running_ms = job.waiting_ms or 0.0, job.running_ms or 0.0
                return JobOutcome(job.id, job.result or {}, stored_envelope(job.error), waiting_ms, running_ms)
            await asyncio.sleep(0.02)

    async def get_job_async(self, job_id: str) -> dict[str, Any]:
        """The awaitable twin of ``get_job``."""
        job = await self._store.get(job_id)
        if job is None:
            raise RequestError("job_not_found", f"there is no job {job_id[:64]!r}")
        return self._view(job)

    async def start(self) -> None:
        """Recover what a dead server left, then run durable jobs as they come. Raises StorageError."""
        recovery = await self._store.recover(_interrupted_error)
        if recovery.requeued or recovery.interrupted:
            log.info("recovered", requeued=len(recovery.requeued), interrupted=len(recovery.interrupted))
        self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())

    async def stop(self) -> None:
        """Take up nothing new, let what runs end within ``drain_s``, and leave the rest to the next start."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dispatcher
        tasks = [running.task for running in self._running.values() if running.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._rules.drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @property
    def dispatching(self) -> bool:
        """Whether durable jobs are being taken up."""
        return self._dispatcher is not None and not self._dispatcher.done()

    def look_again(self) -> None:
        """Something changed that may let waiting jobs run: a plugin was enabled or reloaded."""
        self._wake.set()

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            try:
                started = await self._dispatch_once()
            except StorageError as failed:
                log.error("the job store does not answer; trying again", reason=str(failed))
                await asyncio.sleep(AFTER_FAULT_S)
                continue
            except Exception:  # one of the four boundaries: the dispatcher must outlive any fault of ours
                log.exception("dispatcher fault")
                await asyncio.sleep(AFTER_FAULT_S)
                continue
            if not started:
                # Not asyncio.wait_for: on Python 3.11 it loses a cancellation that comes with the wake-up.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await self._wake.wait()

    async def _dispatch_once(self) -> int:
        room = self._rules.at_once - sum(self._dispatched.values())
        free: dict[str, int] = {}
        for plugin in await self._store.plugins_with_pending() if room > 0 else ():
            # A job whose input is being read has no seat yet; another one must not overtake it.
            seats = min(room, self._plugins.free_seats(plugin) - self._loading[plugin])
            if seats > 0:
                free[plugin] = seats
                room -= seats
        claimed = await self._store.claim(free, datetime.now(UTC) + LEASE) if free else []
        for job in claimed:
            self._begin(job)
        return len(claimed)

    def _begin(self, job: Job) -> "asyncio.Task[JobOutcome]":
        task = asyncio.get_running_loop().create_task(self._run_claimed(job))
        self._running[job.id] = _Running(job, task=task)
        self._dispatched[job.plugin] = self._dispatched.get(job.plugin, 0) + 1
        self._loading[job.plugin] += 1
        return task

    async def _run_claimed(self, job: Job) -> JobOutcome:
        try:
            try:
                payload = await self._load_payload(job)
            finally:
                self._loading[job.plugin] -= 1
            return await self._run(job, payload)
        except StorageError as failed:
            # Its row stays RUNNING if even its end cannot be stored: the next start takes it up again.
            log.error("a job's input or end could not be stored", job=job.id, reason=str(failed))
            outcome = JobOutcome(job.id, {}, build_error_envelope(internal_fault(failed), job.plugin))
            with contextlib.suppress(StorageError):
                await self._record_end(job, outcome)
            return outcome
        finally:
            self._running.pop(job.id, None)
            self._dispatched[job.plugin] -= 1
            if not self._dispatched[job.plugin]:
                del self._dispatched[job.plugin]
            self._wake.set()

    async def _run(self, job: Job, payload: dict[str, Any]) -> JobOutcome:
        context = ExecutionContext(job.id, _on_loop_clock(job.deadline))
        set_current_execution(context)
        try:
            result, envelope = await self._plugins.execute_async(job.plugin, payload, patient=job.durable)
        except asyncio.CancelledError:
            if not job.durable:  # the caller hung up; a durable job is taken up again by the next server
                cancelled = build_error_envelope(CallEnded("cancelled", job_id=job.id), job.plugin)
                outcome = JobOutcome(job.id, {}, cancelled, context.waiting_ms, context.running_ms)
                await self._record_end(job, outcome)
            raise
        if envelope:
            envelope["error"]["details"]["job_id"] = job.id
        outcome = JobOutcome(job.id, result, envelope, context.waiting_ms, context.running_ms)
        await self._record_end(job, outcome)
        return outcome

    async def _record_end(self, job: Job, outcome: JobOutcome) -> None:
        status = _status_of(outcome)
        error = outcome.envelope["error"] if outcome.envelope else None
        how = (job.id, status, outcome.result or None, error, datetime.now(UTC), outcome.waiting_ms, outcome.running_ms)
        if not job.durable:
            self._running.pop(job.id, None)
            self._store.record_end(JobEnd(*how, started_at=job.created_at))
            return
        try:
            await self._store.end(JobEnd(*how, attempt=job.attempt))
        except IllegalTransition:
            log.warning("the job had ended already", job=job.id, status=status)

    async def _keep_input(self, payload: Mapping[str, Any]) -> JobInput:
        image = payload.get("image")
        data = image if isinstance(image, bytes) else b""
        return JobInput(IMAGE_ROLE, str(payload.get("mime_type") or ""), await self._blobs.put(data), len(data))

    async def _load_payload(self, job: Job) -> dict[str, Any]:
        inputs = {kept.role: kept for kept in await self._store.inputs(job.id)}
        image = inputs[IMAGE_ROLE]
        data = await self._blobs.get(image.blob)
        return {"image": data, "mime_type": image.media_type, "options": dict(job.options)}


def _on_loop_clock(deadline: datetime | None) -> float | None:
    if deadline is None:
        return None
    return asyncio.get_running_loop().time() + (deadline - datetime.now(UTC)).total_seconds()


def _interrupted_error(job: Job) -> dict[str, Any]:
    error: dict[str, Any] = build_error_envelope(CallEnded("interrupted", job_id=job.id), job.plugin)["error"]
    return error


def _status_of(outcome: JobOutcome) -> JobStatus:
    if not outcome.envelope:
        return JobStatus.SUCCESS
    cancelled = outcome.envelope["error"]["details"]["code"] == "cancelled"
    return JobStatus.CANCELLED if cancelled else JobStatus.FAILED
