"""Accepting jobs: once for each idempotency key, all of a batch or none, webhooks told once."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from support.stores import NOW, Place, add, claim, end, ended, lease

from app.governance.job_lifecycle import JobStatus
from app.storage.errors import DependencyMissing, JobExists, KeyConflict, KeyUsed
from app.storage.job_ids import new_job_id
from app.storage.records import Batch, BatchProgress, Delivery, IdempotencyKey, Job, JobInput, NewJob
from app.storage.store import JobStore

Make = Callable[..., Job]
KEY = IdempotencyKey("POST /v1/jobs ann", "k1", "body 1")


async def test_a_key_stands_for_the_job_it_made(store: JobStore, waiting: Make) -> None:
    job = waiting()
    await store.add([NewJob(job)], key=KEY)
    with pytest.raises(KeyUsed) as used:
        await store.add([NewJob(waiting())], key=KEY)
    assert used.value.existing_id == job.id
    with pytest.raises(KeyConflict):
        await store.add([NewJob(waiting())], key=IdempotencyKey(KEY.scope, KEY.key, "body 2"))
    for other in (IdempotencyKey("POST /v1/jobs bob", "k1", "body 1"), IdempotencyKey(KEY.scope, "k2", "body 1")):
        await store.add([NewJob(waiting())], key=other)
    assert len((await store.list()).jobs) == 3


async def test_a_key_can_be_looked_up_before_there_is_anything_to_add(store: JobStore, waiting: Make) -> None:
    assert await store.find_key(KEY) is None
    job = waiting()
    await store.add([NewJob(job)], key=KEY)
    assert await store.find_key(KEY) == job.id
    with pytest.raises(KeyConflict):
        await store.find_key(IdempotencyKey(KEY.scope, KEY.key, "body 2"))
    assert await store.find_key(IdempotencyKey("POST /v1/jobs bob", "k1", "body 1")) is None


async def test_of_many_that_use_a_key_at_once_one_makes_the_job(store: JobStore, waiting: Make) -> None:
    jobs = [waiting() for _ in range(30)]
    outcomes = await asyncio.gather(*(store.add([NewJob(job)], key=KEY) for job in jobs), return_exceptions=True)
    made = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(made) == 1
    (existing,) = made[0]
    assert {outcome.existing_id for outcome in outcomes if isinstance(outcome, KeyUsed)} == {existing.id}
    assert [job.id for job in (await store.list()).jobs] == [existing.id]


async def test_a_refused_job_leaves_its_key_unused(store: JobStore, waiting: Make) -> None:
    with pytest.raises(DependencyMissing):
        await store.add([NewJob(waiting(), after=[new_job_id()])], key=KEY)
    taken = await add(store, waiting())
    with pytest.raises(JobExists):
        await store.add([NewJob(taken)], key=KEY)
    await store.add([NewJob(waiting())], key=KEY)


async def test_a_batch_is_stored_whole_or_not_at_all(store: JobStore, waiting: Make) -> None:
    batch = Batch(new_job_id(), "ann", NOW, 3)
    jobs = [waiting(f"p{number}", parent_id=batch.id) for number in range(3)]
    inputs = [JobInput("image", "image/png", f"{number:064x}", number) for number in range(3)]
    taken = await add(store, waiting())
    with pytest.raises(JobExists):
        await store.add([*map(NewJob, jobs), NewJob(taken)], batch=batch)
    assert await store.batch(batch.id) is None
    assert await store.get(jobs[0].id) is None

    new = [NewJob(job, [given]) for job, given in zip(jobs, inputs, strict=True)]
    assert await store.add(new, key=KEY, batch=batch) == jobs
    with pytest.raises(KeyUsed) as used:
        await store.add([NewJob(waiting())], key=KEY)
    assert used.value.existing_id == batch.id
    assert [await store.inputs(job.id) for job in jobs] == [[given] for given in inputs]
    await claim(store, {"p0": 1, "p1": 1})
    await end(store, jobs[0].id)
    statuses = {JobStatus.PENDING: 1, JobStatus.RUNNING: 1, JobStatus.SUCCESS: 1}
    assert await store.batch(batch.id) == BatchProgress(batch.id, "ann", NOW, 3, statuses)
    assert await store.batch_jobs(batch.id, [JobStatus.PENDING, JobStatus.RUNNING]) == [jobs[1].id, jobs[2].id]
    assert await store.batch_jobs(batch.id, []) == []


@pytest.mark.parametrize("unknown", ["", "\ud800", "a\0", "ü" * 50, "0" * 32])
async def test_an_unknown_batch_is_none(store: JobStore, unknown: str) -> None:
    assert await store.batch(unknown) is None


async def test_many_calls_at_once_are_all_stored_with_their_inputs(store: JobStore, waiting: Make) -> None:
    jobs = [waiting() for _ in range(300)]
    given = JobInput("image", "image/png", "ab" * 32, 1)
    stored = await asyncio.gather(*(store.add([NewJob(job, [given])]) for job in jobs))
    assert [job for (job,) in stored] == jobs
    assert [await store.inputs(job.id) for job in jobs] == [[given]] * 300


async def test_the_end_of_a_job_is_told_once(place: Place, waiting: Make) -> None:
    now = [datetime.now(UTC)]
    async with await place.open(clock=lambda: now[0]) as store:
        url = "https://example.org/hook?a=1"
        told, silent = await add(store, waiting(webhook=url)), await add(store, waiting())
        await claim(store, {"ocr": 2})
        assert await store.due_deliveries(10, lease()) == []
        await end(store, told.id)
        await end(store, silent.id)
        assert await store.due_deliveries(10, now[0] + timedelta(seconds=60)) == [Delivery(told.id, url, 1)]
        assert await store.due_deliveries(10, lease()) == []  # somebody has it
        await store.delivery_failed(told.id, "503", now[0] - timedelta(seconds=1))
        assert await store.due_deliveries(10, now[0] - timedelta(seconds=1)) == [Delivery(told.id, url, 2)]
        # Whoever had it died: its lease is over.
        assert await store.due_deliveries(0, lease()) == []
        assert await store.due_deliveries(10, lease()) == [Delivery(told.id, url, 3)]
        await store.delivery_done(told.id)
        await store.delivery_failed(told.id, "too late to fail", now[0] - timedelta(seconds=1))
        assert await store.due_deliveries(10, lease()) == []


async def test_a_webhook_that_is_given_up_is_not_called_again(store: JobStore, waiting: Make) -> None:
    jobs = [await add(store, waiting(webhook="https://example.org")) for _ in range(3)]
    await claim(store, {"ocr": 3})
    for job in jobs:
        await end(store, job.id, JobStatus.CANCELLED)
    first = await store.due_deliveries(2, lease(-1))
    assert [one.job_id for one in first] == [job.id for job in jobs[:2]]
    await store.delivery_failed(jobs[0].id, "gone\0", None)
    assert {one.job_id for one in await store.due_deliveries(9, lease(-1))} == {jobs[1].id, jobs[2].id}


async def test_calls_have_no_webhook_and_no_attempts(store: JobStore, running: Make) -> None:
    call = running()
    store.record(call)
    await store.get(call.id)
    store.record_end(ended(call.id))
    assert await store.attempts(call.id) == []
    assert await store.due_deliveries(10, lease()) == []
