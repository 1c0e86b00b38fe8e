"""Filters, counts and exports: what each shows, alone and together."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from support.stores import add, claim, end, ended

from app.governance.job_lifecycle import JobStatus
from app.storage.job_ids import least_id, new_job_id
from app.storage.records import Job, JobFilter
from app.storage.store import JobStore

Make = Callable[..., Job]
START = datetime(2026, 5, 1, tzinfo=UTC)


def id_at(moment: datetime, number: int = 1) -> str:
    """Return an id as one made at that moment is."""
    return least_id(moment)[:12] + f"7{number:03x}8{number:015x}"


@pytest.fixture
async def jobs(store: JobStore, waiting: Make, running: Make) -> list[Job]:
    """Twelve jobs, a minute apart, of all kinds; oldest first, as they are stored."""
    made: list[Job] = []
    for number in range(12):
        moment = START + timedelta(minutes=number)
        make = waiting if number % 2 else running
        plugin, parent = ("faces", "image_ocr", "ocr")[number % 3], "b" * 32 if number % 4 == 0 else None
        made.append(make(plugin, id=id_at(moment, number), created_at=moment, owner="ann", parent_id=parent))
    for job in made:
        if job.durable:
            await add(store, job)
        else:
            store.record(job)
    await claim(store, {"faces": 1, "ocr": 1})
    for job in made[:4]:
        failed = {"details": {"code": "plugin_failed" if job.durable else "overloaded"}}
        if not job.durable:
            store.record_end(ended(job.id, JobStatus.FAILED, None, failed))
    stored = [await store.get(job.id) for job in made]
    return [job for job in stored if job is not None]


def filters() -> Iterator[JobFilter]:
    statuses = (None, JobStatus.PENDING, JobStatus.RUNNING, JobStatus.FAILED)
    plugins = (None, "ocr", "unknown", "\ud800", "a\0b")
    texts = (None, "ocr", "FACE", "0", "1", least_id(START)[:9], "no such thing", "\0", "\udfff", "%", "e")
    for status, plugin, durable, text in product(statuses, plugins, (None, True, False), texts):
        yield JobFilter(status, plugin, durable=durable, text=text)
    for code, plugin, since, until in product(
        (None, "overloaded", "plugin_failed"),
        (None, "ocr"),
        (None, START + timedelta(minutes=3)),
        (None, START + timedelta(minutes=9)),
    ):
        yield JobFilter(plugin=plugin, error_code=code, since=since, until=until)
        yield JobFilter(plugin=plugin, since=since, until=until, parent_id="b" * 32, text="o")
        yield JobFilter(owner="ann", since=since, until=until)


def is_wanted(job: Job, filter_: JobFilter) -> bool:
    for name in ("status", "plugin", "owner", "parent_id", "error_code", "durable"):
        if getattr(filter_, name) not in (None, getattr(job, name)):
            return False
    if filter_.since is not None and job.created_at < filter_.since:
        return False
    if filter_.until is not None and job.created_at >= filter_.until:
        return False
    text = (filter_.text or "").lower()
    return job.id.startswith(text) or text in job.plugin


async def test_each_filter_shows_its_jobs_and_counts_and_exports_them(store: JobStore, jobs: list[Job]) -> None:
    assert len(jobs) == 12
    for filter_ in filters():
        wanted = [job for job in jobs if is_wanted(job, filter_)]
        seen: list[Job] = []
        cursor = None
        while True:
            page = await store.list(filter_, cursor, limit=5)
            seen += page.jobs
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [replace(job, result=None) for job in reversed(wanted)], filter_
        counts = await store.counts(filter_)
        assert sum(counts.values()) == len(wanted), filter_
        assert counts == {status: [job.status for job in wanted].count(status) for status in counts}
        assert [job async for job in store.export(filter_)] == wanted, filter_


async def test_an_export_holds_results_and_goes_over_many_pages(store: JobStore, running: Make) -> None:
    made = [running() for _ in range(120)]
    for job in made:
        store.record(job)
        store.record_end(ended(job.id, JobStatus.SUCCESS, {"of": job.id}))
    exported = [job async for job in store.export(JobFilter(status=JobStatus.SUCCESS))]
    assert [job.id for job in exported] == [job.id for job in made]
    assert all(job.result == {"of": job.id} for job in exported)


async def test_waiting_says_how_many_and_since_when(store: JobStore, waiting: Make) -> None:
    late = datetime.now(UTC) + timedelta(hours=1)
    old, young = START, START + timedelta(minutes=5)
    first = await add(store, waiting("a", id=id_at(old), created_at=old))
    await add(store, waiting("a", id=id_at(young), created_at=young, not_before=late))
    await add(store, waiting("b", created_at=young), after=[first.id])
    found = {one.plugin: (one.count, one.oldest) for one in await store.waiting()}
    assert found == {"a": (2, old), "b": (1, young)}
    await claim(store, {"a": 1})
    await end(store, first.id)
    found = {one.plugin: (one.count, one.oldest) for one in await store.waiting()}
    assert found == {"a": (1, young), "b": (1, young)}


def test_the_least_id_of_a_moment_parts_the_ids_made_before_from_those_made_after() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=2)
    made = new_job_id()
    after = datetime.now(UTC) + timedelta(milliseconds=2)
    assert least_id(before) <= made < least_id(after)
    assert least_id(START) <= id_at(START) < least_id(START + timedelta(microseconds=1))
    for number in range(1_000):
        moment = START + number * timedelta(days=6, milliseconds=7)  # of which floats round some up
        assert int(least_id(moment)[:12], 16) == int(START.timestamp()) * 1000 + number * (6 * 86_400_000 + 7)
    assert least_id(datetime(1960, 1, 1, tzinfo=UTC)) == "0" * 32
    assert len(least_id(datetime(9999, 12, 31, tzinfo=UTC))) == 32


async def test_what_was_made_in_the_same_millisecond_may_have_been_made_since(store: JobStore, waiting: Make) -> None:
    moment = START + timedelta(microseconds=700)
    job = waiting("ocr", id=id_at(START), created_at=moment)
    await add(store, job)
    found = (await store.list(JobFilter(since=START + timedelta(microseconds=300)))).jobs
    assert [one.id for one in found] == [job.id]
