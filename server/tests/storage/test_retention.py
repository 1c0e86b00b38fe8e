"""Sweeping and purging: what has ended goes, with all that belongs to it; what is needed stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from support.stores import ENDED, NOW, add, claim, end, ended, lease

from app.governance.job_lifecycle import JobStatus
from app.storage.job_ids import new_job_id
from app.storage.records import Batch, IdempotencyKey, Job, JobFilter, JobInput, NewJob
from app.storage.store import JobStore

Make = Callable[..., Job]
AFTER = ENDED + timedelta(seconds=1)


def blob(number: int) -> str:
    return f"{number:064x}"


async def ids(store: JobStore) -> set[str]:
    return {job.id for job in (await store.list(limit=500)).jobs}


async def test_jobs_that_ended_before_a_moment_go_oldest_first(store: JobStore, running: Make) -> None:
    jobs = [running() for _ in range(5)]
    for job in jobs:
        store.record(job)
        store.record_end(ended(job.id))
    assert await store.sweep(ended_before=ENDED, keep_newest=None, most=100) == 0
    assert await store.sweep(ended_before=AFTER, keep_newest=None, most=2) == 2
    assert await ids(store) == {job.id for job in jobs[2:]}
    assert await store.sweep(ended_before=AFTER, keep_newest=None, most=100) == 3
    assert await store.sweep(ended_before=AFTER, keep_newest=0, most=100) == 0


async def test_the_newest_are_kept(store: JobStore, running: Make) -> None:
    jobs = [running() for _ in range(6)]
    for job in jobs:
        store.record(job)
    for job in jobs[1:]:
        store.record_end(ended(job.id))
    assert await store.sweep(ended_before=None, keep_newest=2, most=100) == 3
    assert await ids(store) == {jobs[0].id, jobs[4].id, jobs[5].id}  # the first has not ended
    assert await store.sweep(ended_before=None, keep_newest=100, most=100) == 0


async def test_what_has_not_ended_takes_no_place_from_what_is_kept(store: JobStore, waiting: Make) -> None:
    first, second, busy = [await add(store, waiting()) for _ in range(3)]
    for job in (first, second, busy):
        await store.claim_job(job.id, lease())
    await end(store, first.id)
    await end(store, second.id, JobStatus.FAILED)
    idle = await add(store, waiting())
    assert await store.sweep(ended_before=None, keep_newest=2, most=100) == 0
    assert await store.sweep(ended_before=None, keep_newest=1, most=100) == 1
    assert await ids(store) == {second.id, busy.id, idle.id}


async def test_what_waits_runs_or_is_needed_stays(store: JobStore, waiting: Make) -> None:
    needed, idle, busy, done = [await add(store, waiting()) for _ in range(4)]
    blocking = await add(store, waiting("b"))
    needing = await add(store, waiting("c"), after=[needed.id, blocking.id])
    for job in (needed, busy, done):
        await store.claim_job(job.id, lease())
    await end(store, needed.id)
    await end(store, done.id)
    for _ in range(2):
        await store.sweep(ended_before=AFTER, keep_newest=0, most=100)
        await store.purge(JobFilter())
        assert await ids(store) == {needed.id, idle.id, busy.id, blocking.id, needing.id}
    await store.request_cancel(blocking.id, {})
    assert await store.sweep(ended_before=None, keep_newest=0, most=100) == 3
    assert await ids(store) == {idle.id, busy.id}


async def test_all_that_belongs_to_a_job_goes_with_it(store: JobStore, waiting: Make) -> None:
    key = IdempotencyKey("scope", "key", "print")
    job = waiting(webhook="https://example.org")
    await store.add([NewJob(job, [JobInput("image", "image/png", blob(1), 1)])], key=key)
    after = await add(store, waiting("b", after_rule="end"), after=[job.id])
    await claim(store, {"ocr": 1})
    await end(store, job.id)
    await store.request_cancel(after.id, {})
    assert await store.sweep(ended_before=None, keep_newest=0, most=100) == 2
    assert await store.get(job.id) is None
    assert await store.attempts(job.id) == []
    assert await store.inputs(job.id) == []
    assert await store.needs(after.id) == []
    assert await store.due_deliveries(9, lease()) == []
    await store.add([NewJob(waiting())], key=key)  # it may be used again


async def test_a_batch_goes_with_its_last_job(store: JobStore, waiting: Make) -> None:
    batch = Batch(new_job_id(), None, NOW, 2)
    first, second = waiting(parent_id=batch.id), waiting(parent_id=batch.id)
    key = IdempotencyKey("scope", "key", "print")
    await store.add([NewJob(first), NewJob(second)], batch=batch, key=key)
    await store.request_cancel(first.id, {})
    assert await store.sweep(ended_before=None, keep_newest=0, most=100) == 1
    found = await store.batch(batch.id)
    assert found is not None
    assert (found.total, found.by_status) == (2, {JobStatus.PENDING: 1})
    await store.request_cancel(second.id, {})
    assert await store.sweep(ended_before=None, keep_newest=0, most=100) == 1
    assert await store.batch(batch.id) is None
    await store.add([NewJob(waiting())], key=key)


@pytest.mark.parametrize("number", [3, 1200])
async def test_a_purge_deletes_what_its_filter_shows_and_has_ended(store: JobStore, running: Make, number: int) -> None:
    jobs = [running("ocr" if number % 3 else "faces") for number in range(number)]
    for job in jobs:
        store.record(job)
        store.record_end(ended(job.id, JobStatus.FAILED))
    alive, other = running(), running()
    store.record(alive)
    store.record(other)
    store.record_end(ended(other.id))
    wanted = JobFilter(plugin="ocr", status=JobStatus.FAILED)
    expected = sum(job.plugin == "ocr" for job in jobs)
    assert await store.purge(wanted) == expected
    assert await store.purge(wanted) == 0
    assert sum((await store.counts()).values()) == number - expected + 2


async def test_a_blob_that_a_job_names_is_referenced(store: JobStore, waiting: Make) -> None:
    job = waiting()
    await add(store, job, [JobInput("image", "image/png", blob(1), 1), JobInput("mask", "image/png", blob(2), 1)])
    await claim(store, {"ocr": 1})
    at = datetime.now(UTC)
    from app.storage.records import JobEnd

    await store.end(JobEnd(job.id, JobStatus.SUCCESS, None, None, at, 0, 0, attempt=1, result_blob=blob(3)))
    assert await store.unreferenced([blob(number) for number in range(6)]) == {blob(0), blob(4), blob(5)}
    assert await store.unreferenced([]) == frozenset()
    await store.sweep(ended_before=None, keep_newest=0, most=1)
    assert len(await store.unreferenced([blob(number) for number in range(6)])) == 6
