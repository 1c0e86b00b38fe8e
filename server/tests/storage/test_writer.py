import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.storage.errors import StorageBacklog, StorageClosed, StorageError
from app.storage.job_writes import Unit, plan
from app.storage.kept_operations import AGAIN_S
from app.storage.operations import Ask, Operation
from app.storage.sqlite import Durability, connect_writer
from app.storage.statement import Query, RawSql, Steps
from app.storage.steps import Actor
from app.storage.transactions import Plan
from app.storage.writer import GroupCommitWriter

Start = Callable[..., GroupCommitWriter]
PLAN = partial(plan, Actor("server"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[GroupCommitWriter] = []

    def make(
        planned: Plan = PLAN, durability: Durability = Durability.FULL, linger_s: float = 0.0
    ) -> GroupCommitWriter:
        connect = partial(connect_writer, tmp_path / "x.db", 1.0)
        writer = GroupCommitWriter(connect, planned, durability=durability, linger_s=linger_s, max_backlog=1000)
        writer.start()
        started.append(writer)
        return writer

    yield make
    for writer in started:
        writer.stop()


def sql(text: str) -> Steps[Sequence[Sequence[Any]]]:
    answer = yield Query(RawSql(text))
    return answer.rows


def doing(function: Callable[[], object]) -> Callable[[], Steps[object]]:
    """Steps that call the function within the transaction."""

    def steps() -> Steps[object]:
        yield from ()
        return function()

    return steps


def _synchronous() -> Steps[object]:
    rows = yield from sql("PRAGMA synchronous")
    return {1: "NORMAL", 2: "FULL"}[rows[0][0]]


async def test_only_groups_with_something_durable_wait_for_the_disk(start: Start) -> None:
    writer = start()
    for durable, expected in ((False, "NORMAL"), (True, "FULL"), (False, "NORMAL")):
        assert await writer.call(Ask(_synchronous, durable)) == expected


async def test_one_durable_operation_makes_its_whole_group_wait(start: Start) -> None:
    writer = start()
    free, taken = threading.Event(), threading.Event()

    def hold() -> None:
        taken.set()
        free.wait(60)

    held = asyncio.create_task(writer.call(Ask(doing(hold))))
    await asyncio.to_thread(taken.wait, 60)
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
    writer.put(Ask(doing(lambda: None)))
    assert not writer.idle()
    await asyncio.wait_for(writer.call(Ask(doing(lambda: None))), 60)


async def test_half_an_operation_is_taken_back_and_its_neighbours_are_kept(start: Start) -> None:
    writer = start()
    await writer.call(Ask(lambda: sql("CREATE TABLE t (x)")))

    def half() -> Steps[object]:
        yield from sql("INSERT INTO t VALUES ('half')")
        return (yield from sql("INSERT INTO nowhere VALUES (1)"))

    def whole() -> Steps[object]:
        return sql("INSERT INTO t VALUES ('whole')")

    outcomes = await asyncio.gather(
        *(writer.call(Ask(function)) for function in (whole, half, whole, half)), return_exceptions=True
    )
    assert [isinstance(outcome, StorageError) for outcome in outcomes] == [False, True, False, True]
    rows = await writer.call(Ask(lambda: sql("SELECT x FROM t")))
    assert rows == [("whole",), ("whole",)]


async def test_a_fault_in_planning_fails_its_group_and_the_thread_lives(start: Start) -> None:
    broken = [True]

    def planned(operations: Sequence[Operation]) -> Sequence[Unit]:
        if broken.pop() if broken else False:
            raise LookupError("a fault of ours")
        return PLAN(operations)

    writer = start(planned)
    with pytest.raises(StorageError, match="fault of its own"):
        await writer.call(Ask(doing(lambda: 1)))
    assert await writer.call(Ask(doing(lambda: 2))) == 2


async def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def locked(file: Path, _connection: sqlite3.Connection) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def full(_file: Path, connection: sqlite3.Connection) -> Iterator[None]:
    (most,) = connection.execute("PRAGMA max_page_count").fetchone()
    connection.execute("PRAGMA max_page_count = 1")  # it may not grow
    yield
    connection.execute(f"PRAGMA max_page_count = {most}")


@contextlib.contextmanager
def read_only(_file: Path, connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("PRAGMA query_only = ON")
    yield
    connection.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize("taking_nothing", [locked, full, read_only])
async def test_what_nobody_awaits_is_kept_in_its_order_while_the_database_takes_nothing(
    tmp_path: Path, taking_nothing: Callable[..., contextlib.AbstractContextManager[None]]
) -> None:
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(file, timeout=0.05, isolation_level=None, check_same_thread=False))
        return opened[0]

    def insert(number: int) -> Ask:
        return Ask(lambda: sql(f"INSERT INTO t VALUES ({number}, zeroblob(5000))"))

    file = tmp_path / "x.db"
    writer = GroupCommitWriter(connect, PLAN, durability=Durability.NORMAL, linger_s=0, max_backlog=12)
    writer.start()
    await writer.call(Ask(lambda: sql("CREATE TABLE t (number, filling)")))
    with taking_nothing(file, opened[0]):
        writer.put(insert(0))
        with pytest.raises(StorageError):
            await writer.call(insert(99))
        assert writer.keeps
        await until(writer.idle)  # nobody who reads waits for it
        for number in range(1, 15):
            writer.put(insert(number))
        with pytest.raises(StorageBacklog):
            await writer.call(insert(99), sheddable=True)
        lost = writer.lost
        assert lost > 0  # beyond the bound
        await asyncio.sleep(1.5 * AGAIN_S)
        assert writer.lost == lost  # what is kept is tried again, and stays
    writer.put(Ask(lambda: sql("INSERT INTO nowhere VALUES (1)")))  # refused, or lost by itself
    await until(lambda: writer.idle() and not writer.keeps)
    stored: Any = await writer.call(Ask(lambda: sql("SELECT number FROM t")))
    assert stored == sorted(stored)
    assert len(stored) >= 12
    assert len(stored) + writer.lost == 15 + 1
    writer.stop()


async def test_an_operation_that_breaks_the_transaction_does_not_spoil_the_next(start: Start) -> None:
    writer = start()
    with pytest.raises(StorageError):
        await writer.call(Ask(lambda: sql("COMMIT")))
    with pytest.raises(StorageError, match="within a transaction"):  # so there is one again
        await writer.call(Ask(lambda: sql("BEGIN")))


async def test_stopping_answers_everybody(start: Start) -> None:
    writer = start(linger_s=0.05)
    waiting = [asyncio.create_task(writer.call(Ask(doing(lambda: 1)))) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.stop)
    assert await asyncio.gather(*waiting) == [1] * 50
    with pytest.raises(StorageClosed):
        await writer.call(Ask(doing(lambda: 1)))


def test_an_event_loop_that_was_closed_meanwhile_disturbs_nobody(start: Start) -> None:
    writer = start()
    free = threading.Event()

    async def leave_behind() -> None:
        task = asyncio.create_task(writer.call(Ask(doing(lambda: free.wait(60)))))
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(leave_behind())
    free.set()
    assert asyncio.run(writer.call(Ask(doing(lambda: 2)))) == 2


def test_a_writer_without_a_database_does_not_start(tmp_path: Path) -> None:
    connect = partial(connect_writer, tmp_path, 1.0)
    writer = GroupCommitWriter(connect, PLAN, durability=Durability.FULL, linger_s=0, max_backlog=1)
    with pytest.raises(StorageError):
        writer.start()
