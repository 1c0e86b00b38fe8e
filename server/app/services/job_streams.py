"""What happens to a job, a batch, or all jobs, as a sequence of events for one reader.

What is told of a job's status is derived from its row and its attempts, so that a reader that comes back after any
time, to any server, goes on where it was: an event's position is its number in that sequence.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.governance.errors import RequestError
from app.governance.job_lifecycle import TERMINAL, JobStatus
from app.services.job_events import JobEvents
from app.services.job_management_service import JobManagementService, batch_view
from app.storage.records import Attempt, Job

# A reader looks at least so often: on a shared store another server's message may be lost.
LOOK_AGAIN_S = 15.0
# Changes of many jobs are told together, so that a listing that is watched costs the same however many there are.
GATHER_S = 0.1


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event. ``position`` is where a reader goes on after it; None does not change that. No name: nothing new."""

    name: str
    data: Any = None
    position: str | None = None


NOTHING_NEW = StreamEvent("")


class JobStreams:
    """Makes the streams. Each ends when what it tells of has ended, or the server stops."""

    def __init__(self, management: JobManagementService, events: JobEvents, instance: str) -> None:
        """``instance`` names this process: positions in the stream of all jobs are its own."""
        self._management = management
        self._events = events
        self._instance = instance

    async def job(self, job_id: str, after: str | None) -> AsyncIterator[StreamEvent]:
        """Yield ``status`` for each change that comes after the position, ``progress``, and ``end`` with the job."""
        told, shown = _number(after), None
        with self._events.watch_job(job_id) as watch:
            while True:
                if watch.stale:
                    watch.stale = False
                    job = await self._management.find(job_id)
                    history = list(status_history(job, await self._management.attempts(job)))
                    if told > len(history):  # where the end was told, or no position of ours: that begins anew
                        told = len(history) if job.status in TERMINAL else 0
                    for number, entry in enumerate(history[told:], told + 1):
                        yield StreamEvent("status", entry, str(number))
                    told = len(history)
                    if job.status in TERMINAL:
                        yield StreamEvent("end", await self._management.show(job_id), str(told + 1))
                        return
                progress = self._events.progress_of(job_id)
                if progress is not None and progress is not shown:
                    yield StreamEvent("progress", progress.to_data())
                    shown = progress
                if watch.closed:
                    return
                if not await watch.wait(LOOK_AGAIN_S):
                    watch.stale = True
                    yield NOTHING_NEW

    async def batch(self, batch_id: str) -> AsyncIterator[StreamEvent]:
        """Yield ``progress`` with the batch whenever it has come further, and ``end`` when all its jobs have ended."""
        shown: dict[str, Any] | None = None
        with self._events.watch_batch(batch_id) as watch:
            while True:
                view = batch_view(await self._management.batch(batch_id))
                if view["done"] == view["total"]:
                    yield StreamEvent("end", view, str(view["done"]))
                    return
                yield NOTHING_NEW if view == shown else StreamEvent("progress", view, str(view["done"]))
                shown = view
                await watch.wait(LOOK_AGAIN_S)
                if not watch.closed:
                    await watch.pause(GATHER_S)
                if watch.closed:
                    return

    async def all_jobs(self, after: str | None) -> AsyncIterator[StreamEvent]:
        """Yield ``job`` for every job that comes or changes, and ``resync`` when some were missed: list anew then."""
        number = 0
        with self._events.watch_all() as watch:  # before the first word, after which a reader lists what there is
            yield NOTHING_NEW if after is None else StreamEvent("resync", {}, f"{self._instance}-0")
            while True:
                if not await watch.wait(LOOK_AGAIN_S):
                    yield NOTHING_NEW
                changed, missed = watch.take()
                if missed:
                    yield StreamEvent("resync", {}, f"{self._instance}-{number}")
                for job_id, known in changed.items():
                    job = known if known is not None else await self._find(job_id)
                    if job is not None:
                        number += 1
                        yield StreamEvent("job", self._management.summary(job), f"{self._instance}-{number}")
                if watch.closed:
                    return
                await watch.pause(GATHER_S)

    async def _find(self, job_id: str) -> Job | None:
        try:
            return await self._management.find(job_id)
        except RequestError:  # it was removed meanwhile
            return None


def status_history(job: Job, attempts: Sequence[Attempt]) -> Iterator[dict[str, Any]]:
    """Yield the statuses that a job has had, first to last, but the one it ended with."""
    if job.durable:
        yield _entry(JobStatus.PENDING, 0, job.created_at)
    for attempt in attempts:
        yield _entry(JobStatus.RUNNING, attempt.number, attempt.started_at)
        waited = job.ended_at is None or attempt.ended_at != job.ended_at  # else it was to be cancelled, and was
        if attempt.outcome is not None and attempt.outcome not in TERMINAL and waited:
            waits = _entry(JobStatus.PENDING, attempt.number, attempt.ended_at)
            yield {**waits, "outcome": attempt.outcome, "error_code": attempt.error_code}


def _entry(status: JobStatus, attempt: int, at: datetime | None) -> dict[str, Any]:
    when = at.isoformat() if at is not None else None
    return {"status": status.value, "attempt": attempt, "at": when, "outcome": None, "error_code": None}


def _number(position: str | None) -> int:
    """Return a position as a number; what is none of ours begins anew."""
    plain = position is not None and position.isascii() and position.isdigit() and len(position) < 10
    return int(position) if plain and position is not None else 0
