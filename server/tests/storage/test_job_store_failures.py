"""What the disk and other processes can do to the store. Every failure is a real one."""

import asyncio
import contextlib
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stores import add, claim, ended

from app.governance.job_lifecycle import JobStatus
from app.storage import errors
from app.storage.records import Job, JobFilter
from app.storage.sqlite_store import SqliteJobStore

Make = Callable[..., Job]


async def test_a_database_that_another_process_holds_fails_clearly_and_recovers(
    database: Path, waiting: Make, running: Make
) -> None:
    async with await SqliteJobStore.open(database, busy_timeout_s=0.05) as store:
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.StorageLocked):
            await add(store, waiting())
        assert await store.check() == "Another process holds the database"
        calls = [running() for _ in range(3)]
        for call in calls:
            store.record(call)
        assert await store.check() is not None
        store.record_end(ended(calls[1].id))
        store.record_end(ended(calls[0].id))
        assert await store.check() is not None
        async with asyncio.timeout(60):  # the answer comes a moment before the writer rests
            while not store._idle():
                await asyncio.sleep(0.01)
        # Reading goes on, and knows nothing of what is kept.
        assert await store.get(calls[0].id) is None
        assert await store.waiting() == []
        # Nor does anybody know what that names.
        assert await store.unreferenced(["ab" * 32]) == frozenset()
        other.execute("ROLLBACK")
        other.close()
        assert await store.check() is None
        store.record_end(ended(calls[2].id))
        job = waiting()
        await add(store, job)
        assert await store.get(job.id) == job
        async with asyncio.timeout(60):
            while len((await store.list(JobFilter(status=JobStatus.SUCCESS))).jobs) < len(calls):
                await asyncio.sleep(0.01)
        assert store.lost_records == 0
        assert await store.unreferenced(["ab" * 32]) == {"ab" * 32}


async def test_what_is_kept_is_tried_once_more_at_the_end_and_is_lost_if_that_is_in_vain(
    database: Path, running: Make, caplog: pytest.LogCaptureFixture
) -> None:
    database.parent.mkdir()
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        for held in (False, True):
            call = running()
            store = await SqliteJobStore.open(database, busy_timeout_s=0.05)
            other.execute("BEGIN IMMEDIATE")
            store.record(call)
            assert await store.check() is not None
            if not held:
                other.execute("ROLLBACK")
            with caplog.at_level(logging.ERROR):
                await store.close()
            assert store.lost_records == held
            assert other.execute("SELECT count(*) FROM jobs WHERE id = ?", (call.id,)).fetchone() == (not held,)
    assert "1 records were not stored" in caplog.text


async def test_a_backlog_that_is_full_refuses_and_counts(database: Path, waiting: Make, running: Make) -> None:
    async with await SqliteJobStore.open(database, max_backlog=10) as store:
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held = asyncio.create_task(add(store, waiting()))
        await asyncio.sleep(0)
        for _ in range(30):
            store.record(running())
        # Ten lie in the queue; up to ten more were taken from it before the writer met the lock.
        assert 10 <= store.lost_records <= 21
        with pytest.raises(errors.StorageBacklog):
            await add(store, waiting())
        other.execute("ROLLBACK")
        other.close()
        await held
        assert len((await store.list()).jobs) == 31 - store.lost_records


async def test_a_file_that_is_no_database_is_refused(database: Path) -> None:
    database.parent.mkdir()
    database.write_bytes(b"something else entirely" * 1000)
    with pytest.raises(errors.StorageCorrupt):
        await SqliteJobStore.open(database)


async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.StorageError):
        await SqliteJobStore.open(tmp_path / "file" / "sightgate.db")
    with pytest.raises(errors.StorageError):
        await SqliteJobStore.open(tmp_path)


FILE_TOO_LARGE = """
import asyncio, resource, sys
from datetime import UTC, datetime
from app.governance.job_lifecycle import JobStatus
from app.storage.folder_blobs import FolderBlobs
from app.storage.errors import StorageError
from app.storage.job_ids import new_job_id
from app.storage.records import Job, NewJob
from app.storage.sqlite_store import SqliteJobStore
from pathlib import Path

def job(size):
    return Job(new_job_id(), "ocr", JobStatus.PENDING, datetime.now(UTC), True, {"text": "x" * size})

async def main():
    store = await SqliteJobStore.open(sys.argv[1] + "/sightgate.db")
    blobs = FolderBlobs(Path(sys.argv[1]) / "blobs")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, -1))
    small, large = job(100), job(3 << 20)
    outcomes = await asyncio.gather(store.add([NewJob(large)]), store.add([NewJob(small)]), return_exceptions=True)
    store.record(job(3 << 20))
    store.record(job(10))
    print([type(outcome).__name__ for outcome in outcomes], await store.get(small.id) == small,
          await store.get(large.id), len((await store.list()).jobs), store.lost_records)
    try:
        await blobs.put(bytes(3 << 20))
    except StorageError as failure:
        print(failure, [file for file in (Path(sys.argv[1]) / "blobs").rglob("*") if file.is_file()])
    digest = await blobs.put(b"small")
    print(await blobs.get(digest))
    await store.close()

asyncio.run(main())
"""


def test_a_write_that_the_disk_refuses_fails_alone(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the same write(2) fails, and it needs no mount."""
    done = subprocess.run(
        [sys.executable, "-c", FILE_TOO_LARGE, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    jobs, blobs, small = done.stdout.splitlines()
    assert jobs == "['StorageError', 'list'] True None 2 1", done.stderr
    assert blobs == "the disk failed: File too large []"
    assert small == "b'small'"


def test_sqlites_own_errors_are_named(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    full = sqlite3.connect(file)
    full.execute("CREATE TABLE t (x UNIQUE NOT NULL)")
    full.execute("PRAGMA max_page_count = 3")
    assert type(_failure(full, "INSERT INTO t VALUES (zeroblob(100000))")) is errors.StorageFull
    full.execute("INSERT INTO t VALUES (1)")
    full.commit()
    assert type(_failure(full, "INSERT INTO t VALUES (1)")) is errors.JobExists
    assert type(_failure(full, "INSERT INTO t VALUES (NULL)")) is errors.NotStorable
    readonly = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    assert type(_failure(readonly, "DELETE FROM t")) is errors.StorageReadOnly
    full.close()
    readonly.close()


def _failure(connection: sqlite3.Connection, sql: str) -> errors.StorageError:
    with pytest.raises(sqlite3.Error) as failed:
        connection.execute(sql)
    return errors.from_sqlite(failed.value)


async def test_messages_hold_no_path(database: Path) -> None:
    database.parent.mkdir()
    database.mkdir()
    with pytest.raises(errors.StorageError) as failed:
        await SqliteJobStore.open(database)
    assert str(database.parent) not in str(failed.value)


async def test_a_dead_table_fails_each_operation_and_the_writer_lives(database: Path, waiting: Make) -> None:
    store = await SqliteJobStore.open(database)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("ALTER TABLE job_inputs RENAME TO hidden")
    other.execute("ALTER TABLE jobs RENAME TO gone")
    outcomes = await asyncio.gather(*(add(store, waiting()) for _ in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {errors.StorageError}
    with pytest.raises(errors.StorageError):
        await store.list()
    other.execute("ALTER TABLE gone RENAME TO jobs")
    other.execute("ALTER TABLE hidden RENAME TO job_inputs")
    other.close()
    job = waiting()
    await add(store, job)
    assert (await claim(store, {"ocr": 1}))[0].id == job.id
    assert (await store.list(None)).jobs[0].status is JobStatus.RUNNING
    await store.close()
