"""The store's clock jumps by days, both ways: each job ends once, is run by one, and is not forgotten."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.stores import Place, PostgresPlace, SqlitePlace

from app.governance.job_lifecycle import IllegalTransition, JobStatus
from app.storage.errors import LeaseLost
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobEnd, JobFilter, NewJob
from app.storage.store import JobStore

LEASE = timedelta(seconds=15)
DAY = timedelta(days=1)


class Clock:
    """The machine's clock, set wrong by ``off``."""

    def __init__(self) -> None:
        self.off = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


Open = Callable[[Clock], AbstractAsyncContextManager[JobStore]]


@pytest.fixture(params=["sqlite", "postgres"])
def open_with(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a store with a clock; on PostgreSQL several may be open at once."""
    place: Place
    if request.param == "sqlite":
        place = SqlitePlace(tmp_path / "jobs.sqlite3")
    else:
        place = PostgresPlace(request.getfixturevalue("postgres"))

    @asynccontextmanager
    async def opened(clock: Clock) -> AsyncIterator[JobStore]:
        async with await place.open(clock=clock) as store:
            yield store

    return opened


def waiting(clock: Clock, **fields: Any) -> NewJob:
    return NewJob(Job(new_job_id(), "ocr", JobStatus.PENDING, clock(), durable=True, **fields), ())


def success(job: Job, clock: Clock) -> JobEnd:
    return JobEnd(job.id, JobStatus.SUCCESS, {"n": 1}, None, clock(), 1.0, 1.0, attempt=job.attempt)


def error_of(job: Job) -> dict[str, Any]:
    return {"type": "PluginError", "message": "late", "details": {"code": "deadline_exceeded", "retryable": True}}


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forwards", "backwards"])
async def test_a_job_that_runs_while_the_clock_jumps_is_still_its_servers(open_with: Open, jump: timedelta) -> None:
    clock = Clock()
    async with open_with(clock) as store:
        await store.add([waiting(clock)])
        (job,) = await store.claim({"ocr": 1}, clock() + LEASE)
        clock.off += jump
        assert (await store.renew([job.id], clock() + LEASE)).lost == frozenset()
        await store.take_over(error_of)
        assert await store.claim({"ocr": 1}, clock() + LEASE) == []
        await store.end(success(job, clock))
        ended = await store.get(job.id)
        assert ended is not None
        assert (ended.status, ended.attempt) == (JobStatus.SUCCESS, 1)
        assert [attempt.outcome for attempt in await store.attempts(job.id)] == ["SUCCESS"]


# One server a data folder: on SQLite there is no other.
@pytest.mark.parametrize("open_with", ["postgres"], indirect=True)
async def test_a_server_whose_clock_is_a_day_ahead_takes_nothing_from_one_that_lives(open_with: Open) -> None:
    right, ahead = Clock(), Clock()
    ahead.off = DAY
    async with open_with(right) as ours, open_with(ahead) as other:
        await ours.add([waiting(right)])
        (job,) = await ours.claim({"ocr": 1}, right() + LEASE)
        assert not (await other.take_over(error_of)).requeued
        assert await other.claim({"ocr": 1}, ahead() + LEASE) == []
        await ours.end(success(job, right))


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forwards", "backwards"])
async def test_a_job_that_is_accepted_after_a_jump_runs_at_once_and_in_its_turn(
    open_with: Open, jump: timedelta
) -> None:
    clock = Clock()
    async with open_with(clock) as store:
        (first,) = await store.add([waiting(clock)])
        clock.off += jump
        (second,) = await store.add([waiting(clock)])
        claimed = [*await store.claim({"ocr": 2}, clock() + LEASE)]
        assert [job.id for job in claimed] == [first.id, second.id]
        assert [job.id for job in (await store.list()).jobs] == [second.id, first.id]


async def test_a_job_delayed_beyond_a_jump_waits_until_the_clock_says_so(open_with: Open) -> None:
    clock = Clock()
    async with open_with(clock) as store:
        (job,) = await store.add([waiting(clock, not_before=clock() + timedelta(hours=1))])
        assert await store.claim({"ocr": 1}, clock() + LEASE) == []
        clock.off -= DAY
        assert await store.claim({"ocr": 1}, clock() + LEASE) == []
        clock.off += 2 * DAY
        assert [one.id for one in await store.claim({"ocr": 1}, clock() + LEASE)] == [job.id]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_clock_does_each_job_ends_once(open_with: Open, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    held: list[Job] = []
    async with open_with(clock) as store:
        for _ in range(60):
            clock.off += chance.choice([timedelta(), timedelta(), DAY, -DAY, timedelta(hours=-3), timedelta(minutes=7)])
            await store.add(
                [
                    waiting(
                        clock,
                        deadline=clock() + chance.choice([timedelta(hours=1), 3 * DAY])
                        if chance.random() < 0.3
                        else None,
                        not_before=clock() + timedelta(hours=2) if chance.random() < 0.3 else None,
                    )
                ]
            )
            held += await store.claim({"ocr": chance.randint(0, 2)}, clock() + LEASE)
            if held and chance.random() < 0.6:
                await _end_or_put_back(store, held.pop(chance.randrange(len(held))), chance, clock)
            await store.renew([job.id for job in held], clock() + LEASE)
            await store.take_over(error_of)
            await store.expire(error_of)
        await _finish(store, held, clock)
        jobs = [job async for job in store.export(JobFilter())]
        assert len(jobs) == 60
        for job in jobs:
            assert job.status in (JobStatus.SUCCESS, JobStatus.FAILED)
            outcomes = [attempt.outcome for attempt in await store.attempts(job.id)]
            assert len(outcomes) == job.attempt
            assert None not in outcomes
            assert outcomes.count("SUCCESS") == (job.status is JobStatus.SUCCESS)
            with pytest.raises((IllegalTransition, LeaseLost)):
                await store.end(success(job, clock))


async def _end_or_put_back(store: JobStore, job: Job, chance: random.Random, clock: Clock) -> None:
    if chance.random() < 0.5:
        await store.end(success(job, clock))
    else:
        later = clock() + timedelta(minutes=30)
        await store.put_back(job.id, job.attempt, outcome="retried", error_code="plugin_failed", not_before=later)


async def _finish(store: JobStore, held: list[Job], clock: Clock) -> None:
    """Let time go on evenly until nothing waits."""
    for _ in range(200):
        for job in held:
            await store.end(success(job, clock))
        clock.off += DAY
        await store.expire(error_of)
        held = [*await store.claim({"ocr": 100}, clock() + LEASE)]
        counts = await store.counts()
        if not counts.get(JobStatus.PENDING) and not counts.get(JobStatus.RUNNING):
            return
    raise AssertionError(f"jobs are left: {counts}")
