"""The job store: every execution's record, and what the operator said about plugins.

All writing is done by one thread, in groups (`writer`). `record` and `record_end` are for calls that somebody waits
for: they cost the caller microseconds and are on disk within about a tenth of a second. `add` and `end` are for jobs
that were accepted: they return when the row would survive a power cut.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from app.governance.job_lifecycle import JobStatus
from app.storage import statements
from app.storage.cursors import make_cursor, read_cursor
from app.storage.errors import StorageError
from app.storage.job_ids import new_job_id
from app.storage.job_writes import Ask, EndJob, InsertJob, plan
from app.storage.migrate import upgrade
from app.storage.readers import ReaderPool
from app.storage.records import (
    Job,
    JobEnd,
    JobFilter,
    JobInput,
    JobPage,
    JsonObject,
    PluginOverride,
    Recovery,
    Row,
    encode_json,
    from_micros,
    job_from_row,
    to_micros,
)
from app.storage.sqlite import Durability, connect_reader, connect_writer, create_private, database_file
from app.storage.writer import GroupCommitWriter

__all__ = [
    "Durability",
    "Job",
    "JobEnd",
    "JobFilter",
    "JobInput",
    "JobPage",
    "JobStore",
    "PluginOverride",
    "Recovery",
    "new_job_id",
]

MAX_PAGE = 500
_CHECK_TIMEOUT_S = 5.0

T = TypeVar("T")
Interrupted = Callable[[Job], JsonObject]


class JobStore:
    """Open it with `JobStore.open`. Its methods may be awaited on any event loop; `record`… called from any thread."""

    def __init__(
        self,
        path_or_url: Path | str,
        *,
        durability: Durability = Durability.FULL,
        linger_s: float = 0.1,
        busy_timeout_s: float = 5.0,
        reader_threads: int = 2,
        max_backlog: int = 50_000,
    ) -> None:
        """Name the database; nothing is opened before `start`. Raises `StorageError` for a URL it cannot use.

        ``durability`` is what `add` and `end` wait for. ``linger_s`` is how long a record may wait for others in
        seconds: most calls end within it, so that their row is written once. ``busy_timeout_s`` is how long to wait
        for another process's lock, ``max_backlog`` how many operations may wait for the disk before more are refused.
        """
        self._file = file = database_file(path_or_url)
        self._writer = GroupCommitWriter(
            partial(connect_writer, file, busy_timeout_s),
            plan,
            durability=durability,
            linger_s=linger_s,
            max_backlog=max_backlog,
        )
        self._readers = ReaderPool(partial(connect_reader, file, busy_timeout_s), reader_threads)

    @classmethod
    async def open(cls, path_or_url: Path | str, **options: Any) -> Self:
        """Return a store that is started; ``options`` are the constructor's. Raises `StorageError`."""
        store = cls(path_or_url, **options)
        await store.start()
        return store

    async def start(self) -> None:
        """Create or migrate the database, and open it. Raises `StorageError`."""
        await asyncio.get_running_loop().run_in_executor(None, self._prepare)

    def _prepare(self) -> None:
        create_private(self._file)
        upgrade(f"sqlite:///{self._file}")
        self._writer.start()

    async def close(self) -> None:
        """Commit all that was recorded, and close. Everything asked later fails with `StorageClosed`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.stop)
        await loop.run_in_executor(None, self._readers.close)

    async def __aenter__(self) -> Self:
        """Return the store; leaving closes it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the store."""
        await self.close()

    @property
    def lost_records(self) -> int:
        """How many calls of `record` and `record_end` came to nothing; each was logged."""
        return self._writer.lost

    # Calls that somebody waits for

    def record(self, job: Job) -> None:
        """Store the job soon. Never blocks and never raises; do not change its dicts afterwards."""
        self._writer.put(InsertJob(job))

    def record_end(
        self,
        job_id: str,
        status: JobStatus,
        result: JsonObject | None,
        error: JsonObject | None,
        ended_at: datetime,
        waiting_ms: float | None,
        running_ms: float | None,
        *,
        started_at: datetime | None = None,
    ) -> None:
        """Store soon how a recorded job ended: together with its row, where that is not written yet."""
        end = JobEnd(job_id, status, result, error, ended_at, waiting_ms, running_ms, started_at)
        self._writer.put(EndJob(end))

    # Jobs that were accepted

    async def add(self, job: Job, inputs: Sequence[JobInput] = ()) -> None:
        """Store the job and its inputs for good. Raises `JobExists`, `StorageError`
        (`StorageBacklog` when the disk is too slow: ask again later).

        When the wait is cancelled, the job may be stored all the same.
        """
        await self._writer.call(InsertJob(job, tuple(inputs), durable=True), sheddable=True)

    async def end(
        self,
        job_id: str,
        status: JobStatus,
        result: JsonObject | None,
        error: JsonObject | None,
        ended_at: datetime,
        waiting_ms: float | None,
        running_ms: float | None,
        *,
        started_at: datetime | None = None,
    ) -> None:
        """Store for good how the job ended. Raises `IllegalTransition` when it has ended before, `JobMissing`."""
        end = JobEnd(job_id, status, result, error, ended_at, waiting_ms, running_ms, started_at)
        await self._writer.call(EndJob(end, durable=True))

    async def claim(self, free: Mapping[str, int]) -> Sequence[Job]:
        """Set waiting durable jobs RUNNING, at most ``free[plugin]`` a plugin, and return them.

        Of each plugin, the highest priority first, then the oldest id. A claim that a power cut undoes leaves the job
        waiting, so it need not be durable.
        """
        wanted = {plugin: most for plugin, most in free.items() if most > 0}
        if not wanted:
            return []
        return cast("Sequence[Job]", await self._writer.call(Ask(partial(_claim, wanted, datetime.now(UTC)))))

    async def claim_job(self, job_id: str) -> Job | None:
        """Set one waiting durable job RUNNING and return it; None if it does not wait."""
        if not job_id.isascii():
            return None
        return cast("Job | None", await self._writer.call(Ask(partial(_claim_job, job_id, datetime.now(UTC)))))

    async def recover(self, interrupted: Interrupted) -> Recovery:
        """Put right what a server that died left behind. Call it once, before anything is recorded or claimed.

        Durable jobs that were RUNNING wait again. Other jobs that had not ended end FAILED, with the error that
        ``interrupted(job)`` returns (the envelope's error part).
        """
        return cast("Recovery", await self._writer.call(Ask(partial(_recover, interrupted), durable=True)))

    # Reading

    async def get(self, job_id: str) -> Job | None:
        """Return the job as it is after all that was recorded before, or None."""
        if not job_id.isascii():  # no id of ours, and the database cannot be asked for lone surrogates
            return None
        await self._settle()
        found = await self._rows(statements.SELECT_JOB, {"job_id": job_id}, job_from_row)
        return found[0] if found else None

    async def inputs(self, job_id: str) -> Sequence[JobInput]:
        """Return the job's inputs in the order in which they were added."""
        await self._settle()
        return await self._rows(statements.SELECT_INPUTS, {"wanted_id": job_id}, lambda row: JobInput(*row))

    async def list(self, filter_: JobFilter | None = None, cursor: str | None = None, limit: int = 50) -> JobPage:
        """Return a page, newest first, without results, after all that was recorded before.

        ``limit`` is cut to 1…500. Raises `CursorError` for a cursor that it did not give out.
        """
        wanted = filter_ or JobFilter()
        most = max(1, min(limit, MAX_PAGE))
        last_id = None if cursor is None else read_cursor(cursor, wanted)
        await self._settle()
        # One more than shown, to know whether there is a next page.
        found = await self._rows(*statements.list_jobs(wanted, last_id, most + 1), job_from_row)
        shown = found[:most]
        return JobPage(shown, make_cursor(shown[-1].id, wanted) if len(found) > most else None)

    async def count_pending(self) -> Mapping[str, int]:
        """Return how many durable jobs wait, by plugin, without waiting for writes under way."""
        return dict(await self._rows(statements.COUNT_WAITING, {}, lambda row: (row[0], row[1])))

    async def plugins_with_pending(self) -> Sequence[str]:
        """Return the plugins that durable jobs wait for, without waiting for writes under way.

        Its cost does not grow with the number of jobs.
        """
        return await self._rows(statements.PLUGINS_WAITING, {}, lambda row: str(row[0]))

    async def check(self) -> str | None:
        """Write a little, and return None, or the reason why the store is not ready."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                await self._writer.call(Ask(_probe))
        except TimeoutError:
            return "the job store does not answer"
        except StorageError as failure:
            return str(failure)
        return None

    # What the operator said about plugins

    async def plugin_overrides(self) -> Mapping[str, PluginOverride]:
        """Return all overrides by plugin."""
        return dict(await self._rows(statements.SELECT_OVERRIDES, {}, _override_from_row))

    async def set_plugin_override(self, name: str, enabled: bool | None, reason: str) -> None:
        """Enable or disable the plugin for good; None takes the override back."""
        await self._writer.call(Ask(partial(_override, name, enabled, reason), durable=True))

    async def _settle(self) -> None:
        if not self._writer.idle():
            await self._writer.call(Ask(_nothing))

    async def _rows(self, sql: str, parameters: Mapping[str, Any], convert: Callable[[Row], T]) -> Sequence[T]:
        # Converted on the reader's thread: a page, or one large result, would hold up the event loop.
        return await self._readers.read(lambda connection: [*map(convert, connection.execute(sql, parameters))])


def _claim(wanted: Mapping[str, int], now: datetime, connection: sqlite3.Connection) -> Sequence[Job]:
    claimed: list[Job] = []
    for plugin, most in wanted.items():
        parameters = {"wanted_plugin": plugin, "most": most, "now": to_micros(now)}
        claimed += map(job_from_row, connection.execute(statements.CLAIM, parameters).fetchall())
    return sorted(claimed, key=lambda job: (-job.priority, job.id))


def _claim_job(job_id: str, now: datetime, connection: sqlite3.Connection) -> Job | None:
    # All rows are fetched: a statement that is not run to its end keeps its transaction from being committed.
    rows = connection.execute(statements.CLAIM_JOB, {"wanted_id": job_id, "now": to_micros(now)}).fetchall()
    return job_from_row(rows[0]) if rows else None


def _recover(interrupted: Interrupted, connection: sqlite3.Connection) -> Recovery:
    requeued = [row[0] for row in connection.execute(statements.REQUEUE).fetchall()]
    now = to_micros(datetime.now(UTC))
    ended: list[str] = []
    for job in map(job_from_row, connection.execute(statements.SELECT_INTERRUPTED).fetchall()):
        parameters = {"job_id": job.id, "error": encode_json(interrupted(job)), "ended_at": now, "began_at": None}
        rest = {"waiting_ms": job.waiting_ms, "running_ms": job.running_ms, "result": None}
        connection.execute(statements.end_job(JobStatus.FAILED), parameters | rest)
        ended.append(job.id)
    return Recovery(requeued, ended)


def _override(name: str, enabled: bool | None, reason: str, connection: sqlite3.Connection) -> None:
    if enabled is None:
        connection.execute(statements.DELETE_OVERRIDE, {"wanted_plugin": name})
        return
    values = {"plugin": name, "enabled": enabled, "reason": reason, "changed_at": to_micros(datetime.now(UTC))}
    connection.execute(statements.SET_OVERRIDE, values)


def _override_from_row(row: Row) -> tuple[str, PluginOverride]:
    return row[0], PluginOverride(bool(row[1]), row[2], from_micros(row[3]))


def _probe(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 1")  # a header field that is ours to use; writing it needs a page


def _nothing(_: sqlite3.Connection) -> None:
    """Wait until all before it is committed."""
