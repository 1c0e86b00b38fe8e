"""The hub: what watches are told, and that a slow reader costs nothing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.governance.job_lifecycle import JobStatus
from app.services.job_events import MOST_CHANGED, MOST_PROGRESS, JobEvents
from app.services.job_streams import status_history
from app.storage.records import Attempt, Job

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def job(number: int = 1, status: JobStatus = JobStatus.RUNNING, batch: str | None = None) -> Job:
    return Job(f"{number:032x}", "ant", status, NOW, durable=True, parent_id=batch)


@pytest.fixture
def events() -> JobEvents:
    return JobEvents()


async def test_a_change_is_told_to_those_who_watch_the_job_its_batch_or_all(events: JobEvents) -> None:
    one = job(batch="b")
    with (
        events.watch_job(one.id) as mine,
        events.watch_batch("b") as batch,
        events.watch_all() as every,
        events.watch_job("another") as other,
    ):
        events.changed(one)
        assert [await watch.wait(0.01) for watch in (mine, batch, every, other)] == [True, True, True, False]
        assert every.take() == ({one.id: one}, False)
    assert not events.watched
    assert events.watchers == 0


async def test_a_slow_reader_is_given_the_last_state_of_each_job(events: JobEvents) -> None:
    with events.watch_all() as watch:
        for _ in range(10_000):
            events.changed(job(1))
        last = replace(job(1), status=JobStatus.SUCCESS, ended_at=NOW)
        events.changed(last)
        assert watch.take() == ({last.id: last}, False)


async def test_a_reader_that_falls_far_behind_is_told_that_it_missed_something(events: JobEvents) -> None:
    with events.watch_all() as watch:
        for number in range(MOST_CHANGED * 3):
            events.changed(job(number))
        changed, missed = watch.take()
        assert missed
        assert len(changed) <= MOST_CHANGED
        assert watch.take() == ({}, False)


async def test_when_jobs_were_removed_all_who_watch_look_again(events: JobEvents) -> None:
    changed = job(1)
    with events.watch_job(changed.id) as mine, events.watch_batch("b") as batch, events.watch_all() as every:
        events.changed(changed)
        mine.stale = False
        events.many_changed()
        assert [await watch.wait(0.01) for watch in (mine, batch, every)] == [True, True, True]
        assert mine.stale
        assert every.take() == ({changed.id: changed}, True)


async def test_progress_wakes_a_reader_without_making_it_read_the_row_again(events: JobEvents) -> None:
    with events.watch_job("a") as watch:
        watch.stale = False
        events.progressed("a", 1, 3, "one \ud800")
        assert await watch.wait(1)
        assert not watch.stale
    told = events.progress_of("a")
    assert told is not None
    assert told.to_data() == {"done": 1, "total": 3, "message": "one ?"}


@pytest.mark.parametrize(("done", "total"), [(float("nan"), 1), (1, float("inf"))])
async def test_progress_that_is_no_number_is_left_out(events: JobEvents, done: float, total: float) -> None:
    events.progressed("a", done, total, "")
    assert events.progress_of("a") is None


async def test_progress_is_forgotten_with_the_run_and_bounded_in_any_case(events: JobEvents) -> None:
    events.progressed("a", 1, 3, "")
    events.forget("a")
    assert events.progress_of("a") is None
    for number in range(MOST_PROGRESS + 10):
        events.progressed(str(number), 1, 3, "")
    assert events.progress_of("0") is None
    assert events.progress_of(str(MOST_PROGRESS + 9)) is not None


async def test_closing_ends_every_watch_and_those_that_come(events: JobEvents) -> None:
    with events.watch_job("a") as watch, events.watch_all() as every:
        waiting = asyncio.create_task(watch.wait(60))
        await asyncio.sleep(0)
        events.close()
        assert await waiting
        assert watch.closed
        assert every.closed
        with events.watch_batch("late") as late:
            assert late.closed


def test_the_history_of_a_job_is_its_attempts() -> None:
    def attempt(number: int, outcome: str | None) -> Attempt:
        return Attempt("a", number, "server", 1, NOW, NOW, outcome, "plugin_failed" if outcome == "retried" else None)

    told = list(status_history(job(), [attempt(1, "retried"), attempt(2, "interrupted"), attempt(3, "SUCCESS")]))
    assert [(entry["status"], entry["attempt"], entry["outcome"]) for entry in told] == [
        ("PENDING", 0, None),
        ("RUNNING", 1, None),
        ("PENDING", 1, "retried"),
        ("RUNNING", 2, None),
        ("PENDING", 2, "interrupted"),
        ("RUNNING", 3, None),
    ]
    assert told[2]["error_code"] == "plugin_failed"
    cancelled = replace(job(status=JobStatus.CANCELLED), ended_at=NOW)  # as its server handed it back
    assert [entry["status"] for entry in status_history(cancelled, [attempt(1, "handed_back")])] == [
        "PENDING",
        "RUNNING",
    ]
    later = replace(cancelled, ended_at=NOW + timedelta(seconds=1))  # as it waited
    assert [entry["status"] for entry in status_history(later, [attempt(1, "handed_back")])][2:] == ["PENDING"]
    call = replace(job(), durable=False)
    assert [entry["status"] for entry in status_history(call, [attempt(1, None)])] == ["RUNNING"]
