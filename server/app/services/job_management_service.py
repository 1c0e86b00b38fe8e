"""Jobs as callers and operators look at them: show and list. Running them is not its business."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.governance.errors import RequestError
from app.governance.job_lifecycle import JobStatus
from app.storage.errors import CursorError
from app.storage.records import Job, JobFilter
from app.storage.store import JobStore

MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class JobListing:
    """One page of jobs, newest first, without their results."""

    jobs: list[dict[str, Any]]
    next_cursor: str | None


class JobManagementService:
    """The query side of jobs."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def show(self, job_id: str) -> dict[str, Any]:
        """Return a job with its result. Raises RequestError ``job_not_found``."""
        job = await self._store.get(job_id)
        if job is None:
            raise RequestError("job_not_found", f"there is no job {job_id[:64]!r}")
        return job_view(job)

    async def list_jobs(
        self, *, status: str | None = None, plugin: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> JobListing:
        """Return one page. Raises RequestError ``malformed_request`` for an unknown status or a forged cursor."""
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError("malformed_request", f"limit must be 1 to {MAX_PAGE}", field="limit")
        try:
            wanted = JobFilter(status=JobStatus(status) if status else None, plugin=plugin or None)
        except ValueError:
            said = f"status must be one of {', '.join(JobStatus)}"
            raise RequestError("malformed_request", said, field="status") from None
        try:
            page = await self._store.list(wanted, cursor, limit)
        except CursorError as forged:
            raise RequestError("malformed_request", str(forged), field="cursor") from None
        return JobListing([job_view(job, with_result=False) for job in page.jobs], page.next_cursor)


def job_view(job: Job, *, with_result: bool = True) -> dict[str, Any]:
    """Return a job as callers see it: times as ISO 8601 in UTC, the error without anything internal."""
    view: dict[str, Any] = {
        "id": job.id,
        "plugin": job.plugin,
        "status": job.status.value,
        "options": dict(job.options),
        "error": job.error,
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "ended_at": _iso(job.ended_at),
        "waiting_ms": job.waiting_ms,
        "running_ms": job.running_ms,
        "attempt": job.attempt,
        "priority": job.priority,
    }
    return {**view, "result": job.result} if with_result else view


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
