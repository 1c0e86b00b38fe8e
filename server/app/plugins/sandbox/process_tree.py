"""End a worker and every process it started."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

WORKER_VARIABLE = "SIGHTGATE_WORKER"
_PROC = Path("/proc")


def new_mark() -> str:
    """Return the mark that a worker and its children carry in their environment."""
    return secrets.token_hex(16)


async def end_process_tree(process: "subprocess.Popen[bytes]", mark: str) -> int:
    """Kill a worker with its process group and whatever left the group; return the worker's exit status.

    Returns when the worker is gone and reaped, so that nothing of the call runs on.
    """
    strays = _descendants(process.pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    status = await wait_for_exit(process)
    _kill(strays)
    # What was started between the look and the kill, or was orphaned before: told by the mark it inherited.
    _kill(_marked(mark))
    return status


async def wait_for_exit(process: "subprocess.Popen[bytes]", seconds: float = 30.0) -> int:
    """Return the exit status as soon as there is one; raises TimeoutError if the kernel does not end it."""
    pause, waited = 0.0005, 0.0
    while (status := process.poll()) is None:
        if waited > seconds:
            raise TimeoutError(f"process {process.pid} does not end")
        await asyncio.sleep(pause)
        waited += pause
        pause = min(pause * 1.5, 0.02)
    return status


def _kill(pids: "Iterator[int] | list[int]") -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    pending = [pid]
    while pending and len(found) < 10_000:
        current = pending.pop()
        for listing in (_PROC / str(current) / "task").glob("*/children"):
            with contextlib.suppress(OSError, ValueError):
                children = [int(child) for child in listing.read_text().split()]
                found += children
                pending += children
    return found


def _marked(mark: str) -> list[int]:
    wanted = f"{WORKER_VARIABLE}={mark}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found
