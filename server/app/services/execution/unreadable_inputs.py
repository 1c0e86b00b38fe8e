"""What becomes of a job whose stored input cannot be read: it waits, and ends only if its own blob is what is wrong.

One failed read does not tell a lost input from a place of blobs that is away as a whole (a bucket that hangs, a folder
that is not mounted, a dead disk). So whenever one fails, something new is stored in that place, read and removed:

- If that fails too, the place is away, and nothing is said about the job. It waits, however long that takes, and this
  server takes up one job after each rest until the place works or an input is read (a full disk may be read): one
  server of several, on which a folder is not mounted, would take the jobs away from those that can read them.
- If it works, the attempt counts against the job. After the last of `RESTS_S` such attempts the input is lost, and the
  job ends. The rests leave the time in which an object store, or a network's file system, mends what fails for a
  single blob, and in which another of several servers may read what this one cannot.

Where this server is the only one, what is certainly gone or changed (`BlobLost`) is lost at once. Where there are
several it is not: each may see another folder under the same name.

What counts is what stands among the job's attempts, so neither a restart nor another server begins anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.services.execution.job_inputs import InputUnreadable, JobInputs
from app.services.execution.storage_rest import StorageRest
from app.storage.errors import BlobLost, StorageError
from app.storage.records import Attempt, Job
from app.storage.steps import system_clock
from app.storage.store import JobStore

log = structlog.get_logger("sightgate.jobs")

# Between two attempts at an input that alone cannot be read. One more attempt than these, and the job ends.
RESTS_S = (5.0, 10.0, 20.0, 40.0, 80.0)
# Of a job, while the place is away. Shorter than this server's own rest: another one may take it up meanwhile.
AWAY_REST = timedelta(seconds=1)
# How such an attempt ends, and the error code of one that ends with the place of the blobs, or the job store, away.
UNREAD, UNREADABLE_CODE, AWAY_CODE = "interrupted", "internal_error", "storage_unavailable"


@dataclass(frozen=True, slots=True)
class ReadLater:
    """The job waits again until a moment; its attempt ends as `UNREAD` with an error code."""

    code: str
    not_before: datetime


class UnreadableInputs:
    """Judges attempts that ended before their plugin was called, for want of the input."""

    def __init__(self, store: JobStore, inputs: JobInputs, clock: Callable[[], datetime] = system_clock) -> None:
        self._store = store
        self._inputs = inputs
        self._clock = clock
        self._rest = StorageRest()
        self._reads_before = 0

    @property
    def known(self) -> bool:
        """Whether inputs could not be read, and nothing has shown since that they can."""
        return self._rest.is_known

    async def most(self, room: int) -> int:
        """Return how many of ``room`` jobs may be taken up: none during a rest, and one after it to try it out."""
        if not self._rest.is_known:
            return room
        if self._inputs.reads == self._reads_before:
            if self._rest.rests:
                return 0
            if await self._inputs.trouble() is not None:
                self._rest.failed()
                return min(room, 1)
        self._rest.over()
        return room

    def away(self, job: Job, reason: Exception) -> ReadLater:
        """Return when a job is tried again that waits for storage as a whole."""
        log.error("a job cannot be run now", job=job.id, reason=str(reason))
        self._rest.failed()
        self._reads_before = self._inputs.reads
        return ReadLater(AWAY_CODE, self._clock() + AWAY_REST)

    async def after(self, job: Job, unread: InputUnreadable) -> ReadLater | None:
        """Return when a job is tried again whose input could not be read; None if that is lost."""
        if isinstance(unread.cause, BlobLost) and not self._store.shared:
            return None
        trouble = await self._inputs.trouble()
        if trouble is not None:
            return self.away(job, unread)
        try:
            tried = _times_unread(await self._store.attempts(job.id))
        except StorageError as failed:
            return self.away(job, failed)
        if tried >= len(RESTS_S):
            return None
        log.error("a job's input cannot be read", job=job.id, reason=str(unread), tried=tried + 1)
        return ReadLater(UNREADABLE_CODE, self._clock() + timedelta(seconds=RESTS_S[tried]))


def _times_unread(attempts: Sequence[Attempt]) -> int:
    return sum((attempt.outcome, attempt.error_code) == (UNREAD, UNREADABLE_CODE) for attempt in attempts)
