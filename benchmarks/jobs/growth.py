"""Whether a server's memory stays flat: many jobs over HTTP, and its processes' share of memory in between."""

import asyncio
import io
import os

from PIL import Image

from benchmarks.jobs.catalog import QUEUES
from benchmarks.jobs.driver import Driver
from benchmarks.jobs.figures import Growth
from benchmarks.jobs.rounds import Place, placed
from benchmarks.jobs.sightgate import over_http
from benchmarks.peers.environments import prepare_environment
from benchmarks.peers.processes import find_processes, measure_memory

STEPS = 10


def measure_growth(jobs: int) -> list[Growth]:
    """Memory before, after each tenth, and at the end. Raises ValueError if a job does not run."""
    queue = next(queue for queue in QUEUES if queue.application == over_http.__name__)
    with placed(queue, prepare_environment(queue)) as place:
        os.environ["BENCHMARK_PORT"] = str(place.port)
        return asyncio.run(_measure(place, jobs))


async def _measure(place: Place, jobs: int) -> list[Growth]:
    async with over_http.submitter() as submitter:
        driver = Driver(submitter, _small_image())
        # Caches fill first: that is no growth.
        await driver.run(jobs // STEPS)
        grown = [_now(place, 0)]
        for step in range(1, STEPS + 1):
            await driver.run(jobs // STEPS)
            grown.append(_now(place, step * (jobs // STEPS)))
    return grown


def _now(place: Place, jobs: int) -> Growth:
    # Not this process, which keeps the id of every job that it sent.
    memory = measure_memory(find_processes(None, place.mark + "-0"))
    print(f"  after {jobs} jobs {memory.mib:.1f} MiB", flush=True)
    return Growth(jobs, memory.mib, memory.exact)


def _small_image() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG")
    return buffer.getvalue()
