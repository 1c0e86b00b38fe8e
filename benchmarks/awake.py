"""Keeps the processors from going to sleep, so that a latency is that of the code.

A virtual processor with nothing to do is given back to the host. To wake it costs tens of microseconds, and the code
that runs next finds its caches and branch predictors cold: two processes that take turns pay for both at each turn.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# The scheduler runs it only where nothing else wants to run, and puts whatever wakes up in its place at once.
_SPIN = """
import os, sys
os.nice(19)
if hasattr(os, "SCHED_IDLE"):
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
parent = int(sys.argv[1])
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def awake_processors() -> Iterator[None]:
    """Run an idle-priority loop for each processor meanwhile."""
    command = [sys.executable, "-c", _SPIN, str(os.getpid())]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
