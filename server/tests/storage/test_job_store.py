import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.stores import ENDED, NOW, Place, add, claim, ended, lease, without_lease

from app.governance.job_lifecycle import IllegalTransition, JobStatus
from app.storage.errors import CursorError, JobExists, JobMissing, NotStorable, StorageClosed
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobFilter, JobInput, Released
from app.storage.store import JobStore

Make = Callable[..., Job]
INPUT = JobInput("image", "image/png", "ab" * 32, 1234)


async def test_a_job_comes_back_as_it_was_added(store: JobStore, waiting: Make) -> None:
    job = waiting(
        options={"language": "de", "deep": [{"x": 1.5, "big": 2**70, "none": None}]},
        owner="ann",
        parent_id=new_job_id(),
        priority=-3,
        attempt=2,
        deadline=ENDED,
        waiting_ms=0.25,
    )
    await add(store, job, [INPUT, replace(INPUT, role="reference", size=2**40)])
    assert await store.get(job.id) == job
    assert await store.inputs(job.id) == [INPUT, replace(INPUT, role="reference", size=2**40)]


async def test_times_of_other_zones_come_back_in_utc(store: JobStore, waiting: Make) -> None:
    from zoneinfo import ZoneInfo

    job = waiting(created_at=datetime(2030, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")))
    await add(store, job)
    found = await store.get(job.id)
    assert found is not None
    assert found.created_at == job.created_at
    assert found.created_at.utcoffset() == timedelta(0)


async def test_an_unknown_job_is_none_and_has_no_inputs(store: JobStore) -> None:
    assert await store.get(new_job_id()) is None
    assert await store.inputs(new_job_id()) == []


async def test_reads_see_every_record_made_before_them(store: JobStore, running: Make) -> None:
    for _ in range(50):
        job = running()
        store.record(job)
        assert await store.get(job.id) == job
        store.record_end(ended(job.id, JobStatus.SUCCESS, {"a": 1}, None, waiting_ms=0.5, running_ms=7.25))
        after = replace(job, status=JobStatus.SUCCESS, result={"a": 1}, ended_at=ENDED, waiting_ms=0.5, running_ms=7.25)
        assert await store.get(job.id) == after
    assert store.lost_records == 0


@pytest.mark.parametrize("apart", [True, False])
async def test_a_record_and_its_end_are_the_same_job_written_together_or_apart(
    store: JobStore, running: Make, apart: bool
) -> None:
    jobs = [running(options={"n": n}, started_at=None) for n in range(200)]
    for job in jobs:
        store.record(job)
    if apart:
        await store.get(jobs[0].id)
    for job in jobs:
        store.record_end(
            ended(job.id, JobStatus.FAILED, None, {"n": 1}, waiting_ms=1.0, running_ms=2.0, started_at=ENDED)
        )
    for job in jobs:
        assert await store.get(job.id) == replace(
            job,
            status=JobStatus.FAILED,
            error={"n": 1},
            ended_at=ENDED,
            started_at=ENDED,
            waiting_ms=1.0,
            running_ms=2.0,
        )
    assert store.lost_records == 0


async def test_records_may_come_from_many_threads(store: JobStore, running: Make) -> None:
    def work() -> None:
        for _ in range(200):
            job = running()
            store.record(job)
            store.record_end(ended(job.id, JobStatus.SUCCESS, {}, None, waiting_ms=0, running_ms=0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    page = await store.list(JobFilter(status=JobStatus.SUCCESS), limit=500)
    rest = await store.list(JobFilter(status=JobStatus.SUCCESS), page.next_cursor, limit=500)
    assert len(page.jobs) + len(rest.jobs) == 800
    assert store.lost_records == 0


async def test_options_that_utf8_cannot_hold_are_kept(store: JobStore, running: Make) -> None:
    job = running(options={"\ud800": "\udfff"})
    store.record(job)
    assert await store.get(job.id) == job


async def test_closing_writes_what_was_recorded(place: Place, running: Make) -> None:
    store = await place.open()
    jobs = [running() for _ in range(500)]
    for job in jobs:
        store.record(job)
    await store.close()
    async with await place.open() as again:
        assert [job.id for job in (await again.list(limit=500)).jobs] == [job.id for job in reversed(jobs)]


async def test_a_closed_store_refuses_and_counts(place: Place, running: Make, waiting: Make) -> None:
    store = await place.open()
    await store.close()
    await store.close()
    store.record(running())
    assert store.lost_records == 1
    for refused in (store.get("a"), add(store, waiting()), claim(store, {"ocr": 1}), store.list(), store.waiting()):
        with pytest.raises(StorageClosed):
            await refused
    assert await store.check() == "The storage is closed"


async def test_a_second_job_of_one_id_is_refused_alone(store: JobStore, waiting: Make) -> None:
    first, others = waiting(), [waiting() for _ in range(20)]
    await add(store, first, [INPUT])
    outcomes = await asyncio.gather(
        *(add(store, job, [INPUT]) for job in [*others[:10], replace(first, plugin="other"), *others[10:]]),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(JobExists) == 1
    assert await store.get(first.id) == first
    assert all([await store.get(job.id) == job and await store.inputs(job.id) == [INPUT] for job in others])


async def test_what_is_no_json_is_refused_alone(store: JobStore, waiting: Make, running: Make) -> None:
    bad, good = waiting(options={"x": object()}), waiting()
    outcomes = await asyncio.gather(add(store, bad), add(store, good), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NotStorable, Job]
    assert await store.get(bad.id) is None
    assert await store.get(good.id) == good
    with pytest.raises(NotStorable):
        await add(store, waiting(created_at=datetime(2030, 1, 1)))
    await claim(store, {"ocr": 1})
    with pytest.raises(NotStorable):
        await store.end(ended(good.id, JobStatus.SUCCESS, {"x": object()}, None, waiting_ms=0, running_ms=0, attempt=1))
    store.record(running(plugin="\ud800"))
    store.record(running(options={"x": object()}))
    later = running()
    store.record(later)
    assert await store.get(later.id) == later
    assert store.lost_records == 2


async def test_claim_takes_by_priority_then_age_within_what_is_free(store: JobStore, waiting: Make) -> None:
    low, first, second, third, other = (
        waiting(priority=-1),
        waiting(),
        waiting(),
        waiting(priority=5),
        waiting("faces"),
    )
    for job in (low, first, second, third, other):
        await add(store, job)
    claimed = await claim(store, {"ocr": 3, "faces": 0, "unknown": 7})
    assert [job.id for job in claimed] == [third.id, first.id, second.id]
    for job in claimed:
        assert job.status is JobStatus.RUNNING
        assert job.attempt == 1
        assert job.started_at is not None
        assert without_lease(await store.get(job.id)) == without_lease(job)
    assert [job.id for job in await claim(store, {"ocr": 3, "faces": 1})] == [other.id, low.id]
    assert await claim(store, {"ocr": 3, "faces": 1}) == []
    assert await claim(store, {}) == []


async def test_one_job_can_be_claimed_by_its_id_once(store: JobStore, waiting: Make, running: Make) -> None:
    job, other, call = waiting(), waiting(priority=9), running(status=JobStatus.PENDING)
    await add(store, job)
    await add(store, other)
    store.record(call)
    first, second = await asyncio.gather(store.claim_job(job.id, lease()), store.claim_job(job.id, lease()))
    assert second is None
    assert first is not None
    assert (first.id, first.status, first.attempt) == (job.id, JobStatus.RUNNING, 1)
    assert without_lease(await store.get(job.id)) == without_lease(first)
    assert await store.claim_job(call.id, lease()) is None
    assert await store.claim_job(new_job_id(), lease()) is None
    assert [one.id for one in await claim(store, {"ocr": 5})] == [other.id]


async def test_no_job_is_claimed_twice(store: JobStore, waiting: Make) -> None:
    jobs = [waiting() for _ in range(60)]
    await asyncio.gather(*(add(store, job) for job in jobs))
    claims = await asyncio.gather(*(claim(store, {"ocr": 7}) for _ in range(12)))
    assert sorted(job.id for claim in claims for job in claim) == sorted(job.id for job in jobs)


async def test_a_call_that_somebody_waits_for_is_never_claimed(store: JobStore, running: Make) -> None:
    store.record(running(status=JobStatus.PENDING))
    assert await claim(store, {"ocr": 1}) == []
    assert await store.waiting() == []


async def test_a_terminal_job_never_changes(store: JobStore, waiting: Make) -> None:
    job = waiting()
    await add(store, job)
    with pytest.raises(IllegalTransition):
        await store.end(ended(job.id, JobStatus.SUCCESS, {"too": "soon"}, None, waiting_ms=0, running_ms=0, attempt=1))
    await claim(store, {"ocr": 1})
    await store.end(ended(job.id, JobStatus.SUCCESS, {"a": 1}, None, waiting_ms=1.5, running_ms=2.5, attempt=1))
    before = await store.get(job.id)
    for status in JobStatus:
        with pytest.raises(IllegalTransition):
            await store.end(replace(ended(job.id, status, None, {"other": 1}, attempt=1), ended_at=NOW))
    store.record_end(ended(job.id, JobStatus.CANCELLED, None, None, waiting_ms=0, running_ms=0))
    assert await store.get(job.id) == before
    assert before is not None
    assert (before.result, before.waiting_ms, before.running_ms) == ({"a": 1}, 1.5, 2.5)
    assert store.lost_records == 1


async def test_an_illegal_end_spoils_nothing_that_is_written_with_it(store: JobStore, waiting: Make) -> None:
    jobs = [waiting() for _ in range(10)]
    await asyncio.gather(*(add(store, job) for job in jobs))
    await claim(store, {"ocr": 10})
    ends = [
        store.end(ended(job.id, status, {}, None, waiting_ms=0, running_ms=0, attempt=1))
        for job in jobs
        for status in (JobStatus.SUCCESS, JobStatus.FAILED)
    ]
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Released, IllegalTransition] * 10


async def test_an_end_that_is_written_again_is_known_again_and_another_one_is_refused(
    store: JobStore, waiting: Make
) -> None:
    """The commit that wrote it broke before it answered."""
    job = waiting()
    await add(store, job)
    (claimed,) = await claim(store, {"ocr": 1})
    needing = await add(store, waiting(), after=[job.id])
    end = ended(job.id, JobStatus.SUCCESS, {"a": 1}, attempt=claimed.attempt)
    assert (await store.end(end)).runnable == [needing.id]
    written = await store.get(job.id)
    assert await store.end(end) == Released()
    for other in (replace(end, ended_at=NOW), replace(end, attempt=2), replace(end, status=JobStatus.FAILED)):
        with pytest.raises(IllegalTransition):
            await store.end(other)
    assert await store.get(job.id) == written
    assert [attempt.outcome for attempt in await store.attempts(job.id)] == ["SUCCESS"]


async def test_a_record_that_cannot_end_so_keeps_its_row(store: JobStore, running: Make) -> None:
    job = running(status=JobStatus.PENDING)
    store.record(job)
    store.record_end(ended(job.id, JobStatus.SUCCESS, {}, None, waiting_ms=0, running_ms=0))
    assert await store.get(job.id) == job
    assert store.lost_records == 1
    twice = running()
    store.record(twice)
    store.record_end(ended(twice.id, JobStatus.SUCCESS, {"first": 1}, None, waiting_ms=0, running_ms=0))
    store.record_end(ended(twice.id, JobStatus.FAILED, None, {"second": 1}, waiting_ms=0, running_ms=0))
    found = await store.get(twice.id)
    assert found is not None
    assert found.result == {"first": 1}
    assert store.lost_records == 2


async def test_the_end_of_an_unknown_job_is_refused(store: JobStore) -> None:
    with pytest.raises(JobMissing):
        await store.end(ended(new_job_id(), JobStatus.FAILED, None, {}, waiting_ms=0, running_ms=0, attempt=1))
    store.record_end(ended(new_job_id(), JobStatus.FAILED, None, {}, waiting_ms=0, running_ms=0))
    await store.list()
    assert store.lost_records == 1


async def test_the_listing_pages_newest_first_without_results(store: JobStore, running: Make) -> None:
    jobs = [running(plugin=f"p{n % 3}") for n in range(25)]
    for job in jobs:
        store.record(job)
        store.record_end(ended(job.id, JobStatus.SUCCESS, {"n": 1}, None, waiting_ms=0, running_ms=0))
    seen: list[Job] = []
    cursor: str | None = None
    while True:
        page = await store.list(JobFilter(plugin="p1", status=JobStatus.SUCCESS), cursor, limit=3)
        seen += page.jobs
        assert len(page.jobs) <= 3
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [job.id for job in seen] == [job.id for job in reversed(jobs) if job.plugin == "p1"]
    assert all(job.result is None for job in seen)
    assert (await store.list(JobFilter(status=JobStatus.FAILED))).jobs == []
    assert len((await store.list(limit=0)).jobs) == 1


async def test_a_new_job_does_not_move_the_pages_behind_a_cursor(store: JobStore, running: Make) -> None:
    jobs = [running() for _ in range(4)]
    for job in jobs:
        store.record(job)
    first = await store.list(limit=2)
    store.record(running())
    second = await store.list(cursor=first.next_cursor, limit=2)
    assert [job.id for job in (*first.jobs, *second.jobs)] == [job.id for job in reversed(jobs)]
    assert second.next_cursor is None


async def test_the_listing_filters_by_owner_and_parent(store: JobStore, running: Make) -> None:
    parent = new_job_id()
    child, mine, neither = running(parent_id=parent), running(owner="ann"), running()
    for job in (child, mine, neither):
        store.record(job)
    assert [job.id for job in (await store.list(JobFilter(parent_id=parent))).jobs] == [child.id]
    assert [job.id for job in (await store.list(JobFilter(owner="ann"))).jobs] == [mine.id]
    assert (await store.list(JobFilter(owner="' OR 1=1 --"))).jobs == []


async def test_a_cursor_that_the_listing_did_not_give_out_is_refused(store: JobStore, running: Make) -> None:
    for _ in range(3):
        store.record(running())
    cursor = (await store.list(limit=1)).next_cursor
    assert cursor is not None
    changed = ("B" if cursor[-5] != "B" else "C").join((cursor[:-5], cursor[-4:]))
    for tampered in ("", "x", changed, cursor + "AAAA", cursor[:-4], "\x00", "ü" * 20, "A" * 100_000, "\ud800"):
        with pytest.raises(CursorError):
            await store.list(cursor=tampered)
    with pytest.raises(CursorError):
        await store.list(JobFilter(plugin="ocr"), cursor)


async def test_waiting_jobs_are_counted_by_plugin(store: JobStore, waiting: Make) -> None:
    for plugin in ("a", "b", "b", "c"):
        await add(store, waiting(plugin))
    assert [(one.plugin, one.count) for one in await store.waiting()] == [("a", 1), ("b", 2), ("c", 1)]
    assert (await store.outlook()).plugins == ["a", "b", "c"]
    await claim(store, {"a": 5, "b": 1})
    assert [(one.plugin, one.count) for one in await store.waiting()] == [("b", 1), ("c", 1)]
    assert (await store.outlook()).plugins == ["b", "c"]
    await claim(store, {"b": 1, "c": 1})
    assert (await store.outlook()).plugins == []


async def test_plugins_have_their_turns_by_the_priority_and_age_of_their_first_jobs(
    place: Place, waiting: Make
) -> None:
    now = datetime.now(UTC)
    async with await place.open(clock=lambda: now) as store:
        for plugin, priority in (("a", -1), ("b", 0), ("c", 0), ("d", 7), ("b", 3), ("a", -2)):
            await add(store, waiting(plugin, priority=priority))
        assert await store.turns(["a", "b", "c", "d"]) == ["d", "b", "c", "a"]
        await claim(store, {"b": 1, "d": 1})
        assert await store.turns({"c": 1, "b": 9, "a": 2}) == ["b", "c", "a"]
        await add(store, waiting("e", not_before=now + timedelta(seconds=5)))
        now += timedelta(seconds=6)  # none has seen yet that it may run now
        assert await store.turns(["a", "c", "e"]) == ["e", "c", "a"]


async def test_recovery_requeues_durable_jobs_and_ends_the_others(place: Place, waiting: Make, running: Make) -> None:
    async with await place.open() as store:
        again, idle, done = waiting(priority=1), waiting(), waiting(priority=2)
        for job in (again, idle, done):
            await add(store, job)
        await claim(store, {"ocr": 2}, seconds=-1)
        await store.end(ended(done.id, JobStatus.SUCCESS, {"a": 1}, None, waiting_ms=0, running_ms=0, attempt=1))
        call, other = running(waiting_ms=3.0), running()
        store.record(call)
        store.record(other)
        store.record_end(ended(other.id, JobStatus.SUCCESS, {}, None, waiting_ms=0, running_ms=0))
    async with await place.open() as store:
        found = await store.recover(lambda job: {"code": "interrupted", "plugin": job.plugin, "job_id": job.id})
        assert (found.requeued, found.interrupted) == ([again.id], [call.id])
        back, lost = await store.get(again.id), await store.get(call.id)
        assert back == replace(again, attempt=1)
        assert lost is not None
        assert lost.ended_at is not None
        error = {"code": "interrupted", "plugin": "ocr", "job_id": call.id}
        assert replace(lost, ended_at=None) == replace(call, status=JobStatus.FAILED, error=error)
        assert [job.attempt for job in await claim(store, {"ocr": 9}, seconds=-1)] == [2, 1]
        second = await store.recover(lambda _: {})
        assert len(second.requeued) == 2
        assert second.interrupted == []


async def test_a_recovery_whose_error_cannot_be_built_changes_nothing(place: Place, running: Make) -> None:
    job = running()
    async with await place.open() as store:
        store.record(job)

    def fail(_: Job) -> dict[str, object]:
        raise LookupError("no such thing")

    async with await place.open() as store:
        with pytest.raises(LookupError):
            await store.recover(fail)
        assert await store.get(job.id) == job


async def test_overrides_are_set_changed_and_taken_back(place: Place) -> None:
    async with await place.open() as store:
        assert await store.plugin_overrides() == {}
        await store.set_plugin_override("ocr", False, "too slow")
        await store.set_plugin_override("faces", True, "")
        await store.set_plugin_override("ocr", True, "mended")
    async with await place.open() as store:
        found = await store.plugin_overrides()
        assert {name: (one.enabled, one.reason) for name, one in found.items()} == {
            "ocr": (True, "mended"),
            "faces": (True, ""),
        }
        assert found["ocr"].changed_at.utcoffset() == timedelta(0)
        await store.set_plugin_override("ocr", None, "")
        assert list(await store.plugin_overrides()) == ["faces"]


async def test_an_open_store_is_ready(store: JobStore) -> None:
    assert await store.check() is None


async def test_a_cancelled_wait_leaves_the_store_working(store: JobStore, waiting: Make) -> None:
    task = asyncio.create_task(add(store, waiting()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    job = waiting()
    await add(store, job)
    assert await store.get(job.id) == job
