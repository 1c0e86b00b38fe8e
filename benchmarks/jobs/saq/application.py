"""SAQ on Redis: as it comes, two worker processes of ten jobs at once. Its jobs are JSON: base64."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from saq import Queue

from benchmarks.jobs import tally

queue = Queue.from_url(os.environ["BENCHMARK_URL"])


async def analyze(ctx, *, data):
    return tally.run(base64.b64decode(data))


settings = {"queue": queue, "functions": [analyze]}


class Submitter(tally.Counted):
    at_once = 20

    async def enqueue(self, number: int, image: bytes) -> None:
        await queue.enqueue("analyze", data=base64.b64encode(image).decode())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    await queue.connect()
    yield Submitter()
    await queue.disconnect()
