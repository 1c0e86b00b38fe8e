"""Kernel accounting of a worker and all it starts: a memory limit, and an end that nothing escapes.

Control groups of version 1 (memory, pids) or 2 (memory, pids, delegated), where the server may make some below its own;
elsewhere there are none, and other means are used.
"""

import contextlib
import errno
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from app.plugins.sandbox.cgroup_delegation import base_of, delegate

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("memory", "pids")
_TASKS_MAX = 4096
_PREFIX = "sightgate"
_PROC = Path("/proc")
_UNKNOWN = "0"
_TRIAL_MB = 64


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The group of one worker: a folder, or one for each controller in version 1."""

    folders: tuple[Path, ...]
    version: int

    def add(self, pid: int) -> None:
        """Put a process in; what it starts is in too. Raises OSError."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", str(pid))

    def memory_ended_it(self) -> bool:
        """Tell whether the kernel ended a process of the group because of its memory limit."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        for folder in self.folders:
            with contextlib.suppress(OSError):
                for line in (folder / name).read_text().splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill" and int(value):
                        return True
        return False

    def peak_bytes(self) -> int:
        """Return the most memory that the group had, 0 if the kernel does not tell."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError):
                return int((folder / name).read_text())
        return 0

    def end(self) -> None:
        """Kill every process in the group and remove the group. Blocks for a moment."""
        for _ in range(200):
            with contextlib.suppress(OSError):  # version 2 since Linux 5.14: all at once, whatever they start meanwhile
                _write(self.folders[0] / "cgroup.kill", "1")
            left = self.processes()
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not left and self._remove():
                return
            time.sleep(0.005)

    def processes(self) -> list[int]:
        """Return the processes in the group."""
        with contextlib.suppress(OSError, ValueError):
            return [int(pid) for pid in (self.folders[0] / "cgroup.procs").read_text().split()]
        return []

    def _remove(self) -> bool:
        gone = True
        for folder in self.folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # a process is still on its way out
                gone = False
        return gone


class Cgroups:
    """Makes groups below the server's own."""

    def __init__(self, bases: tuple[Path, ...], version: int) -> None:
        self._bases = bases
        self.version = version

    @classmethod
    def detect(cls, *, may_move: bool = False) -> "Cgroups | None":
        """Return what this server may use, proved by putting a process into a group; None where it may use none.

        With ``may_move`` the server may go into a group below its own, where version 2 demands it.
        """
        for bases, version in _candidates(may_move):
            found = cls(bases, version)
            found.sweep()
            if found.holds_processes():
                return found
        return None

    def holds_processes(self) -> bool:
        """Tell whether a group can be made here, limited, and given a process.

        A folder that looks like one is not enough: a group may be made where processes may not be moved to.
        """
        group = None
        waiting = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
        try:
            group = self.make(_TRIAL_MB)
            with subprocess.Popen(waiting, stdin=subprocess.PIPE) as child:
                try:
                    group.add(child.pid)
                    return child.pid in group.processes()
                finally:
                    child.kill()
        except OSError:
            return False
        finally:
            if group is not None:
                group.end()

    def sweep(self) -> None:
        """Remove the groups of servers that were killed."""
        for base in self._bases:
            for folder in base.glob(f"{_PREFIX}-*-*"):
                if not _owner_lives(folder.name):
                    Cgroup((folder,), self.version).end()

    def make(self, memory_mb: int) -> Cgroup:
        """Make a group with a memory limit in MiB. Raises OSError."""
        name = f"{_PREFIX}-{os.getpid()}-{_began(os.getpid())}-{secrets.token_hex(6)}"
        group = Cgroup(tuple(base / name for base in self._bases), self.version)
        try:
            for folder in group.folders:
                folder.mkdir()
            self._limit(group.folders, memory_mb * 1024 * 1024)
        except OSError:
            group.end()
            raise
        return group

    def _limit(self, folders: tuple[Path, ...], most: int) -> None:
        for folder in folders:
            if not (folder / "cgroup.procs").exists():  # a plain folder, where writing would make plain files
                raise FileNotFoundError(errno.ENOENT, "no control group", str(folder))
        memory, pids = folders[0], folders[-1]
        _write(pids / "pids.max", str(_TASKS_MAX))
        if self.version == 2:
            _write(memory / "memory.max", str(most))
            optional = {"memory.swap.max": "0", "memory.oom.group": "1"}  # not every kernel has them
        else:
            _write(memory / "memory.limit_in_bytes", str(most))
            optional = {"memory.memsw.limit_in_bytes": str(most)}
        for name, value in optional.items():
            with contextlib.suppress(OSError):
                _write(memory / name, value)


def _owner_lives(name: str) -> bool:
    """Tell whether the server that made the group of this name still runs.

    The number of a dead one may be another process's by now, even another server's: the name tells when it began too.
    A name without that, or a process that may not be looked into, is judged by the number alone.
    """
    _, number, *rest = name.split("-")
    if not number.isdecimal() or not (_PROC / number).exists():
        return False
    told = rest[0] if len(rest) > 1 else _UNKNOWN
    began = _began(int(number))
    return _UNKNOWN in (told, began) or told == began


def _began(pid: int) -> str:
    """Return when a process began, in clock ticks since the system's start."""
    with contextlib.suppress(OSError, IndexError):
        # The name of the program, in brackets, may hold anything.
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return _UNKNOWN


def _candidates(may_move: bool) -> list[tuple[tuple[Path, ...], int]]:
    """Return the folders of the server's own groups, by version: those that could hold a worker's."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    # Seen from outside of its namespace a group lies above the root that can be seen here.
    own = {controllers: path for controllers, path in own.items() if ".." not in Path(path).parts}
    found: list[tuple[tuple[Path, ...], int]] = []
    if set(_CONTROLLERS) <= set(own):
        found.append((tuple(_ROOT / name / own[name] for name in _CONTROLLERS), 1))
    if "" in own and delegate(base := base_of(_ROOT / own[""]), _CONTROLLERS, may_move=may_move):
        found.append(((base,), 2))
    return found


def _write(file: Path, value: str) -> None:
    """Write to a file of the kernel's; never make one."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
