"""Whatever the number of jobs, what is asked often walks an index and sorts nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import asyncpg
import pytest
from support.postgres_server import PostgresServer
from support.stores import PostgresPlace

from app.storage import claiming, ending, listing, retention, statements, waiting, webhooks
from app.storage.listing import Shape
from app.storage.migrate import upgrade
from app.storage.records import Job
from app.storage.statement import Database, Statement

Plan = Callable[[Statement], str]
TEXTS = {"ids": "[]", "rows": "[]", "statuses": "[]"}


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Plan]:
    upgrade(f"sqlite:///{tmp_path / 'jobs.sqlite3'}")
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3")) as connection:

        def explain(statement: Statement) -> str:
            sql, names = statement.on(Database.SQLITE)
            values = [TEXTS.get(name, 1) for name in names]
            return " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))

        yield explain


def test_claims_walk_what_is_waiting(plan: Plan) -> None:
    assert "ix_jobs_waiting (plugin=?)" in plan(statements.SELECT_CLAIMABLE)
    assert "ix_jobs_due (not_before<?)" in plan(statements.RIPEN)
    assert "ix_jobs_waiting" in plan(waiting.COUNT_CLAIMABLE)
    assert "ix_jobs_held" in plan(waiting.COUNT_HELD)
    assert plan(waiting.OUTLOOK).count("ix_jobs_waiting (plugin") == 1
    assert "SCAN jobs" not in plan(waiting.OUTLOOK).replace("SCAN jobs USING COVERING INDEX ix_jobs_waiting", "")
    assert "ix_jobs_due (not_before<?)" in plan(waiting.OUTLOOK)
    assert "ix_jobs_deadline (deadline>? AND deadline<?)" in plan(statements.SELECT_EXPIRED)
    assert "ix_jobs_due (not_before>?)" in plan(waiting.OUTLOOK)
    assert "ix_jobs_deadline (deadline>?)" in plan(waiting.OUTLOOK)
    assert "ix_jobs_status" in plan(statements.SELECT_LEFT_RUNNING)


# Two walk what is few; two are for PostgreSQL alone, and explained there; one is explained apart.
AT_ONCE = {"CLAIM_AT_ONCE": statements.CLAIM_AT_ONCE, "CLAIM_JOB_AT_ONCE": statements.CLAIM_JOB_AT_ONCE}
NOT_HERE = ("SELECT_OVERRIDES", "FORGET_SERVERS", "_NEWEST_GONE", *AT_ONCE)
EVERY_STATEMENT = [
    (f"{module.__name__}.{name}", found)
    for module in (statements, ending, claiming, waiting, webhooks, retention)
    for name, found in vars(module).items()
    if isinstance(found, Statement) and name not in NOT_HERE
]


@pytest.mark.parametrize(("name", "statement"), EVERY_STATEMENT)
def test_nothing_walks_over_all_jobs(plan: Plan, name: str, statement: Statement) -> None:
    steps = [step for step in plan(statement).split(" | ") if step.startswith("SCAN")]
    walked = [step for step in steps if step.split()[1] in ("jobs", "job_attempts", "job_inputs", "job_needs")]
    bounded = ("ix_jobs_waiting", "ix_jobs_held", "ix_jobs_due", "ix_jobs_deadline")
    assert [step for step in walked if not any(index in step for index in bounded)] == [], name


COLUMNS = [
    (),
    ("status",),
    ("plugin",),
    ("status", "plugin"),
    ("plugin", "error_code"),
    ("error_code",),
    ("parent_id",),
]
BOUNDS = [(), ("least",), ("below",), ("least", "below")]
SHAPES = [
    Shape(equal, durable, bounds, *text)
    for equal, durable, bounds, text in product(
        COLUMNS, (None, True, False), BOUNDS, ((None, False), (0, True), (2, False), (2, True))
    )
]


@pytest.mark.parametrize("after_cursor", [False, True])
def test_a_page_is_read_in_the_order_of_an_index(plan: Plan, after_cursor: bool) -> None:
    for shape in SHAPES:
        for statement in (listing.page_statement, listing.export_statement, listing.ids_statement):
            shown = plan(statement(shape, after_cursor))
            # The ids that a text stands for are at most a page for each plugin; sorting those is nothing.
            assert shape.plugins is not None or "TEMP B-TREE" not in shown, (shape, shown)
            assert shape.plugins is None or "sqlite_autoindex_jobs_1 (id=?)" in shown
            walked = [step for step in shown.split(" | ") if step.startswith("SCAN jobs")]
            assert all("INDEX" in step for step in walked), (shape, shown)


@pytest.mark.parametrize("after_cursor", [False, True])
async def test_postgresql_reads_a_page_in_the_order_of_an_index(
    postgres: PostgresServer, running: Callable[..., Job], after_cursor: bool
) -> None:
    connection = await connect_to_rows(postgres, running)
    for shape in SHAPES:
        for make in (listing.page_statement, listing.export_statement, listing.ids_statement):
            sql, names = make(shape, after_cursor).on(Database.POSTGRES)
            values = [10 if name == "most" else shape.durable if name == "durable" else "a" for name in names]
            shown = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))
            assert "Seq Scan on jobs" not in shown, (shape, shown)
            assert shape.plugins is not None or "Sort" not in shown, (shape, shown)
    await connection.close()


async def connect_to_rows(postgres: PostgresServer, running: Callable[..., Job]) -> asyncpg.Connection:
    """Of so few rows PostgreSQL would rather read and sort all: the question is whether it must."""
    place = PostgresPlace(postgres)
    async with await place.open() as store:
        for number in range(300):
            store.record(running(f"p{number % 5}"))
        await store.list()
    connection = await asyncpg.connect(place.url)
    await connection.execute("ANALYZE; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
    return connection


@pytest.mark.parametrize("statement", AT_ONCE.values(), ids=AT_ONCE)
async def test_postgresql_claims_without_walking_over_all_jobs(
    postgres: PostgresServer, running: Callable[..., Job], statement: Statement
) -> None:
    connection = await connect_to_rows(postgres, running)
    sql, names = statement.on(Database.POSTGRES)
    texts = ("server", "wanted_plugin", "wanted_id")
    values = [False if name == "ripened" else "a" if name in texts else 1 for name in names]
    shown = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))
    assert shown.count("Scan using") >= 3, shown  # what is due, what is claimed, its row
    assert "Seq Scan on jobs" not in shown, shown
    await connection.close()
