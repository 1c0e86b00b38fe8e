"""Keeps the leases of the jobs that run here, and takes up what servers that died have left."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from app.services.execution.job_outcome import error_of
from app.services.execution.job_runs import JobRuns
from app.storage.errors import StorageError
from app.storage.records import Recovery
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

# A lease is renewed so often while it lasts: two renewals may fail before it is lost.
RENEWALS = 3
# When a lease has run out, so long is asked whether it holds all the same: this process may have slept meanwhile.
LAST_TRY_S = 1.0


class JobLeases:
    """Renews every third of a lease. ``on_recovered`` is told of jobs that were taken over."""

    def __init__(
        self, store: JobStore, runs: JobRuns, lease_s: float, on_recovered: Callable[[Recovery], None]
    ) -> None:
        self._store = store
        self._runs = runs
        self._lease_s = lease_s
        self._on_recovered = on_recovered
        self._task: asyncio.Task[None] | None = None

    async def recover(self) -> None:
        """Put right what servers that died left behind. Raises StorageError."""
        self._told(await self._store.recover(lambda job: error_of(job, "interrupted")))

    def start(self) -> None:
        """Begin to renew."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """Renew no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        renewed, shared = loop.time(), self._store.shared
        while True:
            await asyncio.sleep(self._lease_s / RENEWALS)
            asked = loop.time()
            try:
                async with asyncio.timeout_at(max(renewed + self._lease_s, asked + LAST_TRY_S) if shared else None):
                    await self._renew()
                renewed = asked
                if shared:
                    await self._store.heartbeat()
                    self._told(await self._store.take_over(lambda job: error_of(job, "interrupted")))
            except (StorageError, TimeoutError) as failed:
                log.error("the leases of running jobs cannot be renewed", reason=str(failed) or "no answer")
                if shared and loop.time() - renewed >= self._lease_s:
                    # By now another server may have taken them up, and none may run twice.
                    self._runs.lose(self._runs.held_since(loop.time() - self._lease_s))
            except Exception:  # the dispatcher's boundary too: leases must outlive any fault of ours
                log.exception("lease fault")

    async def _renew(self) -> None:
        held = self._runs.ids()
        if not held:
            return
        renewal = await self._store.renew(held, datetime.now(UTC) + timedelta(seconds=self._lease_s))
        self._runs.lose(renewal.lost)
        for job_id in renewal.cancel_requested:
            await self._runs.cancel(job_id)

    def _told(self, recovery: Recovery) -> None:
        if recovery.requeued or recovery.interrupted or recovery.ended:
            log.info("recovered", requeued=len(recovery.requeued), interrupted=len(recovery.interrupted))
            self._on_recovered(recovery)
