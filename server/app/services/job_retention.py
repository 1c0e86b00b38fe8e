"""Removes what is kept no longer: ended jobs by age and number, and the blobs that no job names."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app.storage.blobs import Blobs, collect_garbage
from app.storage.errors import StorageError
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.retention")

# Jobs that one transaction deletes: others wait for the writer so long.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """``days`` that an ended job is kept, ``jobs`` that are kept at most; 0 means without limit. Times are seconds.

    A blob that nothing names is removed when it was last put ``grace_s`` ago: accepting a job must not take longer.
    """

    days: float = 30.0
    jobs: int = 0
    every_s: float = 300.0
    grace_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    jobs: int
    blobs: int


class JobRetention:
    """Sweeps in the background. Never touches a job that waits or runs, nor what such a job needs.

    ``on_removed`` is called after jobs were removed.
    """

    def __init__(
        self,
        store: JobStore,
        blobs: Blobs,
        rules: RetentionRules,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_removed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._rules = rules
        self._clock = clock
        self._on_removed = on_removed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.get_running_loop().create_task(self._keep_sweeping())

    async def stop(self) -> None:
        """Sweep no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def sweep(self) -> Swept:
        """Remove what is kept no longer, now. Raises StorageError."""
        jobs = await self._sweep_jobs()
        # After the jobs: what they named is named no more.
        grace = timedelta(seconds=self._rules.grace_s)
        blobs = await collect_garbage(self._blobs, self._store.unreferenced, self._clock() - grace)
        if jobs or blobs:
            log.info("swept", jobs=jobs, blobs=blobs)
        return Swept(jobs, blobs)

    async def _sweep_jobs(self) -> int:
        rules = self._rules
        if not rules.days and not rules.jobs:
            return 0
        ended_before = self._clock() - timedelta(days=rules.days) if rules.days else None
        removed = 0
        while True:
            some = await self._store.sweep(ended_before=ended_before, keep_newest=rules.jobs or None, most=AT_ONCE)
            removed += some
            if some:
                self._on_removed()
            if some < AT_ONCE:
                return removed

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(self._rules.every_s)
            try:
                await self.sweep()
            except StorageError as failed:
                log.error("old jobs cannot be removed; trying again", reason=str(failed))
            except Exception:  # in the background nobody else would notice a fault of ours
                log.exception("retention fault")
