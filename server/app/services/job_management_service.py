"""Jobs as callers and operators look at them: show, list, count, export, delete. Running them is not its business."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from app.governance.errors import RequestError, shorten
from app.governance.job_lifecycle import TERMINAL, JobStatus
from app.services.job_events import JobEvents, Progress
from app.services.job_filters import JobQuery
from app.services.job_results import JobResults
from app.storage.blobs import Blobs
from app.storage.errors import BlobLost, CursorError
from app.storage.records import Attempt, BatchProgress, DeliveryFate, Job, JobInput
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

MAX_PAGE = 500
IMAGE_ROLE = "image"


@dataclass(frozen=True, slots=True)
class JobListing:
    """One page of jobs, newest first, without their results."""

    jobs: list[dict[str, Any]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class JobDetails:
    """What belongs to a job beside its row."""

    attempts: Sequence[Attempt] = ()
    inputs: Sequence[JobInput] = ()
    needs: Sequence[str] = ()
    waits_because: str | None = None
    delivery: DeliveryFate | None = None


@dataclass(frozen=True, slots=True)
class KeptInput:
    """A job's image as it was sent."""

    data: bytes
    media_type: str


class JobManagementService:
    """The query side of jobs, and the deletion of those that have ended.

    ``why_not`` tells why this server would start no job of a plugin now, or None.
    """

    def __init__(
        self,
        store: JobStore,
        blobs: Blobs,
        results: JobResults,
        events: JobEvents,
        why_not: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._results = results
        self._events = events
        self._why_not = why_not

    async def show(self, job_id: str) -> dict[str, Any]:
        """Return a job with its result, attempts and inputs. Raises RequestError ``job_not_found``."""
        job = await self._with_result(await self.find(job_id))
        return job_view(job, details=await self.details(job), progress=self._events.progress_of(job_id))

    async def find(self, job_id: str) -> Job:
        """Return a job's record. Raises RequestError ``job_not_found``."""
        job = await self._store.get(job_id)
        if job is None:
            raise job_missing(job_id)
        return job

    async def details(self, job: Job) -> JobDetails:
        """Return what belongs to a job beside its row."""
        attempts, inputs, needs = await asyncio.gather(
            self.attempts(job), self._store.inputs(job.id), self._store.needs(job.id)
        )
        called = job.webhook is not None and job.ended_at is not None
        delivery = await self._store.delivery(job.id) if called else None
        return JobDetails(attempts, inputs, needs, self._waits_because(job), delivery)

    async def attempts(self, job: Job) -> Sequence[Attempt]:
        """Return a job's attempts, first to last; the one of a waiting call is its row itself."""
        if job.durable:
            return await self._store.attempts(job.id)
        began = job.started_at or job.created_at
        outcome = job.status.value if job.status in TERMINAL else None
        server = job.lease_owner or ""
        return [Attempt(job.id, 1, server, None, began, job.ended_at, outcome, job.error_code)]

    async def list_jobs(self, query: JobQuery, *, cursor: str | None = None, limit: int = 50) -> JobListing:
        """Return one page. Raises RequestError ``malformed_request`` for a filter that makes no sense or a forged
        cursor.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError("malformed_request", f"limit must be 1 to {MAX_PAGE}", field="limit")
        try:
            page = await self._store.list(query.to_filter(), cursor, limit)
        except CursorError as forged:
            raise RequestError("malformed_request", str(forged), field="cursor") from None
        return JobListing([self.summary(job) for job in page.jobs], page.next_cursor)

    def summary(self, job: Job) -> dict[str, Any]:
        """Return a job as a listing shows it."""
        return job_view(job, with_result=False, progress=self._events.progress_of(job.id))

    async def counts(self, query: JobQuery) -> Mapping[JobStatus, int]:
        """Return how many jobs a listing would show, by status; every status is there."""
        counted = await self._store.counts(query.to_filter())
        return {status: counted.get(status, 0) for status in JobStatus}

    async def export(self, query: JobQuery) -> AsyncIterator[dict[str, Any]]:
        """Yield the jobs with their results, oldest first."""
        async for job in self._store.export(query.to_filter()):
            with contextlib.suppress(RequestError):  # it was deleted while the export ran
                job = await self._with_result(job)
            yield job_view(job)

    async def purge(self, query: JobQuery) -> int:
        """Delete the ended jobs that a listing would show; return how many. Raises RequestError."""
        removed = await self._store.purge(query.to_purge())
        if removed:
            self._events.many_changed()
        return removed

    async def batch(self, batch_id: str) -> BatchProgress:
        """Return how far a batch has come. Raises RequestError ``not_found``."""
        batch = await self._store.batch(batch_id) if batch_id.isascii() else None
        if batch is None:
            raise RequestError("not_found", f"there is no batch {shorten(batch_id, 64)!r}")
        return batch

    async def kept_input(self, job_id: str) -> KeptInput:
        """Return the image that a job was given. Raises RequestError ``job_not_found``, or ``not_found`` if it was not
        kept, or is lost.
        """
        job = await self.find(job_id)
        for kept in await self._store.inputs(job.id):
            if kept.role == IMAGE_ROLE:
                try:
                    return KeptInput(await self._blobs.get(kept.blob), kept.media_type)
                except BlobLost as lost:
                    raise input_lost(job_id, lost) from lost
        raise not_kept(job_id)

    def _waits_because(self, job: Job) -> str | None:
        """Return why a job waits, if neither its own terms nor others before it tell."""
        early = job.not_before is not None and job.not_before > datetime.now(UTC)
        if job.status is not JobStatus.PENDING or job.blocked or early:
            return None
        reason = self._why_not(job.plugin)
        return None if reason is None else f"this server cannot start it now: {reason}"

    async def _with_result(self, job: Job) -> Job:
        """Return the job with its result, without if that is lost: how it ended must be told for all that.

        Raises RequestError ``job_not_found`` if it was deleted meanwhile.
        """
        try:
            return await self._results.with_result(job)
        except BlobLost as lost:
            job = await self.find(job.id)
            log.error("a job's result is lost", job=job.id, reason=str(lost))
            return job


def job_missing(job_id: str) -> RequestError:
    """Return the refusal for an id that no job has."""
    return RequestError("job_not_found", f"there is no job {job_id[:64]!r}")


def not_kept(job_id: str) -> RequestError:
    """Return the refusal for a job whose input is not there."""
    said = f"the image of job {job_id[:64]!r} was not kept; SIGHTGATE_KEEP_INPUTS says whose are"
    return RequestError("not_found", said)


def input_lost(job_id: str, lost: BlobLost) -> RequestError:
    """Return the refusal for a job whose input was kept, and cannot be read any more."""
    log.error("a job's input is lost", job=job_id, reason=str(lost))
    return RequestError("not_found", f"the image of job {job_id[:64]!r} was kept and is lost: {lost}")


def job_view(
    job: Job, *, with_result: bool = True, details: JobDetails | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Return a job as callers see it: times as ISO 8601 in UTC, the error without anything internal."""
    view: dict[str, Any] = {
        "id": job.id,
        "plugin": job.plugin,
        "status": job.status.value,
        "durable": job.durable,
        "options": dict(job.options),
        "error": job.error,
        "error_code": job.error_code or _code_of(job.error),
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "ended_at": _iso(job.ended_at),
        "not_before": _iso(job.not_before),
        "deadline": _iso(job.deadline),
        "waiting_ms": job.waiting_ms,
        "running_ms": job.running_ms,
        "attempt": job.attempt,
        "priority": job.priority,
        "batch": job.parent_id,
        "copy_of": job.copy_of,
        "blocked": job.blocked,
        "cancel_requested": job.cancel_requested,
        "progress": progress.to_data() if progress is not None else None,
    }
    if with_result:
        view["result"] = job.result
        view["result_lost"] = job.result_blob is not None and job.result is None
    return view if details is None else {**view, **_details_view(job, details)}


def batch_view(batch: BatchProgress) -> dict[str, Any]:
    """Return a batch as callers see it. Jobs that retention removed count as done."""
    counts = {status.value: batch.by_status.get(status, 0) for status in JobStatus}
    left = sum(counts[status] for status in JobStatus if status not in TERMINAL)
    return {
        "id": batch.id,
        "total": batch.total,
        "done": batch.total - left,
        "counts": counts,
        "created_at": _iso(batch.created_at),
    }


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as callers see it."""
    return {
        "number": attempt.number,
        "server": attempt.server,
        "worker_pid": attempt.worker_pid,
        "started_at": _iso(attempt.started_at),
        "ended_at": _iso(attempt.ended_at),
        "outcome": attempt.outcome,
        "error_code": attempt.error_code,
    }


def _details_view(job: Job, details: JobDetails) -> dict[str, Any]:
    return {
        "attempts": [attempt_view(attempt) for attempt in details.attempts],
        "inputs": [
            {"role": kept.role, "media_type": kept.media_type, "size": kept.size, "sha256": kept.blob}
            for kept in details.inputs
        ],
        "needs": list(details.needs),
        "waits_because": details.waits_because,
        "after_rule": job.after_rule,
        "retry": job.retry.to_json() if job.retry is not None else None,
        "webhook": job.webhook,
        "webhook_delivery": _delivery_view(details.delivery) if details.delivery is not None else None,
    }


def _delivery_view(delivery: DeliveryFate) -> dict[str, Any]:
    return {"state": delivery.state, "calls": delivery.calls, "reason": delivery.reason}


def _code_of(error: Mapping[str, Any] | None) -> str | None:
    return error["details"]["code"] if error is not None else None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
