"""Gives jobs to one queue and times them. Runs in the queue's own environment; standard library only.

``python -m benchmarks.jobs.driver MODULE JOBS PICKS < IMAGE`` prints one JSON line.
"""

import asyncio
import importlib
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Protocol

from benchmarks.jobs.images import numbered

WARM_UP_JOBS = 40
# Several processes work: one may run all of the first jobs while the other still starts.
SETTLE_S = 2.0
LOOK_EVERY_S = 0.01
REST_S = (0.15, 0.35)
PATIENCE_S = 120.0


class Submitter(Protocol):
    """What each queue's `application.py` gives: `submitter()`, a context that yields this."""

    # How many callers hand in jobs at once: as many as make it fastest.
    at_once: int

    async def enqueue(self, number: int, image: bytes) -> None:
        """Return when the queue has accepted the job."""

    async def all_done(self, jobs: int) -> bool:
        """Whether all of the `jobs` that were enqueued so far have run. Raises ValueError for one that ran wrong."""

    async def started_ns(self, number: int) -> int | None:
        """When the job's function began (monotonic clock), or None."""

    async def ran_twice(self) -> int:
        """How many runs were beyond one a job."""


class Driver:
    """Counts the jobs of one run."""

    def __init__(self, submitter: Submitter, image: bytes) -> None:
        self._submitter = submitter
        self._image = image
        self._numbers = count()
        self._enqueued = 0

    async def run(self, jobs: int) -> tuple[float, float]:
        """Enqueue that many; seconds until all were accepted, and until all had run."""
        numbers = iter([next(self._numbers) for _ in range(jobs)])
        began = time.perf_counter()
        await asyncio.gather(*(self._caller(numbers) for _ in range(self._submitter.at_once)))
        accepted = time.perf_counter()
        await self.wait()
        return accepted - began, time.perf_counter() - began

    async def wait(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not await self._submitter.all_done(self._enqueued):
            if time.monotonic() > until:
                raise ValueError(f"its jobs were not done {PATIENCE_S:.0f} s after the last was accepted")
            await asyncio.sleep(LOOK_EVERY_S)

    async def pick_up_ms(self) -> float:
        """From the call that enqueues one job, when nothing else is there, to the beginning of its function."""
        await asyncio.sleep(random.uniform(*REST_S))
        number = next(self._numbers)
        image = numbered(self._image, number)
        began = time.monotonic_ns()
        await self._submitter.enqueue(number, image)
        self._enqueued += 1
        await self.wait()
        started = await self._submitter.started_ns(number)
        if started is None:
            raise ValueError("a job has run that nobody began")
        return (started - began) / 1e6

    async def _caller(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._submitter.enqueue(number, numbered(self._image, number))
            self._enqueued += 1


async def measure(module: str, jobs: int, picks: int, image: bytes) -> dict[str, object]:
    opened: AbstractAsyncContextManager[Submitter] = importlib.import_module(module).submitter()
    async with opened as submitter:
        driver = Driver(submitter, image)
        await driver.run(WARM_UP_JOBS)
        await asyncio.sleep(SETTLE_S)
        await driver.run(WARM_UP_JOBS)
        enqueue_s, done_s = await driver.run(jobs)
        picked = [await driver.pick_up_ms() for _ in range(picks)]
        twice = await submitter.ran_twice()
    return {"jobs": jobs, "enqueue_s": enqueue_s, "done_s": done_s, "pick_up_ms": picked, "twice": twice}


def main() -> None:
    module, jobs, picks = sys.argv[1:]
    work = measure(module, int(jobs), int(picks), sys.stdin.buffer.read())
    try:
        import uvloop
    except ImportError:
        answer = asyncio.run(work)
    else:
        answer = uvloop.run(work)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
