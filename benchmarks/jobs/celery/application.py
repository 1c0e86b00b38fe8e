"""Celery on Redis: as it comes with JSON, results kept, two worker processes. Bytes travel as base64 of its own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery

from benchmarks.jobs import tally

app = Celery("benchmark", broker=os.environ["BENCHMARK_URL"], backend=os.environ["BENCHMARK_URL"])
app.conf.broker_connection_retry_on_startup = True


@app.task(name="analyze")
def analyze(data):
    return tally.run(data)


class Submitter(tally.Counted):
    at_once = 1

    async def enqueue(self, number: int, image: bytes) -> None:
        analyze.delay(image)


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    yield Submitter()
