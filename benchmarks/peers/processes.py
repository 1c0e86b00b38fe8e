"""The processes of a server: which they are, what memory they hold, and how they are ended."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# An environment variable with a value of its own for each start: it marks what a server starts and disowns.
MARK = "BENCHMARK_SERVER"
PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same number by its start (clock ticks since the machine's)."""

    pid: int
    parent: int
    started: int


@dataclass(frozen=True)
class Memory:
    """Proportional set size of a whole tree, MiB. Not exact: where the kernel refused it, resident size stands in."""

    mib: float
    exact: bool


def find_processes(root: int | None, mark: str) -> list[Process]:
    """The process `root` if one is given, all below it, and all that carry the mark, with all below them."""
    everyone = [process for entry in PROC.glob("[0-9]*") if (process := _read_process(int(entry.name)))]
    found = {process.pid for process in everyone if process.pid == root or _is_marked(process.pid, mark)}
    grown = True
    while grown:
        below = {process.pid for process in everyone if process.parent in found} - found
        found |= below
        grown = bool(below)
    return [process for process in everyone if process.pid in found]


def measure_memory(processes: list[Process]) -> Memory:
    """Add up the processes' shares. One that ended meanwhile counts nothing."""
    sizes = [_memory_kib(process.pid) for process in processes]
    return Memory(sum(size for size, _ in sizes) / 1024, all(exact for _, exact in sizes))


def stop(server: "subprocess.Popen[bytes]", mark: str, patience_s: float = 15.0) -> None:
    """Ask the server to end, wait, then kill what is left of its processes."""
    known = find_processes(server.pid, mark)
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(patience_s)
    for process in _wait_for_end(known, server.pid, mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    server.wait()
    _wait_for_end(known, server.pid, mark)


def _wait_for_end(known: list[Process], root: int, mark: str, patience_s: float = 3.0) -> list[Process]:
    """What is left of the processes when none is, or patience has run out."""
    until = time.monotonic() + patience_s
    while (left := _left_of(known, root, mark)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _left_of(known: list[Process], root: int, mark: str) -> list[Process]:
    same = [process for process in known if (now := _read_process(process.pid)) and now.started == process.started]
    marked = find_processes(root, mark)
    return list({process.pid: process for process in [*same, *marked]}.values())


def _read_process(pid: int) -> Process | None:
    try:
        # After the name, which may hold anything, stand: state, parent, …; the start is field 22.
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else Process(pid, int(fields[1]), int(fields[19]))


def _is_marked(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _memory_kib(pid: int) -> tuple[float, bool]:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]), True
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, True
    except PermissionError:
        # A worker that is not dumpable shows its maps to root alone.
        return _resident_kib(pid), False
    return 0.0, True


def _resident_kib(pid: int) -> float:
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
