import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from app.storage.errors import StorageClosed, StorageError
from app.storage.job_writes import Ask, plan
from app.storage.sqlite import Durability, connect_writer
from app.storage.writer import GroupCommitWriter, Operation, Plan, Unit

Start = Callable[..., GroupCommitWriter]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[GroupCommitWriter] = []

    def make(
        planned: Plan = plan, durability: Durability = Durability.FULL, linger_s: float = 0.0
    ) -> GroupCommitWriter:
        connect = partial(connect_writer, tmp_path / "x.db", 1.0)
        writer = GroupCommitWriter(connect, planned, durability=durability, linger_s=linger_s, max_backlog=1000)
        writer.start()
        started.append(writer)
        return writer

    yield make
    for writer in started:
        writer.stop()


def _synchronous(connection: sqlite3.Connection) -> object:
    return {1: "NORMAL", 2: "FULL"}[connection.execute("PRAGMA synchronous").fetchone()[0]]


async def test_only_groups_with_something_durable_wait_for_the_disk(start: Start) -> None:
    writer = start()
    for durable, expected in ((False, "NORMAL"), (True, "FULL"), (False, "NORMAL")):
        assert await writer.call(Ask(_synchronous, durable)) == expected


async def test_one_durable_operation_makes_its_whole_group_wait(start: Start) -> None:
    writer = start()
    free, taken = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        taken.set()
        free.wait(10)

    held = asyncio.create_task(writer.call(Ask(hold)))
    await asyncio.to_thread(taken.wait, 10)
    group = asyncio.gather(writer.call(Ask(_synchronous)), writer.call(Ask(_synchronous, durable=True)))
    await asyncio.sleep(0)
    free.set()
    assert await group == ["FULL", "FULL"]
    await held


async def test_what_is_durable_can_be_set(start: Start) -> None:
    writer = start(durability=Durability.NORMAL)
    assert await writer.call(Ask(_synchronous, durable=True)) == "NORMAL"


async def test_what_is_awaited_does_not_linger(start: Start) -> None:
    writer = start(linger_s=3600)
    writer.put(Ask(lambda _: None))
    assert not writer.idle()
    await asyncio.wait_for(writer.call(Ask(lambda _: None)), 30)


async def test_half_an_operation_is_taken_back_and_its_neighbours_are_kept(start: Start) -> None:
    writer = start()
    await writer.call(Ask(lambda connection: connection.execute("CREATE TABLE t (x)")))

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES ('half')")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    def whole(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES ('whole')")

    outcomes = await asyncio.gather(
        *(writer.call(Ask(function)) for function in (whole, half, whole, half)), return_exceptions=True
    )
    assert [isinstance(outcome, StorageError) for outcome in outcomes] == [False, True, False, True]
    rows = await writer.call(Ask(lambda connection: connection.execute("SELECT x FROM t").fetchall()))
    assert rows == [("whole",), ("whole",)]


async def test_a_fault_in_planning_fails_its_group_and_the_thread_lives(start: Start) -> None:
    broken = [True]

    def planned(operations: Sequence[Operation]) -> Sequence[Unit]:
        if broken.pop() if broken else False:
            raise LookupError("a fault of ours")
        return plan(operations)

    writer = start(planned)
    with pytest.raises(StorageError, match="fault of its own"):
        await writer.call(Ask(lambda _: 1))
    assert await writer.call(Ask(lambda _: 2)) == 2


async def test_an_operation_that_breaks_the_transaction_does_not_spoil_the_next(start: Start) -> None:
    writer = start()
    with pytest.raises(StorageError):
        await writer.call(Ask(lambda connection: connection.execute("COMMIT")))
    assert await writer.call(Ask(lambda connection: connection.in_transaction)) is True


async def test_stopping_answers_everybody(start: Start) -> None:
    writer = start(linger_s=0.05)
    waiting = [asyncio.create_task(writer.call(Ask(lambda _: 1))) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.stop)
    assert await asyncio.gather(*waiting) == [1] * 50
    with pytest.raises(StorageClosed):
        await writer.call(Ask(lambda _: 1))


def test_an_event_loop_that_was_closed_meanwhile_disturbs_nobody(start: Start) -> None:
    writer = start()
    free = threading.Event()

    async def leave_behind() -> None:
        task = asyncio.create_task(writer.call(Ask(lambda _: free.wait(10))))
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(leave_behind())
    free.set()
    assert asyncio.run(writer.call(Ask(lambda _: 2))) == 2


def test_a_writer_without_a_database_does_not_start(tmp_path: Path) -> None:
    connect = partial(connect_writer, tmp_path, 1.0)
    writer = GroupCommitWriter(connect, plan, durability=Durability.FULL, linger_s=0, max_backlog=1)
    with pytest.raises(StorageError):
        writer.start()
