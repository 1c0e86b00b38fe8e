"""Huey on SQLite: as it comes, two worker processes. One caller enqueues: more only wait for the database's lock."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from huey import SqliteHuey

from benchmarks.jobs import tally

huey = SqliteHuey("benchmark", filename=os.environ["BENCHMARK_FOLDER"] + "/huey.db")


@huey.task()
def analyze(data):
    return tally.run(data)


class Submitter(tally.Counted):
    at_once = 1

    async def enqueue(self, number: int, image: bytes) -> None:
        analyze(image)


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    yield Submitter()
