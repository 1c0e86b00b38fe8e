"""A page of a listing out of very many jobs, read from the store itself, with each filter.

``python -m benchmarks.jobs.listing JOBS`` fills a store and prints one JSON line; where, its environment says.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from app.governance.job_lifecycle import JobStatus
from app.storage.job_ids import new_job_id
from app.storage.records import Job, JobEnd, JobFilter
from app.storage.store import JobStore
from benchmarks.jobs.figures import Listing
from benchmarks.jobs.sightgate.in_process import build_services

PLUGINS, PAGE, REPETITIONS = 20, 50, 30
CODES = ("plugin_failed", "plugin_timeout", "plugin_crashed", "invalid_output")
# Recorded at once; then the store is waited for: it drops what is too much.
GROUP = 2_000


async def measure(jobs: int) -> list[Listing]:
    services = build_services()
    store = services.store
    await store.start()
    try:
        moments = [await _fill(store, jobs // 10) for _ in range(10)]
        await store.check()
        name = "PostgreSQL" if store.shared else "SQLite"
        return [await _time(store, name, what, one) for what, one in _filters(moments).items()]
    finally:
        await store.close()


def _filters(moments: Sequence[datetime]) -> dict[str, JobFilter]:
    return {
        "no filter": JobFilter(),
        "status FAILED": JobFilter(status=JobStatus.FAILED),
        "status CANCELLED (1 in 1000)": JobFilter(status=JobStatus.CANCELLED),
        "status PENDING (none)": JobFilter(status=JobStatus.PENDING),
        "one plugin of 20": JobFilter(plugin="plugin-07"),
        "one plugin, FAILED": JobFilter(plugin="plugin-07", status=JobStatus.FAILED),
        "an error code": JobFilter(error_code=CODES[0]),
        "an error code of a plugin": JobFilter(error_code=CODES[1], plugin="plugin-03"),
        "the oldest tenth, FAILED": JobFilter(until=moments[0], status=JobStatus.FAILED),
        "a tenth in the middle": JobFilter(since=moments[4], until=moments[5]),
        "waiting calls only": JobFilter(durable=False),
        "accepted jobs only (none)": JobFilter(durable=True),
        "text in the plugin's name": JobFilter(text="gin-1"),
        "text that is nowhere": JobFilter(text="nowhere"),
    }


async def _fill(store: JobStore, jobs: int) -> datetime:
    """Record so many calls that have ended; return when that was done."""
    for first in range(0, jobs, GROUP):
        for number in range(first, min(first + GROUP, jobs)):
            now = datetime.now(UTC)
            job = Job(new_job_id(), f"plugin-{number % PLUGINS:02}", JobStatus.RUNNING, now, started_at=now)
            store.record(job)
            store.record_end(_end(job, number))
        await store.list(JobFilter(), limit=1)  # after all that was recorded before
    assert store.lost_records == 0
    return datetime.now(UTC)


def _end(job: Job, number: int) -> JobEnd:
    # Apart from the plugin's number, so that each plugin has each end.
    chance = number // PLUGINS % 1000
    if chance == 0:
        return JobEnd(job.id, JobStatus.CANCELLED, None, _error("cancelled"), job.created_at, 0.1, 1.0)
    if chance < 80:
        error = _error(CODES[chance % len(CODES)])
        return JobEnd(job.id, JobStatus.FAILED, None, error, job.created_at, 0.1, 1.0)
    return JobEnd(job.id, JobStatus.SUCCESS, {"bytes": number, "text": "x" * 200}, None, job.created_at, 0.1, 1.0)


def _error(code: str) -> dict[str, object]:
    return {"type": "PluginError", "message": "it failed", "details": {"code": code, "retryable": False}}


async def _time(store: JobStore, name: str, what: str, filter_: JobFilter) -> Listing:
    """The first page and the two after it, again and again."""
    took = []
    for _ in range(REPETITIONS):
        cursor = None
        for _ in range(3):
            began = time.perf_counter()
            page = await store.list(filter_, cursor, PAGE)
            took.append((time.perf_counter() - began) * 1000)
            cursor = page.next_cursor
            if cursor is None:
                break
    took.sort()
    return Listing(name, what, took[len(took) // 2], took[-1])


def main() -> None:
    print(json.dumps([asdict(one) for one in asyncio.run(measure(int(sys.argv[1])))]))


if __name__ == "__main__":
    main()
