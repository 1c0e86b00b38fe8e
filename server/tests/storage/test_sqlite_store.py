"""What only the store in a SQLite file does."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stores import add

from app.storage.errors import StorageClosed, UnsupportedDatabase
from app.storage.records import Job
from app.storage.sqlite_store import SqliteJobStore

Make = Callable[..., Job]


async def test_a_store_that_was_never_started_can_be_closed(database: Path, waiting: Make) -> None:
    store = SqliteJobStore(database)
    asked = asyncio.create_task(add(store, waiting()))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StorageClosed):
        await asked
    assert not database.exists()


def test_a_store_answers_on_several_event_loops(database: Path, waiting: Make) -> None:
    store = asyncio.run(SqliteJobStore.open(database))
    jobs = [waiting() for _ in range(3)]
    for job in jobs:
        asyncio.run(add(store, job))
    assert asyncio.run(store.get(jobs[1].id)) == jobs[1]
    asyncio.run(store.close())


@pytest.mark.parametrize("url", ["", ":memory:", "file:x?mode=memory", "postgresql://localhost/x", "sqlite://"])
async def test_a_database_that_is_not_supported_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedDatabase):
        await SqliteJobStore.open(url)


async def test_the_database_is_readable_by_its_owner_alone(database: Path, running: Make) -> None:
    async with await SqliteJobStore.open(database) as store:
        store.record(running())
        await store.list()
        modes = {file.name: file.stat().st_mode & 0o077 for file in (database.parent, *database.parent.iterdir())}
        assert set(modes.values()) == {0}
        assert len(modes) >= 3
