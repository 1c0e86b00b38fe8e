"""The job store in terms of two things that a database can do: write a group of operations, and read.

`SqliteJobStore` and `PostgresJobStore` add those two; all that is said here holds for both.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeVar, cast

from app.governance.job_lifecycle import JobStatus
from app.storage import adding, claiming, listing, retention, statements, waiting, webhooks
from app.storage.cursors import make_cursor, read_cursor
from app.storage.errors import StorageError
from app.storage.operations import AddJobs, Ask, EndJob, InsertJob, Operation
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
    from_micros,
    job_from_row,
    to_micros,
)
from app.storage.statement import Query, Statement, Steps, Tell
from app.storage.steps import Actor, select
from app.storage.store import MAX_PAGE, ErrorOf

_CHECK_TIMEOUT_S = 5.0
_EXPORT_PAGE = 50
_PURGE_PAGE = 500

T = TypeVar("T")


class SqlJobStore(ABC):
    """What both stores share; see `app.storage.store.JobStore` for what each method promises."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self.server_id = actor.server_id
        self.shared = actor.shared

    @abstractmethod
    async def start(self) -> None:
        """Create or migrate the database, and open it."""

    @abstractmethod
    async def close(self) -> None:
        """Commit all that was recorded, and close."""

    @abstractmethod
    def _put(self, operation: Operation) -> None:
        """Have it done soon. Never blocks and never raises."""

    @abstractmethod
    async def _call(self, operation: Operation, *, sheddable: bool = False) -> object:
        """Have it done, and return its result. ``sheddable``: refuse it when too much waits."""

    @abstractmethod
    async def _read(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        """Do steps that change nothing. ``long``: they look at as many rows as there are."""

    @abstractmethod
    def _idle(self) -> bool:
        """Return whether all that was handed over so far is committed."""

    @abstractmethod
    def _probe(self) -> Steps[object]:
        """Write a little."""

    async def __aenter__(self) -> Self:
        """Return the store; leaving closes it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the store."""
        await self.close()

    # Calls that somebody waits for

    def record(self, job: Job) -> None:
        self._put(InsertJob(job))

    def record_end(self, end: JobEnd) -> None:
        self._put(EndJob(end))

    # Jobs that were accepted

    async def add(
        self, jobs: Sequence[NewJob], *, key: IdempotencyKey | None = None, batch: Batch | None = None
    ) -> Sequence[Job]:
        if not jobs:
            raise ValueError("there is nothing to add")
        return cast("Sequence[Job]", await self._call(AddJobs(tuple(jobs), key, batch), sheddable=True))

    async def find_key(self, key: IdempotencyKey) -> str | None:
        if not _is_storable(key.scope):
            return None
        return await self._read(lambda: adding.find_key(key))

    async def claim(self, free: Mapping[str, int], lease_until: datetime) -> Sequence[Job]:
        wanted = {plugin: most for plugin, most in free.items() if most > 0}
        if not wanted:
            return []
        # A claim that a power cut undoes leaves the job waiting, so it need not be durable.
        return await self._do(lambda: claiming.claim(self._actor, wanted, lease_until))

    async def claim_job(self, job_id: str, lease_until: datetime) -> Job | None:
        if not _is_storable(job_id):
            return None
        return await self._do(lambda: claiming.claim_job(self._actor, job_id, lease_until))

    async def end(self, end: JobEnd) -> Released:
        return cast("Released", await self._call(EndJob(end, durable=True)))

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
        rest = (outcome, error_code, not_before, worker_pid)
        return await self._do(lambda: claiming.put_back(self._actor, job_id, attempt, *rest), durable=True)

    async def request_cancel(self, job_id: str, error: JsonObject) -> tuple[Cancelled, Released]:
        wanted = job_id if _is_storable(job_id) else ""
        return await self._do(lambda: claiming.request_cancel(self._actor, wanted, error), durable=True)

    async def renew(self, job_ids: Collection[str], lease_until: datetime) -> Renewal:
        if not job_ids:
            return Renewal(frozenset(), frozenset())
        return await self._do(lambda: claiming.renew(self._actor, job_ids, lease_until))

    async def recover(self, interrupted: ErrorOf) -> Recovery:
        return await self._do(lambda: claiming.recover(self._actor, interrupted), durable=True)

    async def take_over(self, interrupted: ErrorOf) -> Recovery:
        if not self.shared:
            return Recovery((), ())
        return await self._do(lambda: claiming.take_over(self._actor, interrupted), durable=True)

    async def heartbeat(self) -> None:
        if self.shared:
            await self._do(lambda: claiming.heartbeat(self._actor))

    async def expire(self, error_of: ErrorOf) -> Sequence[Job]:
        return await self._do(lambda: claiming.expire(self._actor, error_of), durable=True)

    async def outlook(self) -> Outlook:
        return await self._read(lambda: waiting.outlook(self._actor))

    async def turns(self, plugins: Collection[str]) -> Sequence[str]:
        return await self._read(lambda: waiting.turns(self._actor, plugins))

    # Batches and webhooks

    async def batch(self, batch_id: str) -> BatchProgress | None:
        if not _is_storable(batch_id):
            return None
        await self._settle()
        return await self._read(lambda: listing.batch(batch_id))

    async def batch_jobs(self, batch_id: str, statuses: Collection[JobStatus]) -> Sequence[str]:
        await self._settle()
        return await self._read(lambda: listing.batch_jobs(batch_id, statuses))

    async def due_deliveries(self, limit: int, lease_until: datetime) -> Sequence[Delivery]:
        return await self._do(lambda: webhooks.due(self._actor, limit, lease_until))

    async def delivery_done(self, job_id: str) -> None:
        await self._do(lambda: webhooks.done(job_id))

    async def delivery_failed(self, job_id: str, reason: str, again_at: datetime | None) -> None:
        await self._do(lambda: webhooks.failed(self._actor, job_id, reason, again_at))

    # Reading

    async def get(self, job_id: str) -> Job | None:
        if not _is_storable(job_id):
            return None
        await self._settle()

        def steps() -> Steps[Job | None]:
            rows = yield from select(statements.SELECT_JOB, {"job_id": job_id})
            return job_from_row(rows[0]) if rows else None

        return await self._read(steps)

    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        await self._settle()
        rows = await self._rows(statements.SELECT_ATTEMPTS, wanted_id=job_id)
        return [
            Attempt(job, number, server, pid, from_micros(began), None if ended is None else from_micros(ended), *how)
            for job, number, server, pid, began, ended, *how in rows
        ]

    async def inputs(self, job_id: str) -> Sequence[JobInput]:
        # Without settling: they were stored when `add` returned, and a job that is to run should not wait for a commit.
        return [JobInput(*row) for row in await self._rows(statements.SELECT_INPUTS, wanted_id=job_id)]

    async def has_inputs(self) -> bool:
        ((some_job_id,),) = await self._rows(statements.SELECT_ANY_INPUT)
        return some_job_id is not None

    async def needs(self, job_id: str) -> Sequence[str]:
        return [row[0] for row in await self._rows(statements.SELECT_NEEDS, wanted_id=job_id)]

    async def delivery(self, job_id: str) -> DeliveryFate | None:
        await self._settle()
        return await self._read(lambda: webhooks.fate(job_id))

    async def list(self, filter_: JobFilter | None = None, cursor: str | None = None, limit: int = 50) -> JobPage:
        wanted = filter_ or JobFilter()
        most = max(1, min(limit, MAX_PAGE))
        last_id = None if cursor is None else read_cursor(cursor, wanted)
        await self._settle()
        # One more than shown, to know whether there is a next page.
        found = await self._read(lambda: listing.page(wanted, last_id, most + 1), long=True)
        shown = found[:most]
        return JobPage(shown, make_cursor(shown[-1].id, wanted) if len(found) > most else None)

    async def counts(self, filter_: JobFilter | None = None) -> Mapping[JobStatus, int]:
        await self._settle()
        return await self._read(lambda: listing.counts(filter_ or JobFilter()), long=True)

    async def waiting(self) -> Sequence[Waiting]:
        found: dict[str, Waiting] = {}
        for statement in (waiting.COUNT_CLAIMABLE, waiting.COUNT_HELD):
            for plugin, count, oldest in await self._read(partial(select, statement), long=True):
                before = found.get(plugin)
                moments = [from_micros(oldest), *([before.oldest] if before and before.oldest else [])]
                found[plugin] = Waiting(plugin, count + (before.count if before else 0), min(moments))
        return [found[plugin] for plugin in sorted(found)]

    async def export(self, filter_: JobFilter) -> AsyncIterator[Job]:
        await self._settle()
        last_id: str | None = None
        while True:
            after = last_id
            page = await self._read(lambda: listing.export_page(filter_, after, _EXPORT_PAGE), long=True)  # noqa: B023
            for job in page:
                yield job
            if len(page) < _EXPORT_PAGE:
                return
            last_id = page[-1].id

    # Retention

    async def sweep(self, *, ended_before: datetime | None, keep_newest: int | None, most: int) -> int:
        return await self._do(lambda: retention.sweep(ended_before, keep_newest, most))

    async def purge(self, filter_: JobFilter) -> int:
        deleted, last_id = 0, None
        while True:
            some, last_id = await self._do(lambda: retention.purge(filter_, last_id, _PURGE_PAGE))  # noqa: B023
            deleted += some
            if last_id is None:
                return deleted

    async def unreferenced(self, digests: Collection[str]) -> frozenset[str]:
        await self._settle()
        return await self._read(lambda: retention.unreferenced(digests), long=True)

    # What the operator said about plugins

    async def plugin_overrides(self) -> Mapping[str, PluginOverride]:
        rows = await self._rows(statements.SELECT_OVERRIDES)
        return {row[0]: PluginOverride(bool(row[1]), row[2], from_micros(row[3])) for row in rows}

    async def set_plugin_override(self, name: str, enabled: bool | None, reason: str) -> None:
        await self._do(lambda: self._override(name, enabled, reason), durable=True)

    def _override(self, name: str, enabled: bool | None, reason: str) -> Steps[None]:
        yield Tell([Change("", "plugin", name)])
        if enabled is None:
            yield Query(statements.DELETE_OVERRIDE, {"wanted_plugin": name})
            return
        changed_at = to_micros(self._actor.clock())
        row = {"plugin": name, "enabled": enabled, "reason": reason, "changed_at": changed_at}
        yield Query(statements.SET_OVERRIDE, row)

    async def check(self) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                await self._do(self._probe)
        except TimeoutError:
            return "the job store does not answer"
        except StorageError as failure:
            return str(failure)
        return None

    async def _do(self, steps: Callable[[], Steps[T]], *, durable: bool = False) -> T:
        return cast("T", await self._call(Ask(steps, durable)))

    async def _settle(self) -> None:
        if not self._idle():
            await self._do(lambda: select(statements.NOTHING))

    async def _rows(self, statement: Statement, **parameters: object) -> Sequence[Sequence[Any]]:
        return await self._read(lambda: select(statement, parameters))


def _is_storable(text: str) -> bool:
    """Return whether the text may be an id, or the scope of a key, in a row: both are ASCII.

    The databases cannot be asked for NUL and lone surrogates, which addresses may hold.
    """
    return text.isascii() and "\0" not in text
