"""Procrastinate on PostgreSQL: two worker processes of four jobs at once. Its arguments are JSON: base64."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import procrastinate

from benchmarks.jobs import tally

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCHMARK_URL"]))


@app.task(name="analyze")
async def analyze(data):
    return tally.run(base64.b64decode(data))


class Submitter(tally.Counted):
    at_once = 10

    async def enqueue(self, number: int, image: bytes) -> None:
        await analyze.defer_async(data=base64.b64encode(image).decode())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submitter]:
    async with app.open_async():
        yield Submitter()
