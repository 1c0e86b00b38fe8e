"""Jobs that need others: they wait for their end, run after it, or fail for it, in the transaction of that end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.stores import add, claim, end

from app.governance.job_lifecycle import JobStatus
from app.storage.errors import DependencyMissing
from app.storage.job_ids import new_job_id
from app.storage.records import Job, NewJob
from app.storage.store import JobStore

Make = Callable[..., Job]
ERROR = {"details": {"code": "cancelled"}}


async def status_of(store: JobStore, job: Job) -> JobStatus:
    found = await store.get(job.id)
    assert found is not None
    return found.status


async def test_a_job_waits_until_all_that_it_needs_has_ended(store: JobStore, waiting: Make) -> None:
    first, second = await add(store, waiting()), await add(store, waiting())
    job = await add(store, waiting("other"), after=[second.id, first.id, second.id])
    assert job.blocked == 2
    assert await store.get(job.id) == job
    assert await store.needs(job.id) == [second.id, first.id]
    assert await claim(store, {"other": 1}) == []
    assert await store.claim_job(job.id, job.created_at) is None
    assert (await store.outlook()).plugins == ["ocr"]
    await claim(store, {"ocr": 2})
    released = await end(store, first.id)
    assert (list(released.runnable), list(released.failed)) == ([], [])
    released = await end(store, second.id)
    assert (list(released.runnable), list(released.failed)) == ([job.id], [])
    assert [one.id for one in await claim(store, {"other": 1})] == [job.id]


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
async def test_what_needed_success_fails_down_the_line(store: JobStore, waiting: Make, status: JobStatus) -> None:
    first = await add(store, waiting())
    second = await add(store, waiting("b"), after=[first.id])
    third = await add(store, waiting("c", webhook="https://example.org"), after=[second.id])
    indifferent = await add(store, waiting("d", after_rule="end"), after=[second.id, first.id])
    await claim(store, {"ocr": 1})
    released = await end(store, first.id, status)
    assert list(released.runnable) == [indifferent.id]
    assert [job.id for job in released.failed] == [second.id, third.id]
    for job, cause in zip(released.failed, (first, second), strict=True):
        assert await store.get(job.id) == job
        assert job.error is not None
        assert job.blocked == 0
        assert (job.error_code, job.error["details"]["needed"]) == ("dependency_failed", cause.id)
    assert [one.job_id for one in await store.due_deliveries(9, third.created_at)] == [third.id]


async def test_cancelling_what_is_needed_fails_what_needs_it(store: JobStore, waiting: Make) -> None:
    first = await add(store, waiting())
    second = await add(store, waiting(), after=[first.id])
    _, released = await store.request_cancel(first.id, ERROR)
    assert [job.id for job in released.failed] == [second.id]


async def test_a_job_that_is_cancelled_while_it_waits_for_another_waits_for_none_any_more(
    store: JobStore, waiting: Make
) -> None:
    first = await add(store, waiting())
    second = await add(store, waiting(), after=[first.id])
    await store.request_cancel(second.id, ERROR)
    cancelled = await store.get(second.id)
    assert cancelled is not None
    assert (cancelled.status, cancelled.blocked) == (JobStatus.CANCELLED, 0)


async def test_what_had_ended_already_is_judged_at_birth(store: JobStore, waiting: Make) -> None:
    good, bad, running = [await add(store, waiting()) for _ in range(3)]
    await claim(store, {"ocr": 3})
    await end(store, good.id)
    await end(store, bad.id, JobStatus.FAILED)
    assert (await add(store, waiting("b"), after=[good.id])).blocked == 0
    assert (await add(store, waiting("b", after_rule="end"), after=[bad.id, running.id])).blocked == 1
    stillborn = await add(store, waiting("b", webhook="https://example.org"), after=[running.id, bad.id])
    assert (stillborn.status, stillborn.error_code) == (JobStatus.FAILED, "dependency_failed")
    assert await store.get(stillborn.id) == stillborn
    assert [one.job_id for one in await store.due_deliveries(9, bad.created_at)] == [stillborn.id]
    await end(store, running.id)
    assert await status_of(store, stillborn) is JobStatus.FAILED


async def test_jobs_of_one_call_may_need_each_other(store: JobStore, waiting: Make) -> None:
    first, second = waiting(), waiting()
    stored = await store.add([NewJob(first), NewJob(second, after=[first.id])])
    assert [job.blocked for job in stored] == [0, 1]
    with pytest.raises(DependencyMissing):  # only the later the earlier
        third, fourth = waiting(), waiting()
        await store.add([NewJob(third, after=[fourth.id]), NewJob(fourth)])
    assert await store.get(third.id) is None
    assert await store.get(fourth.id) is None


@pytest.mark.parametrize("named", ["its own", "unknown", "\ud800", "a\0b", ""])
async def test_what_is_not_stored_cannot_be_needed(store: JobStore, waiting: Make, named: str) -> None:
    job = waiting()
    needed = job.id if named == "its own" else new_job_id() if named == "unknown" else named
    with pytest.raises(DependencyMissing) as refused:
        await add(store, job, after=[needed])
    assert refused.value.job_ids == (needed,)
    assert await store.get(job.id) is None


async def test_no_job_is_forgotten_when_what_it_needs_ends_meanwhile(store: JobStore, waiting: Make) -> None:
    needed = [await add(store, waiting()) for _ in range(20)]
    await claim(store, {"ocr": 20})
    jobs = [waiting("b") for _ in range(20)]
    work: list[Coroutine[Any, Any, object]] = [
        add(store, job, after=[one.id]) for job, one in zip(jobs, needed, strict=True)
    ]
    work += [end(store, one.id) for one in needed]
    await asyncio.gather(*work[::2], *work[1::2])
    assert {job.id for job in await claim(store, {"b": 99})} == {job.id for job in jobs}


async def test_a_job_that_waits_for_two_reasons_waits_for_both(store: JobStore, waiting: Make) -> None:
    from datetime import UTC, datetime, timedelta

    needed = await add(store, waiting())
    later = datetime.now(UTC) + timedelta(hours=1)
    job = await add(store, waiting("b", not_before=later), after=[needed.id])
    assert (await store.outlook()).next_due is None  # its time is no matter before what it needs has ended
    await claim(store, {"ocr": 1})
    released = await end(store, needed.id)
    assert list(released.runnable) == []
    assert await claim(store, {"b": 1}) == []
    assert (await store.outlook()).next_due == later
    assert await status_of(store, job) is JobStatus.PENDING
