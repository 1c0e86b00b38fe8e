"""What the machine can do without any server: two processes that call the `stats` function again and again.

``python -m benchmarks.floor SECONDS`` prints calls a second. A call counts with the share that lies within the time.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Barrier, get_context
from multiprocessing.synchronize import Barrier as BarrierType

from benchmarks.plugins.stats import Stats
from benchmarks.sample import jpeg_of_150_kb

PROCESSES = 2
_together: BarrierType


def _adopt(barrier: BarrierType) -> None:
    global _together
    _together = barrier


def _calls_a_second(seconds: float) -> float:
    payload = {"image": jpeg_of_150_kb(), "mime_type": "image/jpeg", "options": {}}
    run = Stats().run
    run(payload)
    _together.wait(60)
    began = time.perf_counter()
    calls = 0
    while (now := time.perf_counter()) - began < seconds:
        run(payload)
        calls += 1
    return calls / (now - began)


def measure_floor(seconds: float) -> float:
    """Calls a second of all processes together."""
    barrier = Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, get_context("fork"), _adopt, (barrier,)) as pool:
        return sum(pool.map(_calls_a_second, [seconds] * PROCESSES))


if __name__ == "__main__":
    print(measure_floor(float(sys.argv[1])))
