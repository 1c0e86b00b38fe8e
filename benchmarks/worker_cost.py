"""What a worker process adds to a plugin's own call: there and back over the socket, without the gate."""

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from app.plugins.loader.plugin_discovery import DiscoveryOptions, describe_source
from app.plugins.sandbox.confinement import Confinement, WorkerSpec
from app.plugins.sandbox.home_loop import HomeLoop
from app.plugins.sandbox.pool import PoolOptions, ProcessWorkers
from benchmarks.plugins.null import Null
from sightgate.manifest import Source

CALLS = 4_000
PLUGIN_FILE = Path(__file__).parent / "plugins" / "null.py"


@dataclass(frozen=True)
class WorkerCost:
    """Microseconds a call: the function itself, and the worker's median and 99th percentile over it."""

    bare_us: float
    p50_us: float
    p99_us: float


async def measure_worker(image: bytes) -> WorkerCost:
    payload = {"image": image, "mime_type": "image/jpeg", "options": {}}
    home = HomeLoop()
    home.adopt()
    with tempfile.TemporaryDirectory() as scratch:
        confinement = Confinement(Path(scratch))
        source = Source("path", str(PLUGIN_FILE), "null")
        found = (await describe_source(source, sys.executable, {}, DiscoveryOptions(confinement)))[0]
        assert found.manifest is not None, found.reason
        limits = found.manifest.limits
        options = PoolOptions(confinement)
        pool = ProcessWorkers(WorkerSpec(source, "null"), found.manifest, limits, home, options, print)
        bare = Null().run
        own, times = [], []
        for _ in range(CALLS):
            began = time.perf_counter()
            bare(payload)
            between = time.perf_counter()
            await pool.run_async(payload)
            times.append(time.perf_counter() - between)
            own.append(between - began)
        await pool.close()
    bare_us = statistics.median(own) * 1e6
    ordered = sorted(times)
    return WorkerCost(bare_us, ordered[CALLS // 2] * 1e6 - bare_us, ordered[CALLS * 99 // 100] * 1e6 - bare_us)


def run_worker_benchmark(image: bytes) -> WorkerCost:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(measure_worker(image))
    return uvloop.run(measure_worker(image))
