"""Whether a job runs again after an attempt that failed, and when."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.governance.retry import RetryPolicy, counted
from app.services.execution.plugin_execution_service import PluginExecutionService
from app.storage.errors import StorageError
from app.storage.records import Attempt, Job
from app.storage.store import JobStore

# An attempt that ended so never reached its plugin: it is not here, or cannot run here. Another server may have it.
NOT_HERE = frozenset({"plugin_not_found", "plugin_unavailable", "plugin_disabled", "permission_not_granted"})
# How often one server leaves a job to the others, before it says that it cannot be run.
MOST_LEFT = 5
# Before this server may claim it again, where its plugin is not known to be at rest.
LEFT_REST = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Again:
    """The job waits again, not before a moment; its attempt ends as ``outcome`` (see `Attempt`)."""

    outcome: str
    not_before: datetime | None


class NextAttempt:
    """Knows the job's retry policy, and what a server that cannot run a plugin leaves to others."""

    def __init__(self, store: JobStore, plugins: PluginExecutionService) -> None:
        self._store = store
        self._plugins = plugins

    async def after(self, job: Job, code: str) -> Again | None:
        """Return how a job that failed with ``code`` waits again, or None if it has failed for good."""
        may_leave = self._store.shared and code in NOT_HERE
        if not may_leave and not (job.retry is not None and job.retry.allows(code, 0)):
            return None
        attempts = await self._attempts(job)
        if may_leave and self._times_left(attempts) < MOST_LEFT:
            # What this server will not claim may be taken up by another at once.
            rests = not self._plugins.would_run(job.plugin)
            return Again("handed_back", None if rests else datetime.now(UTC) + LEFT_REST)
        if job.retry is None:
            return None
        tried = job.attempt if attempts is None else counted(attempt.outcome for attempt in attempts)
        again_at = _retry_at(job.retry, code, tried)
        late = again_at is None or (job.deadline is not None and again_at >= job.deadline)
        return None if late else Again("retried", again_at)

    async def _attempts(self, job: Job) -> Sequence[Attempt] | None:
        try:
            return await self._store.attempts(job.id)
        except StorageError:
            return None

    def _times_left(self, attempts: Sequence[Attempt] | None) -> int:
        here = (attempt for attempt in attempts or () if attempt.server == self._store.server_id)
        return sum(attempt.outcome == "handed_back" and attempt.error_code in NOT_HERE for attempt in here)


def _retry_at(retry: RetryPolicy, code: str, tried: int) -> datetime | None:
    if not retry.allows(code, tried):
        return None
    return datetime.now(UTC) + timedelta(seconds=retry.rest_s(max(1, tried), random.random()))
