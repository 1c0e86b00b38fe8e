"""Claims under leases: who may write about a job that runs, and what becomes of it when its server dies."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.stores import Place, add, claim, end, ended, lease

from app.governance.job_lifecycle import IllegalTransition, JobStatus
from app.governance.retry import RetryPolicy
from app.storage.errors import JobMissing, LeaseLost
from app.storage.job_ids import new_job_id
from app.storage.records import Cancelled, Job, Released
from app.storage.store import JobStore

Make = Callable[..., Job]
ERROR = {"details": {"code": "cancelled"}}


def interrupted(job: Job) -> dict[str, object]:
    return {"details": {"code": "interrupted"}, "job": job.id}


async def test_what_is_said_of_a_job_comes_back(store: JobStore, waiting: Make) -> None:
    job = waiting(
        not_before=datetime(2031, 1, 1, tzinfo=UTC),
        deadline=datetime(2032, 1, 1, tzinfo=UTC),
        after_rule="end",
        retry=RetryPolicy(3, frozenset({"plugin_failed"}), 2.5),
        webhook="https://example.org/hook",
        copy_of=new_job_id(),
        result_blob="cd" * 32,
    )
    assert await add(store, job) == job
    assert await store.get(job.id) == job


async def test_an_attempt_is_recorded_from_its_claim_to_its_end(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    assert await store.attempts(job.id) == []
    (running,) = await claim(store, {"ocr": 1})
    (attempt,) = await store.attempts(job.id)
    assert (attempt.number, attempt.server, attempt.started_at) == (1, store.server_id, running.started_at)
    assert (attempt.ended_at, attempt.outcome, attempt.error_code, attempt.worker_pid) == (None, None, None, None)
    error = {"details": {"code": "plugin_failed"}}
    await store.end(replace(ended(job.id, JobStatus.FAILED, None, error, attempt=1), worker_pid=4711, result_blob="x"))
    (attempt,) = await store.attempts(job.id)
    assert (attempt.outcome, attempt.error_code, attempt.worker_pid) == ("FAILED", "plugin_failed", 4711)
    found = await store.get(job.id)
    assert found is not None
    assert (attempt.ended_at, found.error_code, found.result_blob) == (found.ended_at, "plugin_failed", "x")
    assert (found.lease_owner, found.lease_until) == (None, None)


async def test_a_claim_holds_the_lease(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    until = lease(300)
    await store.claim({"ocr": 1}, until)
    found = await store.get(job.id)
    assert found is not None
    assert found.lease_owner == store.server_id
    assert found.lease_until is not None
    assert abs(found.lease_until - until) < timedelta(seconds=60)


async def test_only_the_attempt_that_runs_may_end_the_job(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    await claim(store, {"ocr": 1})
    await store.put_back(job.id, 1, outcome="retried", error_code="plugin_failed", not_before=None)
    with pytest.raises(LeaseLost):
        await store.put_back(job.id, 1, outcome="retried", error_code=None, not_before=None)
    await claim(store, {"ocr": 1})
    for stale in (0, 1, 3, None):
        with pytest.raises(LeaseLost):
            await store.end(ended(job.id, attempt=stale))
    await end(store, job.id, attempt=2)
    assert [one.outcome for one in await store.attempts(job.id)] == ["retried", "SUCCESS"]
    with pytest.raises(IllegalTransition):
        await end(store, job.id, JobStatus.FAILED, attempt=2)


async def test_a_job_that_is_put_back_rests(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    await claim(store, {"ocr": 1})
    later = datetime.now(UTC) + timedelta(hours=1)
    await store.put_back(job.id, 1, outcome="retried", error_code="plugin_crashed", not_before=later, worker_pid=7)
    found = await store.get(job.id)
    assert found is not None
    assert (found.status, found.not_before, found.started_at) == (JobStatus.PENDING, later, None)
    (attempt,) = await store.attempts(job.id)
    assert (attempt.outcome, attempt.error_code, attempt.worker_pid) == ("retried", "plugin_crashed", 7)
    assert await claim(store, {"ocr": 1}) == []
    assert await store.claim_job(job.id, lease()) is None
    assert (await store.outlook()).plugins == []
    assert [(one.plugin, one.count) for one in await store.waiting()] == [("ocr", 1)]
    assert (await store.outlook()).next_due == later


async def test_a_delayed_job_runs_when_its_time_has_come(place: Place, waiting: Make) -> None:
    now = [datetime.now(UTC)]
    async with await place.open(clock=lambda: now[0]) as store:
        job = await add(store, waiting(not_before=now[0] + timedelta(seconds=60)))
        also = await add(store, waiting(not_before=now[0] - timedelta(seconds=60)))
        assert [one.id for one in await claim(store, {"ocr": 5})] == [also.id]
        now[0] += timedelta(seconds=61)
        assert (await store.outlook()).plugins == ["ocr"]
        assert (await store.outlook()).next_due is None
        assert [one.id for one in await claim(store, {"ocr": 5})] == [job.id]


async def test_renewal_names_what_is_lost_and_what_is_to_be_cancelled(store: JobStore, waiting: Make) -> None:
    kept, asked, over = [await add(store, waiting()) for _ in range(3)]
    await claim(store, {"ocr": 3}, seconds=1)
    await store.request_cancel(asked.id, ERROR)
    await end(store, over.id)
    unknown = new_job_id()
    renewal = await store.renew([kept.id, asked.id, over.id, unknown], lease(500))
    assert renewal.lost == {over.id, unknown}
    assert renewal.cancel_requested == {asked.id}
    found = await store.get(kept.id)
    assert found is not None
    assert found.lease_until is not None
    assert found.lease_until > lease(300)
    assert (await store.renew([], lease())).lost == frozenset()


async def test_a_waiting_job_is_cancelled_at_once(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    assert await store.request_cancel(job.id, ERROR) == (Cancelled(JobStatus.CANCELLED, None), Released())
    found = await store.get(job.id)
    assert found is not None
    assert (found.status, found.error, found.error_code) == (JobStatus.CANCELLED, ERROR, "cancelled")
    assert found.ended_at is not None
    assert await claim(store, {"ocr": 1}) == []
    with pytest.raises(IllegalTransition):
        await store.request_cancel(job.id, ERROR)
    with pytest.raises(JobMissing):
        await store.request_cancel(new_job_id(), ERROR)


async def test_the_end_of_a_running_job_is_asked_for(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    await claim(store, {"ocr": 1})
    for _ in range(2):
        cancelled, released = await store.request_cancel(job.id, ERROR)
        assert cancelled == Cancelled(JobStatus.RUNNING, store.server_id)
        assert released == Released()
    found = await store.get(job.id)
    assert found is not None
    assert found.cancel_requested
    await end(store, job.id, JobStatus.CANCELLED)
    assert [one.outcome for one in await store.attempts(job.id)] == ["CANCELLED"]


async def test_a_job_put_back_after_somebody_cancelled_it_is_cancelled(store: JobStore, waiting: Make) -> None:
    job = await add(store, waiting())
    needing = await add(store, waiting("other"), after=[job.id])
    await claim(store, {"ocr": 1})
    await store.request_cancel(job.id, ERROR)
    released = await store.put_back(job.id, 1, outcome="handed_back", error_code=None, not_before=None)
    assert released is not None
    assert [one.id for one in released.failed] == [needing.id]
    found = await store.get(job.id)
    assert found is not None
    assert (found.status, found.error_code) == (JobStatus.CANCELLED, "cancelled")
    assert [one.outcome for one in await store.attempts(job.id)] == ["handed_back"]


async def test_waiting_jobs_whose_deadline_passed_fail_with_what_needs_them(place: Place, waiting: Make) -> None:
    now = [datetime.now(UTC)]
    async with await place.open(clock=lambda: now[0]) as store:
        late = await add(store, waiting(deadline=now[0] + timedelta(seconds=5)))
        needing = await add(store, waiting(), after=[late.id])
        running, patient = await add(store, waiting("b", deadline=late.deadline)), await add(store, waiting())
        await claim(store, {"b": 1})
        assert (await store.outlook()).next_due == late.deadline
        assert await store.expire(interrupted) == []
        now[0] += timedelta(seconds=6)
        assert (await store.outlook()).next_due == late.deadline  # it has passed, and there is still something to do
        assert [one.id for one in await claim(store, {"ocr": 5})] == [patient.id]
        expired = await store.expire(lambda job: {"details": {"code": "deadline_exceeded"}, "of": job.id})
        assert [(job.id, job.error_code) for job in expired] == [
            (late.id, "deadline_exceeded"),
            (needing.id, "dependency_failed"),
        ]
        for job in expired:
            assert await store.get(job.id) == job
        found = await store.get(running.id)
        assert found is not None
        assert found.status is JobStatus.RUNNING
        assert await store.expire(interrupted) == []
        assert (await store.outlook()).next_due is None


async def test_what_a_dead_server_ran_waits_again(place: Place, waiting: Make) -> None:
    async with await place.open() as dead:
        job, cancelled = await add(dead, waiting()), await add(dead, waiting())
        needing = await add(dead, waiting("other"), after=[cancelled.id])
        await claim(dead, {"ocr": 2}, seconds=-1)
        await dead.request_cancel(cancelled.id, ERROR)
    async with await place.open() as store:
        found = await store.recover(interrupted)
        assert (found.requeued, found.interrupted) == ([job.id], [])
        assert found.broken_off == ["ocr", "ocr"]
        assert [(one.id, one.status, one.error_code) for one in found.ended] == [
            (cancelled.id, JobStatus.CANCELLED, "cancelled"),
            (needing.id, JobStatus.FAILED, "dependency_failed"),
        ]
        assert [one.outcome for one in await store.attempts(cancelled.id)] == ["interrupted"]
        (again,) = await claim(store, {"ocr": 2})
        assert (again.id, again.attempt, again.lease_owner) == (job.id, 2, store.server_id)
        first, second = await store.attempts(job.id)
        assert (first.server, first.outcome, first.error_code) == (dead.server_id, "interrupted", "interrupted")
        assert (second.server, second.outcome) == (store.server_id, None)


async def test_a_job_is_ended_by_its_server_or_taken_from_it_never_both(store: JobStore, waiting: Make) -> None:
    jobs = [await add(store, waiting()) for _ in range(40)]
    await claim(store, {"ocr": 40}, seconds=-1)
    ends, recovery = await asyncio.gather(
        asyncio.gather(*(end(store, job.id) for job in jobs[:20]), return_exceptions=True),
        store.take_over(interrupted) if store.shared else store.recover(interrupted),
    )
    for job, outcome in zip(jobs, ends, strict=False):
        found = await store.get(job.id)
        assert found is not None
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, LeaseLost | IllegalTransition)
            assert found.status is JobStatus.PENDING
            assert job.id in recovery.requeued
        else:
            assert found.status is JobStatus.SUCCESS
            assert job.id not in recovery.requeued
    assert set(recovery.requeued) >= {job.id for job in jobs[20:]}
