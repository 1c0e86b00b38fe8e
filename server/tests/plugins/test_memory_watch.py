"""What a watch sees of a real process's memory."""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from app.plugins.sandbox.memory_watch import EVERY_S, MemoryWatch

MIB = 1024 * 1024
PATIENCE_S = 60
# Takes memory on a thread at every line that it reads; the main thread ends alone when the thread says so.
HEADLESS = """
import ctypes, platform, sys, threading
def grow():
    held = []
    for line in sys.stdin:
        held.append(bytes([1]) * (int(line) << 20))
threading.Thread(target=grow).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""
EXITING = """
import os, sys, threading, time
for _ in range(8):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
held = bytes([1]) * (256 << 20)
sys.stdin.readline()
os._exit(3)
"""


def started(program: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> int:
    process.kill()
    assert process.stdin is not None
    process.stdin.close()
    return process.wait()


@pytest.fixture
def headless() -> "Iterator[subprocess.Popen[str]]":
    process = started(HEADLESS)
    yield process
    ended(process)


async def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


async def test_a_process_without_its_main_thread_is_reported_and_its_memory_seen(
    headless: "subprocess.Popen[str]",
) -> None:
    excess: list[int] = []
    heads: list[None] = []
    watch = MemoryWatch(headless.pid, 128, excess.append, lambda: heads.append(None))
    watch.start()
    await until(lambda: heads)
    assert (excess, watch.grown_bytes()) == ([], 0)
    tell(headless, "160")
    await until(lambda: excess)
    assert min(excess) > 128 * MIB
    assert watch.peak_bytes > 128 * MIB
    watch.close()


async def test_a_process_that_exits_with_all_its_threads_is_not_taken_for_one_without_its_main_one() -> None:
    process = started(EXITING)
    heads: list[None] = []
    watch = MemoryWatch(process.pid, 1024, lambda _: None, lambda: heads.append(None))
    watch.start()
    await until(lambda: watch.peak_bytes > 256 * MIB)
    tell(process, "")
    await until(lambda: process.poll() is not None)
    await asyncio.sleep(0.2)  # some looks at what is not there any more
    watch.close()
    assert (process.returncode, heads) == (3, [])
    ended(process)


async def test_a_watch_that_could_not_look_at_first_looks_again() -> None:
    process = started("import sys; held = bytes([1]) * (160 << 20); sys.stdin.read()")
    excess: list[int] = []
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))  # no file can be opened
    try:
        watch = MemoryWatch(process.pid, 128, excess.append, lambda: None)
        watch.start()
        await asyncio.sleep(4 * EVERY_S)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    await until(lambda: excess)
    watch.close()
    assert min(excess) > 128 * MIB
    ended(process)
