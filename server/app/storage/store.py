"""What a job store does. `SqliteJobStore` and `PostgresJobStore` do it; one suite of tests holds both to it.

Durable jobs are those that were accepted to be run; they are claimed under a lease. Other jobs are calls that somebody
waits for: their rows are written soon after, and cost the caller microseconds.

Every method may raise `StorageError` for what the disk or the database does, also where its docstring does not say so.
A method that raises has changed nothing, unless it says otherwise.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from app.governance.job_lifecycle import JobStatus
from app.storage.records import (
    Attempt,
    Batch,
    BatchProgress,
    Cancelled,
    Change,
    Delivery,
    DeliveryFate,
    IdempotencyKey,
    Job,
    JobEnd,
    JobFilter,
    JobInput,
    JobPage,
    JsonObject,
    NewJob,
    Outlook,
    PluginOverride,
    Recovery,
    Released,
    Renewal,
    Waiting,
)

MAX_PAGE = 500

Clock = Callable[[], datetime]
Listener = Callable[[Change], None]
ErrorOf = Callable[[Job], JsonObject]


class JobStore(Protocol):
    """Jobs, their attempts and what goes with them, and what the operator said about plugins.

    ``server_id`` names this server in leases and attempts. ``shared``: other servers may work on the same database.
    """

    server_id: str
    shared: bool

    async def start(self) -> None:
        """Create or migrate the database, and open it."""

    async def close(self) -> None:
        """Commit all that was recorded, and close. Everything asked later fails with `StorageClosed`."""

    async def check(self) -> str | None:
        """Write a little, and return None, or the reason why the store is not ready."""

    @property
    def lost_records(self) -> int:
        """How many calls of `record` and `record_end` came to nothing; each was logged."""

    def listen(self, on_change: Listener) -> None:
        """Have ``on_change`` called, on the loop that started the store, for what other servers do. Before `start`.

        Several may. Changes may be missed while the database is away: look at the store now and then all the same.
        """

    def announce(self, change: Change) -> None:
        """Tell other servers. Best effort, never raises; at most the last progress of a job in a while is sent."""

    # Calls that somebody waits for

    def record(self, job: Job) -> None:
        """Store the job soon. Never blocks and never raises; do not change its dicts afterwards.

        While the database takes nothing it is kept, and on SQLite not seen by who reads, until it can be stored.
        """

    def record_end(self, end: JobEnd) -> None:
        """Store soon how a recorded job ended: together with its row, where that is not written yet."""

    # Jobs that were accepted

    async def add(
        self, jobs: Sequence[NewJob], *, key: IdempotencyKey | None = None, batch: Batch | None = None
    ) -> Sequence[Job]:
        """Store the jobs for good, all or none, and return them as they are stored.

        A job may be FAILED at birth (code ``dependency_failed``), when what it needs has ended otherwise than its rule
        asks. Jobs of one call may need each other, the later ones the earlier.

        Raises `KeyUsed` and `KeyConflict` when ``key`` was used, `DependencyMissing`, `JobExists`, and `StorageBacklog`
        when the disk is too slow: ask again later. When the wait is cancelled, the jobs may be stored all the same.
        """

    async def find_key(self, key: IdempotencyKey) -> str | None:
        """Return the id of the job or batch that was added with ``key``, or None.

        Raises `KeyConflict` when it was used with another fingerprint.
        """

    async def claim(self, free: Mapping[str, int], lease_until: datetime) -> Sequence[Job]:
        """Set waiting durable jobs RUNNING, at most ``free[plugin]`` a plugin, and return them.

        Of each plugin, the highest priority first, then the oldest id. ``lease_until`` is by this server's clock; where
        the database has its own, the lease is as long by that.
        """

    async def claim_job(self, job_id: str, lease_until: datetime) -> Job | None:
        """Set one waiting durable job RUNNING and return it; None if it does not wait, or may not run yet."""

    async def end(self, end: JobEnd) -> Released:
        """Store for good how the job ended, and return what that did to the jobs that needed it.

        Raises `IllegalTransition` when it has ended before or cannot end so, `LeaseLost` when a durable job runs and
        not by this server's ``end.attempt``, `JobMissing`.
        """

    async def put_back(
        self,
        job_id: str,
        attempt: int,
        *,
        outcome: str,
        error_code: str | None,
        not_before: datetime | None,
        worker_pid: int | None = None,
    ) -> Released | None:
        """Let a job that this server runs wait again, until ``not_before``; its attempt ends as ``outcome``.

        ``outcome`` is one of those of an `Attempt`. A job that somebody asked to cancel meanwhile ends CANCELLED
        instead; then what that did to the jobs that needed it is returned, else None. Raises `LeaseLost`.
        """

    async def request_cancel(self, job_id: str, error: JsonObject) -> tuple[Cancelled, Released]:
        """Cancel a job that waits, with ``error``; ask for the end of one that runs. Asking again changes nothing.

        Raises `IllegalTransition` when it has ended, `JobMissing`.
        """

    async def renew(self, job_ids: Collection[str], lease_until: datetime) -> Renewal:
        """Renew this server's leases of these jobs, and say which of them are lost or to be cancelled."""

    async def recover(self, interrupted: ErrorOf) -> Recovery:
        """Put right what servers that died left behind. Call it once, before anything is recorded or claimed.

        Durable jobs that were RUNNING wait again. Other jobs that had not ended end FAILED, with the error that
        ``interrupted(job)`` returns (the envelope's error part). On a shared store only what belonged to servers that
        are gone.
        """

    async def take_over(self, interrupted: ErrorOf) -> Recovery:
        """Do what `recover` does for servers that died meanwhile: durable jobs whose lease ran out wait again."""

    async def heartbeat(self) -> None:
        """Say that this server lives; on a shared store its calls are given up when it has not for three leases."""

    async def expire(self, error_of: ErrorOf) -> Sequence[Job]:
        """End the waiting jobs whose deadline has passed FAILED, with the error that ``error_of(job)`` returns.

        Returns them, and those that failed because they needed them.
        """

    async def outlook(self) -> Outlook:
        """Return what can be claimed now and what comes next, in one look: nothing falls between the two.

        Its cost does not grow with the number of jobs.
        """

    async def turns(self, plugins: Collection[str]) -> Sequence[str]:
        """Return plugins that jobs wait for in the order in which the first job of each is to start.

        By priority, then age.
        """

    # Batches and webhooks

    async def batch(self, batch_id: str) -> BatchProgress | None:
        """Return how far the batch has come, or None."""

    async def batch_jobs(self, batch_id: str, statuses: Collection[JobStatus]) -> Sequence[str]:
        """Return the ids of the batch's jobs that are in one of ``statuses``, oldest first."""

    async def due_deliveries(self, limit: int, lease_until: datetime) -> Sequence[Delivery]:
        """Return webhooks to be called now, longest due first; nobody else is given them before ``lease_until``."""

    async def delivery_done(self, job_id: str) -> None:
        """Note that the job's webhook was called."""

    async def delivery_failed(self, job_id: str, reason: str, again_at: datetime | None) -> None:
        """Note that it could not be called. It is due again at ``again_at``; None gives it up."""

    # Reading

    async def get(self, job_id: str) -> Job | None:
        """Return the job as it is after all that was recorded before, and could be stored, or None."""

    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        """Return the attempts of a durable job, first to last."""

    async def inputs(self, job_id: str) -> Sequence[JobInput]:
        """Return the job's inputs in the order in which they were added."""

    async def has_inputs(self) -> bool:
        """Return whether any job names an input: the place of the blobs was in use before."""

    async def needs(self, job_id: str) -> Sequence[str]:
        """Return the ids of the jobs that it needs, or needed."""

    async def delivery(self, job_id: str) -> DeliveryFate | None:
        """Return how far the job's webhook is; None if it has none, or has not ended."""

    async def list(self, filter_: JobFilter | None = None, cursor: str | None = None, limit: int = 50) -> JobPage:
        """Return a page, newest first, without results, after all that was recorded before.

        ``limit`` is cut to 1…`MAX_PAGE`. Raises `CursorError` for a cursor that it did not give out.
        """

    async def counts(self, filter_: JobFilter | None = None) -> Mapping[JobStatus, int]:
        """Return how many jobs a listing would show, by status. Its cost grows with their number."""

    async def waiting(self) -> Sequence[Waiting]:
        """Return what durable jobs wait for, by plugin, blocked and delayed ones included."""

    def export(self, filter_: JobFilter) -> AsyncIterator[Job]:
        """Yield the jobs with their results, oldest first. Jobs that come or change meanwhile may be in it or not."""

    # Retention

    async def sweep(self, *, ended_before: datetime | None, keep_newest: int | None, most: int) -> int:
        """Delete at most ``most`` jobs that have ended, with all that goes with them, and return how many.

        Those that ended before ``ended_before``, and those beyond the ``keep_newest`` newest. Never one that waits or
        runs, nor one that a waiting job needs.
        """

    async def purge(self, filter_: JobFilter) -> int:
        """Delete the jobs that a listing would show and that have ended, as `sweep` does. Returns how many."""

    async def unreferenced(self, digests: Collection[str]) -> frozenset[str]:
        """Return those of ``digests`` (of blobs) that no job's input or result names."""

    # What the operator said about plugins

    async def plugin_overrides(self) -> Mapping[str, PluginOverride]:
        """Return all overrides by plugin."""

    async def set_plugin_override(self, name: str, enabled: bool | None, reason: str) -> None:
        """Enable or disable the plugin for good; None takes the override back."""
