"""What only the store in PostgreSQL does: several servers on one database, and a database that goes away."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from support.postgres_server import PostgresServer
from support.running_server import eventually
from support.stores import PostgresPlace, add, claim, end, ended, execute, lease, postgres_beside

from app.governance.job_lifecycle import JobStatus
from app.storage.errors import (
    JobExists,
    LeaseLost,
    NotStorable,
    OutcomeUnknown,
    SchemaTooNew,
    StorageAway,
    StorageError,
    StorageFailing,
    StorageReadOnly,
)
from app.storage.postgres_listener import LOOK_AGAIN, PostgresListener
from app.storage.postgres_session import PostgresSession
from app.storage.postgres_store import PostgresJobStore
from app.storage.records import Change, IdempotencyKey, Job, JobFilter, JobInput, NewJob

Make = Callable[..., Job]
ERROR = {"details": {"code": "cancelled"}}
PATIENCE_S = 60.0


def interrupted(job: Job) -> dict[str, object]:
    return {"details": {"code": "interrupted"}, "job": job.id}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def shared(postgres: PostgresServer) -> PostgresPlace:
    return PostgresPlace(postgres)


@pytest.fixture
async def two(shared: PostgresPlace) -> AsyncIterator[tuple[PostgresJobStore, PostgresJobStore]]:
    """Two servers on one database."""
    async with await PostgresJobStore.open(shared.url) as one, await PostgresJobStore.open(shared.url) as other:
        yield one, other


@pytest.fixture
def mortal(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, that may be killed."""
    with postgres_beside() as server:
        # What its processes wrote outlasts them. A busy disk would cost more than the short times of these tests.
        execute(server.url, "ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()")
        yield server


Two = tuple[PostgresJobStore, PostgresJobStore]


async def test_of_two_servers_each_job_runs_on_one(two: Two, waiting: Make) -> None:
    jobs = [waiting() for _ in range(120)]
    await asyncio.gather(*(add(two[number % 2], job) for number, job in enumerate(jobs)))
    claims = await asyncio.gather(*(claim(store, {"ocr": 7}) for store in two))  # else one may be too late for any
    claims += await asyncio.gather(*(claim(two[number % 2], {"ocr": 7}) for number in range(40)))
    claimed = [job for some in claims for job in some]
    assert sorted(job.id for job in claimed) == sorted(job.id for job in jobs)
    assert {job.lease_owner for job in claimed} == {store.server_id for store in two}
    first, other = claimed[0], two[0] if claimed[0].lease_owner == two[1].server_id else two[1]
    with pytest.raises(LeaseLost):
        await end(other, first.id)
    with pytest.raises(LeaseLost):
        await other.put_back(first.id, 1, outcome="retried", error_code=None, not_before=None)
    assert (await other.renew([first.id], lease())).lost == {first.id}


async def test_a_lease_that_is_not_over_is_nobody_elses(two: Two, waiting: Make) -> None:
    one, other = two
    kept, lost = [await add(one, waiting()) for _ in range(2)]
    await one.claim_job(kept.id, lease(600))
    await one.claim_job(lost.id, lease(-1))
    assert (await other.take_over(interrupted)).requeued == [lost.id]
    assert (await other.take_over(interrupted)).requeued == []
    assert (await other.recover(interrupted)).requeued == []
    with pytest.raises(LeaseLost):
        await end(one, lost.id) if await other.claim_job(lost.id, lease()) else None
    assert (await one.renew([kept.id, lost.id], lease())).lost == {lost.id}


async def test_only_the_calls_of_a_server_that_is_gone_are_given_up(shared: PostgresPlace, running: Make) -> None:
    mine, dead_ones = running(), running()
    async with await PostgresJobStore.open(shared.url, gone_s=1000) as store:
        dead = await PostgresJobStore.open(shared.url)
        dead.record(dead_ones)
        store.record(mine)
        await asyncio.gather(dead.list(), store.list())
        assert (await store.take_over(interrupted)).interrupted == []
        execute(shared.url, f"UPDATE servers SET seen_at = seen_at - 2000000000 WHERE id = '{dead.server_id}'")
        found = await store.take_over(interrupted)
        assert found.interrupted == [dead_ones.id]
        job = await store.get(dead_ones.id)
        assert job is not None
        assert (job.status, job.error_code) == (JobStatus.FAILED, "interrupted")
        await dead.heartbeat()
        assert (await store.take_over(interrupted)).interrupted == []
        await dead.close()
    assert execute(shared.url, "SELECT id FROM servers") == []


async def test_servers_hear_what_others_do_and_not_themselves(shared: PostgresPlace, waiting: Make) -> None:
    heard: list[Change] = []
    own: list[Change] = []
    listener, speaker = PostgresJobStore(shared.url), PostgresJobStore(shared.url)
    listener.listen(heard.append)
    speaker.listen(own.append)
    await listener.start()
    await speaker.start()
    job = await add(speaker, waiting("plügin"))
    needing = await add(speaker, waiting("b"), after=[job.id])
    await claim(speaker, {"plügin": 1})
    await speaker.request_cancel(job.id, ERROR)
    for done in range(100):
        speaker.announce(Change(job.id, "progress", job.plugin, None, {"done": done, "message": "ä" * 1000}))
    speaker.announce(Change(job.id, "progress", job.plugin, None, {"message": "x" * 10_000}))
    await speaker.list()
    await end(speaker, job.id)
    await until(lambda: Change(needing.id, "waiting", "b", JobStatus.PENDING) in heard)
    said = [(one.job_id, one.kind, one.status) for one in heard if one.kind != "progress"]
    assert said == [
        (job.id, "status", JobStatus.PENDING),
        (job.id, "waiting", JobStatus.PENDING),
        (needing.id, "status", JobStatus.PENDING),
        (job.id, "status", JobStatus.RUNNING),
        (job.id, "cancel", JobStatus.RUNNING),
        (job.id, "status", JobStatus.SUCCESS),
        (needing.id, "waiting", JobStatus.PENDING),
    ]
    assert {one.plugin for one in heard if one.job_id == job.id} == {"plügin"}
    assert [one.data for one in heard if one.kind == "progress"] == [{}]  # too long to tell, and the latest
    await speaker.request_cancel(needing.id, ERROR)
    await speaker.purge(JobFilter(plugin="b"))
    await until(lambda: Change("", "many", "") in heard)
    assert own == []
    await listener.close()
    await speaker.close()


async def test_a_job_is_picked_up_when_another_server_hears_of_it(shared: PostgresPlace, waiting: Make) -> None:
    woken = asyncio.Event()
    worker = PostgresJobStore(shared.url)
    worker.listen(lambda change: woken.set() if change.kind == "waiting" else None)
    await worker.start()
    async with await PostgresJobStore.open(shared.url) as front:
        job = await add(front, waiting())
        async with asyncio.timeout(PATIENCE_S):
            await woken.wait()
        assert [one.id for one in await claim(worker, {"ocr": 1})] == [job.id]
    await worker.close()


async def test_keys_taken_by_two_servers_in_other_orders_stop_nobody(two: Two, waiting: Make) -> None:
    keys = [IdempotencyKey("scope", f"k{number}", "print") for number in range(40)]
    work = [two[0].add([NewJob(waiting())], key=key) for key in keys]
    work += [two[1].add([NewJob(waiting())], key=key) for key in reversed(keys)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert sum(isinstance(outcome, list) for outcome in outcomes) == len(keys)
    assert sum((await two[0].counts()).values()) == len(keys)


async def test_jobs_needed_by_many_and_ended_by_two_servers_stop_nobody(two: Two, waiting: Make) -> None:
    needed = [await add(two[0], waiting("a" if number % 2 else "b")) for number in range(20)]
    mine = {job.id for job in await claim(two[0], {"a": 99})}
    await claim(two[1], {"b": 99})
    work = [add(two[number % 2], waiting("c"), after=[job.id for job in needed]) for number in range(10)]
    ends = [end(two[0] if job.id in mine else two[1], job.id) for job in reversed(needed)]
    await asyncio.gather(*work, *ends)
    assert len(await claim(two[0], {"c": 99})) == 10


async def test_what_the_database_cannot_hold_is_refused_alone(two: Two, waiting: Make, running: Make) -> None:
    store, _ = two
    outcomes = await asyncio.gather(
        add(store, waiting("nul\0")), add(store, waiting()), add(store, waiting(priority=2**40)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [NotStorable, Job, NotStorable]
    store.record(running("nul\0"))
    good = running()
    store.record(good)
    assert await store.get(good.id) == good
    assert store.lost_records == 1
    assert await store.get("nul\0") is None
    assert (await store.list(JobFilter(plugin="nul\0"))).jobs == []


async def test_connections_that_break_are_made_anew(two: Two, shared: PostgresPlace, waiting: Make) -> None:
    heard: list[Change] = []
    listener = PostgresJobStore(shared.url)
    listener.listen(heard.append)
    await listener.start()
    store = two[0]
    for _ in range(3):
        end_connections(shared.url)
        job = await add(store, waiting())
        assert await store.get(job.id) == job
        assert await store.check() is None
    await until(lambda: all(change in heard for change in LOOK_AGAIN))
    heard.clear()
    async with asyncio.timeout(PATIENCE_S):
        while not any(change.kind == "waiting" and change.plugin == "ocr" for change in heard):
            await add(store, waiting())  # again: its connection may break once more, of which it was told only now
            await asyncio.sleep(0.05)
    await listener.close()


def end_connections(url: str) -> None:
    """End all other connections to the database, and return when their processes have ended."""
    others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ended = {row[0] for row in execute(url, f"SELECT pid, pg_terminate_backend(pid) FROM {others}")}
    eventually(
        lambda: ended.isdisjoint(row[0] for row in execute(url, f"SELECT pid FROM {others}")), "end of the connections"
    )


@contextlib.asynccontextmanager
async def refusing(url: str, write: str, code: str) -> AsyncIterator[None]:
    """PostgreSQL refuses a kind of write to jobs meanwhile, with an SQLSTATE."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$"
        )
        await connection.execute(f"CREATE TRIGGER refuse BEFORE {write} ON jobs EXECUTE FUNCTION refuse()")
        yield
        await connection.execute("DROP TRIGGER refuse ON jobs")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("write", "code"),
    [
        pytest.param("INSERT", "25006", id="read-only"),
        pytest.param("INSERT", "53100", id="disk-full"),
        pytest.param("INSERT", "53200", id="out-of-memory"),
        pytest.param("INSERT", "58030", id="input-output"),
        pytest.param("INSERT", "42501", id="no-privilege"),
        pytest.param("UPDATE", "40001", id="conflict-at-its-end"),
        pytest.param("UPDATE", "25006", id="read-only-at-its-end"),
    ],
)
async def test_what_nobody_awaits_is_kept_in_its_order_while_the_database_takes_nothing(
    shared: PostgresPlace, running: Make, waiting: Make, write: str, code: str
) -> None:
    async with await PostgresJobStore.open(shared.url) as store:
        calls = [running() for _ in range(3)]
        store.record(calls[0])
        await until(store._idle)
        async with refusing(shared.url, write, code):
            store.record_end(ended(calls[0].id))
            with pytest.raises(StorageError):
                await (add(store, waiting()) if write == "INSERT" else store.claim({"ocr": 1}, lease()))
            store.record(calls[1])
            store.record(calls[2])
            store.record_end(ended(calls[2].id))
            store.record_end(ended(calls[1].id))
            # Whatever waits, what is read is answered.
            assert await store.get(calls[0].id) is not None
            assert not store.lost_records
        await until(store._idle)
        stored = [await store.get(call.id) for call in calls]
        assert [job.status for job in stored if job is not None] == [JobStatus.SUCCESS] * 3
        assert store.lost_records == 0


async def test_a_connection_that_writes_nothing_is_given_up_for_one_that_does(
    shared: PostgresPlace, waiting: Make
) -> None:
    # A session keeps what it began with, as a connection to a standby stays there when the address moves on.
    name = urlsplit(shared.url).path[1:]
    freeze = f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
    thaw = f'SET default_transaction_read_only = off; ALTER DATABASE "{name}" RESET default_transaction_read_only'
    async with await PostgresJobStore.open(shared.url) as store:
        execute(shared.url, freeze)
        end_connections(shared.url)
        with pytest.raises(StorageReadOnly):
            await add(store, waiting())
        assert await store.check() == "The storage cannot be written"
        execute(shared.url, thaw)
        async with asyncio.timeout(PATIENCE_S):
            while await store.check() is not None:
                await asyncio.sleep(0.1)
        job = await add(store, waiting())
        assert await store.get(job.id) == job


async def test_what_no_database_could_hold_does_not_stop_what_waits_behind_it(
    shared: PostgresPlace, running: Make
) -> None:
    async with await PostgresJobStore.open(shared.url) as store:
        first, last = running(), running()
        async with refusing(shared.url, "INSERT", "53100"):
            store.record(first)
            await until(lambda: len(store._writer._kept) == 1)
            store.record(running("nul\0"))
            store.record(last)
        await until(store._idle)
        assert await store.get(first.id) == first
        assert await store.get(last.id) == last
        assert store.lost_records == 1


async def test_a_database_that_was_killed_comes_back_with_all_that_was_acknowledged(
    mortal: PostgresServer, waiting: Make, running: Make
) -> None:
    async with await PostgresJobStore.open(mortal.url, patience_s=0.3) as store:
        acknowledged: list[Job] = []
        refused: list[type[BaseException]] = []
        stop = False
        given = JobInput("image", "image/png", "ab" * 32, 1)

        async def client() -> None:
            while not stop:
                job = waiting()
                try:
                    await store.add([NewJob(job, [given])])
                except StorageError as failure:
                    refused.append(type(failure))
                else:
                    acknowledged.append(job)

        clients = [asyncio.create_task(client()) for _ in range(10)]
        await until(lambda: len(acknowledged) > 100)
        await asyncio.to_thread(mortal.kill)
        await until(lambda: len(refused) > 10)
        call = running()
        store.record(call)  # kept until the database is back
        assert await store.check() == "The database server cannot be reached"
        with pytest.raises(StorageAway):
            await store.get(call.id)
        before = len(acknowledged)
        await asyncio.to_thread(mortal.start)
        await until(lambda: len(acknowledged) > before + 100)
        stop = True
        await asyncio.gather(*clients)
        assert JobExists not in refused
        stored = {job.id async for job in store.export(JobFilter(durable=True))}
        assert {job.id for job in acknowledged} <= stored
        assert await store.get(call.id) == call
        assert store.lost_records == 0
        assert await store.check() is None


async def test_a_commit_whose_answer_was_lost_is_looked_up(mortal: PostgresServer, waiting: Make) -> None:
    """Jobs added while the database dies again and again: who was told that it failed finds nothing stored."""
    async with await PostgresJobStore.open(mortal.url, patience_s=60) as store:
        for _ in range(3):
            jobs = [waiting() for _ in range(200)]
            adding = [asyncio.create_task(add(store, job)) for job in jobs]
            await asyncio.wait(adding, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(mortal.kill)
            await asyncio.to_thread(mortal.start)
            outcomes = await asyncio.gather(*adding, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Job}
            for job in jobs:
                assert await store.get(job.id) == job


async def test_a_store_does_not_start_without_its_database(mortal: PostgresServer) -> None:
    wrong_name = mortal.url.rpartition("/")[0] + "/nowhere"
    wrong_password = mortal.url.replace("tests:", "tests:x")
    for url in (wrong_name, wrong_password, "postgresql://[broken", "postgresql://127.0.0.1:99999999/x"):
        with pytest.raises(StorageError) as failed:
            await PostgresJobStore.open(url, patience_s=0.1)
        assert "127.0.0.1" not in str(failed.value)
    await asyncio.to_thread(mortal.kill)
    with pytest.raises(StorageAway):
        await PostgresJobStore.open(mortal.url, patience_s=0.1)


async def test_a_database_of_a_newer_version_is_refused(shared: PostgresPlace) -> None:
    await (await PostgresJobStore.open(shared.url)).close()
    execute(shared.url, "UPDATE alembic_version SET version_num = '9999'; SELECT 1")
    with pytest.raises(SchemaTooNew):
        await PostgresJobStore.open(shared.url)


async def test_servers_that_start_at_once_migrate_once(shared: PostgresPlace, waiting: Make) -> None:
    stores = await asyncio.gather(*(PostgresJobStore.open(shared.url) for _ in range(4)))
    for store in stores:
        await add(store, waiting())
    async with contextlib.AsyncExitStack() as stack:
        for store in stores:
            stack.push_async_callback(store.close)
        assert sum((await stores[0].counts()).values()) == 4


async def test_a_record_from_another_thread_is_stored(two: Two, running: Make) -> None:
    store, _ = two
    jobs = [running() for _ in range(50)]

    def work() -> None:
        for job in jobs:
            store.record(job)
            store.record_end(ended(job.id))

    await asyncio.to_thread(work)
    assert (await store.counts())[JobStatus.SUCCESS] == 50


def backends_that_write(url: str) -> list[int]:
    """The processes that serve the connections of writers: the last that these asked for was a commit."""
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%COMMIT'"
    return [row[0] for row in execute(url, asked)]


async def test_a_backend_that_hangs_costs_a_write_its_time_and_nothing_else(
    mortal: PostgresServer, waiting: Make
) -> None:
    async with await PostgresJobStore.open(mortal.url, timeout_s=1) as store:
        before = await add(store, waiting())
        (hanging,) = backends_that_write(mortal.url)
        os.kill(hanging, signal.SIGSTOP)
        try:
            jobs = await asyncio.gather(*(add(store, waiting()) for _ in range(3)))
            claimed = await claim(store, {"ocr": 99})
        finally:
            os.kill(hanging, signal.SIGCONT)
        assert {job.id for job in claimed} == {before.id, *(job.id for job in jobs)}


async def test_what_waits_behind_a_write_that_hangs_is_refused_in_time_and_is_not_done(
    mortal: PostgresServer, waiting: Make
) -> None:
    async with await PostgresJobStore.open(mortal.url, timeout_s=1, patience_s=0.5) as store:
        await add(store, waiting())
        mortal.pause()
        try:
            jobs = [waiting() for _ in range(4)]
            adding = []
            for job in jobs:
                adding.append(asyncio.create_task(add(store, job)))
                await asyncio.sleep(0.2)
            # Far less than the minute that a command of the pool may take.
            async with asyncio.timeout(40):
                outcomes = await asyncio.gather(*adding, return_exceptions=True)
        finally:
            mortal.resume()
        assert {type(outcome) for outcome in outcomes} == {StorageAway}
        await until_answering(store)
        assert [await store.get(job.id) for job in jobs] == [None] * len(jobs)


async def test_a_commit_that_hangs_is_never_told_as_failed(mortal: PostgresServer, waiting: Make) -> None:
    """It waits for a replica that is not there: PostgreSQL has written it down, and will not say so."""
    async with await PostgresJobStore.open(mortal.url, timeout_s=1, patience_s=1) as store:
        await add(store, waiting())
        execute(mortal.url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody';SELECT pg_reload_conf()")
        shown = "SELECT setting FROM pg_settings WHERE name = 'synchronous_standby_names'"
        await until(lambda: execute(mortal.url, shown) == [("nobody",)])
        jobs = [waiting() for _ in range(3)]
        outcomes = await asyncio.gather(*(add(store, job) for job in jobs), return_exceptions=True)
        execute(mortal.url, "ALTER SYSTEM RESET synchronous_standby_names;SELECT pg_reload_conf()")
        await until_answering(store)
        for job, outcome in zip(jobs, outcomes, strict=True):
            assert isinstance(outcome, Job | OutcomeUnknown), outcome
            assert await found(store, job) == job  # nobody sees it before its connection waits no longer


@dataclass
class LostCommits:
    """The next commit is lost in a crash, and its transaction's name is ``name`` by the time it is asked for."""

    name: str | None = None


@pytest.fixture
def lost_commits(monkeypatch: pytest.MonkeyPatch) -> LostCommits:
    lost = LostCommits()
    execute_really, perform = asyncpg.Connection.execute, PostgresSession._commit

    async def lose_commit(connection: Any, text: str, *rest: Any, **named: Any) -> str:
        if lost.name is not None and text.endswith("COMMIT"):
            lost.name = None
            connection.terminate()
            raise asyncpg.ConnectionDoesNotExistError
        return str(await execute_really(connection, text, *rest, **named))

    async def commit(session: PostgresSession) -> None:
        session._transaction = lost.name or session._transaction
        await perform(session)

    monkeypatch.setattr(asyncpg.Connection, "execute", lose_commit)
    monkeypatch.setattr(PostgresSession, "_commit", commit)
    return lost


@pytest.mark.parametrize("begun_since", [0, 1_000_000])
async def test_a_job_whose_commit_was_lost_is_stored_although_its_transactions_name_was_given_to_another(
    postgres: PostgresServer, lost_commits: LostCommits, waiting: Make, begun_since: int
) -> None:
    """Of a million later, the name has not been given to any."""
    place = PostgresPlace(postgres)
    async with await place.open() as store:
        ((others,),) = execute(place.url, "SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)")
        lost_commits.name = str(others + begun_since)
        job = await add(store, waiting())
        assert lost_commits.name is None
        assert await store.get(job.id) == job


async def test_a_write_whose_commit_was_lost_is_not_told_as_done(
    postgres: PostgresServer, lost_commits: LostCommits, waiting: Make
) -> None:
    place = PostgresPlace(postgres)
    async with await place.open() as store:
        job = await add(store, waiting())
        ((others,),) = execute(place.url, "SELECT CAST(pg_current_xact_id() AS TEXT)")
        lost_commits.name = others
        with pytest.raises(OutcomeUnknown):
            await store.request_cancel(job.id, {})
        kept = await store.get(job.id)
        assert kept is not None
        assert kept.status is JobStatus.PENDING


async def found(store: PostgresJobStore, job: Job) -> Job:
    async with asyncio.timeout(PATIENCE_S):
        while (stored := await store.get(job.id)) is None:
            await asyncio.sleep(0.01)
    return stored


async def until_answering(store: PostgresJobStore) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await store.check() is not None:
            await asyncio.sleep(0.05)


async def test_a_connection_that_breaks_as_it_begins_to_listen_is_told_as_a_database_that_is_away(
    shared: PostgresPlace,
) -> None:
    target = urlsplit(shared.url)

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while (some := await source.read(65_536)) and b"LISTEN" not in some:
            sink.write(some)
        sink.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))

    between = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    port = between.sockets[0].getsockname()[1]
    url = shared.url.replace(f"{target.hostname}:{target.port}", f"127.0.0.1:{port}")
    async with between:
        with pytest.raises(StorageAway):
            await PostgresListener(url, "s", lambda _: None).start()


async def test_a_pooler_that_refuses_the_stores_settings_is_named() -> None:
    refusal = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: lock_timeout\0\0"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"user" not in await reader.read(4_096):  # it asks for TLS first
            writer.write(b"N")
            await reader.read(4_096)
        writer.write(b"E" + (len(refusal) + 4).to_bytes(4) + refusal)
        writer.close()

    pooler = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = pooler.sockets[0].getsockname()[1]
    async with pooler:
        with pytest.raises(StorageFailing, match="a pooler stands before the database"):
            await PostgresJobStore.open(f"postgresql://tests:x@127.0.0.1:{port}/postgres")


async def test_a_pooler_that_keeps_no_sessions_is_named(shared: PostgresPlace, waiting: Make) -> None:
    async with await PostgresJobStore.open(shared.url) as store:
        await add(store, waiting())
        # As on a connection that another client had meanwhile.
        await store._writer._session._connection.execute("DEALLOCATE ALL")
        with pytest.raises(StorageFailing, match="a pooler stands before the database"):
            await add(store, waiting())
