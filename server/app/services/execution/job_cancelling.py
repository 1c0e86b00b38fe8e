"""Cancels jobs: one that waits ends at once, one that runs when its worker was ended, here or on another server."""

import asyncio
import contextlib

from app.governance.errors import RequestError
from app.governance.job_lifecycle import TERMINAL, IllegalTransition, JobStatus
from app.services.execution.job_outcome import error_of
from app.services.execution.job_runs import JobRuns
from app.services.execution.waiting_calls import WaitingCalls
from app.services.job_events import JobEvents
from app.services.job_management_service import JobManagementService, job_missing
from app.storage.errors import JobMissing
from app.storage.records import Change, Job
from app.storage.store import JobStore

# How long a request to cancel waits for the end of a job whose worker was killed.
CANCEL_S = 5.0
LOOK_AGAIN_S = 1.0
# Jobs of a batch that are cancelled side by side.
CANCELLED_AT_ONCE = 64


class JobCancelling:
    """Cancels jobs and batches."""

    def __init__(
        self,
        store: JobStore,
        management: JobManagementService,
        events: JobEvents,
        runs: JobRuns,
        calls: WaitingCalls,
    ) -> None:
        self._store = store
        self._management = management
        self._events = events
        self._runs = runs
        self._calls = calls

    async def cancel(self, job_id: str) -> None:
        """Cancel a job: one that waits has ended then, one that runs will have soon.

        Raises RequestError ``job_not_found``, or ``job_not_cancellable`` if it had ended before.
        """
        if job_id in self._calls:
            await self.cancel_here(job_id)
        else:
            await self._cancel_stored(job_id)

    async def cancel_batch(self, batch_id: str) -> None:
        """Cancel what is left of a batch."""
        left = await self._store.batch_jobs(batch_id, [status for status in JobStatus if status not in TERMINAL])
        for start in range(0, len(left), CANCELLED_AT_ONCE):
            some = left[start : start + CANCELLED_AT_ONCE]
            await asyncio.gather(*(self._cancel_if_possible(job_id) for job_id in some))

    async def cancel_here(self, job_id: str) -> bool:
        """End a job that runs in this process, and wait for that a while; tells whether it runs here."""
        task = self._runs.task_of(job_id)
        if task is None:
            return await self._calls.cancel(job_id, CANCEL_S)
        await self._runs.cancel(job_id)
        await asyncio.wait({task}, timeout=CANCEL_S)
        return True

    async def _cancel_if_possible(self, job_id: str) -> None:
        with contextlib.suppress(RequestError):  # it has ended meanwhile
            await self._cancel_stored(job_id)

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
        else:
            await self._wait_for_end(job)

    async def _wait_for_end(self, job: Job) -> None:
        """Have the server that runs a job end it, this one or another, and wait for that a while.

        It is said again and again: between a job's claim and its start a server has nothing to end.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + CANCEL_S
        with self._events.watch_job(job.id) as watch:
            while (left_s := until - loop.time()) > 0 and not watch.closed:
                if await self.cancel_here(job.id):
                    return
                if watch.stale:  # and not some progress
                    watch.stale = False
                    found = await self._store.get(job.id)
                    if found is None or found.status in TERMINAL:
                        return
                    self._store.announce(Change(job.id, "cancel", job.plugin))
                if not await watch.wait(min(left_s, LOOK_AGAIN_S)):
                    watch.stale = True  # the other server's message may be lost
