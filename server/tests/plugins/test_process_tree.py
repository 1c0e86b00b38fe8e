"""A worker's end is the end of everything it started."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.plugins.sandbox.process_tree import WORKER_VARIABLE, end_process_tree, new_mark, wait_for_exit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
PATIENCE_S = 60

FAMILY = {
    "a child": "subprocess.Popen(sleep)",
    "a child in its own session": "subprocess.Popen(sleep, start_new_session=True)",
    "a child that forgot its environment": "subprocess.Popen(sleep, start_new_session=True, env={})",
    "an orphan": "subprocess.Popen([sys.executable, '-c', 'import subprocess, sys; p = subprocess.Popen(['"
    '\'sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True); print(p.pid)\'],'
    " stdout=subprocess.PIPE, text=True)",
}

WORKER = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = {child}
pid = int(child.stdout.readline()) if child.stdout else child.pid
if child.stdout:
    child.wait()
print(pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(pid: int) -> bool:
    give_up = time.monotonic() + PATIENCE_S
    while runs(pid) and time.monotonic() < give_up:
        await asyncio.sleep(0.005)
    return not runs(pid)


class Started:
    def __init__(self, program: str) -> None:
        self.mark = new_mark()
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, WORKER_VARIABLE: self.mark},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("kind", FAMILY)
async def test_all_of_the_family_ends_and_nobody_else(kind: str, bystander: subprocess.Popen[bytes]) -> None:
    worker = Started(WORKER.format(child=FAMILY[kind]))
    child = int(worker.line())
    assert runs(child)
    assert await end_process_tree(worker.process, worker.mark) == -9
    assert not runs(worker.process.pid)
    assert await gone(child)
    assert bystander.poll() is None


async def test_what_a_worker_left_behind_ends_even_if_the_worker_is_gone() -> None:
    worker = Started(WORKER.format(child=FAMILY["a child in its own session"]).replace("time.sleep(600)\n", "") + "\n")
    child = int(worker.line())
    assert await wait_for_exit(worker.process, PATIENCE_S) == 0
    assert runs(child)
    assert await end_process_tree(worker.process, worker.mark) == 0
    assert await gone(child)


async def test_the_status_of_a_worker_that_ended_by_itself_is_its_own() -> None:
    worker = Started("raise SystemExit(7)")
    assert await wait_for_exit(worker.process, PATIENCE_S) == 7
    assert await end_process_tree(worker.process, worker.mark) == 7


async def test_waiting_for_one_that_does_not_end_gives_up() -> None:
    worker = Started("import time; time.sleep(600)")
    with pytest.raises(TimeoutError, match="does not end"):
        await wait_for_exit(worker.process, 0.05)
    await end_process_tree(worker.process, worker.mark)


def test_no_two_workers_have_the_same_mark() -> None:
    assert len({new_mark() for _ in range(1_000)}) == 1_000
