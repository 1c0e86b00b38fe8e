"""What tests of the job store say often, in few words."""

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from app.governance.job_lifecycle import JobStatus
from app.storage.postgres_store import PostgresJobStore
from app.storage.records import Job, JobEnd, JobInput, JsonObject, NewJob, Released
from app.storage.sqlite_store import SqliteJobStore
from app.storage.store import JobStore
from support.postgres_server import PostgresServer, open_to_others, started_postgres

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ENDED = datetime(2030, 1, 2, 3, 4, 6, 1, tzinfo=UTC)


def lease(seconds: float = 600.0) -> datetime:
    """Return the end of a lease that begins now; one of a negative number of seconds has run out at once."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def without_lease(job: Job | None) -> Job:
    """Return the job without the end of its lease, which PostgreSQL keeps by its own clock."""
    assert job is not None
    return replace(job, lease_until=None)


async def add(store: JobStore, job: Job, inputs: Sequence[JobInput] = (), *, after: Sequence[str] = ()) -> Job:
    """Add one job and return it as it is stored."""
    (stored,) = await store.add([NewJob(job, inputs, after)])
    return stored


async def claim(store: JobStore, free: Mapping[str, int], seconds: float = 600.0) -> Sequence[Job]:
    """Claim jobs under a lease of so many seconds."""
    return await store.claim(free, lease(seconds))


def ended(
    job_id: str,
    status: JobStatus = JobStatus.SUCCESS,
    result: JsonObject | None = None,
    error: JsonObject | None = None,
    *,
    attempt: int | None = None,
    started_at: datetime | None = None,
    waiting_ms: float | None = 0,
    running_ms: float | None = 0,
) -> JobEnd:
    """Return an end at ``ENDED``."""
    return JobEnd(job_id, status, result, error, ENDED, waiting_ms, running_ms, started_at, attempt)


async def end(
    store: JobStore,
    job_id: str,
    status: JobStatus = JobStatus.SUCCESS,
    result: JsonObject | None = None,
    attempt: int = 1,
) -> Released:
    """End a job as it runs for the ``attempt``-th time."""
    return await store.end(ended(job_id, status, result, attempt=attempt))


class SqlitePlace:
    """A file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    async def open(self, **options: Any) -> SqliteJobStore:
        """Return a store that is started."""
        return await SqliteJobStore.open(self.file, **options)


class PostgresPlace:
    """A database of its own on a server."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        name = f"test_{secrets.token_hex(8)}"
        execute(server.url, f"CREATE DATABASE {name}")
        self.url = f"{server.url.rpartition('/')[0]}/{name}"

    async def open(self, **options: Any) -> PostgresJobStore:
        """Return a store that is started."""
        return await PostgresJobStore.open(self.url, **options)


# Where a store keeps its database: it can be opened again and again.
Place = SqlitePlace | PostgresPlace


@contextlib.contextmanager
def postgres_beside() -> Iterator[PostgresServer]:
    """A started PostgreSQL until the block ends.

    Not in a folder of pytest's: each start of pytest, also of another run, takes away other users' way into those.
    """
    with tempfile.TemporaryDirectory(prefix="sightgate-tests-", ignore_cleanup_errors=True) as folder:
        open_to_others(Path(folder))
        with started_postgres(Path(folder) / "postgres") as server:
            yield server


def execute(url: str, sql: str) -> Sequence[tuple[Any, ...]]:
    """Execute SQL on PostgreSQL and return its rows; of several statements, none."""

    async def work() -> Sequence[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            if ";" in sql:
                for one in sql.split(";"):
                    await connection.execute(one)
                return []
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    # On a thread of its own: the test may be on a loop itself.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work()).result()
