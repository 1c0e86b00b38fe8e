"""Kernel accounting of a worker and all it starts: a memory limit, and an end that nothing escapes.

Control groups of version 1 (memory, pids) or 2 (memory, pids, delegated), where the server may make some below its own;
elsewhere there are none, and other means are used.
"""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_TASKS_MAX = 4096
_PREFIX = "sightgate"


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The group of one worker: a folder, or one for each controller in version 1."""

    folders: tuple[Path, ...]
    version: int

    def add(self, pid: int) -> None:
        """Put a process in; what it starts is in too. Raises OSError."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

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
            left = self._processes()
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not left and self._remove():
                return
            time.sleep(0.005)

    def _processes(self) -> list[int]:
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
    def detect(cls) -> "Cgroups | None":
        """Return what this server may use, found by making a group; None where it may make none."""
        for bases, version in _candidates():
            found = cls(bases, version)
            found.sweep()
            with contextlib.suppress(OSError):
                found.make(64).end()
                return found
        return None

    def sweep(self) -> None:
        """Remove the groups of servers that were killed."""
        for base in self._bases:
            for folder in base.glob(f"{_PREFIX}-*-*"):
                owner = folder.name.split("-")[1]
                if not (Path("/proc") / owner).exists():
                    Cgroup((folder,), self.version).end()

    def make(self, memory_mb: int) -> Cgroup:
        """Make a group with a memory limit in MiB. Raises OSError."""
        name = f"{_PREFIX}-{os.getpid()}-{secrets.token_hex(6)}"
        group = Cgroup(tuple(base / name for base in self._bases), self.version)
        try:
            for folder in group.folders:
                folder.mkdir()
            self._limit(group.folders, memory_mb * 1024 * 1024)
        except OSError:
            group.end()
            raise
        return group

    def _limit(self, folders: Iterable[Path], most: int) -> None:
        for folder in folders:
            if self.version == 2:
                (folder / "memory.max").write_text(str(most))
                with contextlib.suppress(OSError):  # not every kernel accounts for swap
                    (folder / "memory.swap.max").write_text("0")
            elif (folder / "memory.limit_in_bytes").exists():
                (folder / "memory.limit_in_bytes").write_text(str(most))
                with contextlib.suppress(OSError):
                    (folder / "memory.memsw.limit_in_bytes").write_text(str(most))
            if (folder / "pids.max").exists():
                (folder / "pids.max").write_text(str(_TASKS_MAX))


def _candidates() -> list[tuple[tuple[Path, ...], int]]:
    """Return the folders of the server's own groups, by version: those that could hold a worker's."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    found: list[tuple[tuple[Path, ...], int]] = []
    if "memory" in own and "pids" in own:
        found.append(((_ROOT / "memory" / own["memory"], _ROOT / "pids" / own["pids"]), 1))
    if "" in own:
        base = _ROOT / own[""]
        with contextlib.suppress(OSError):
            if {"memory", "pids"} <= set((base / "cgroup.controllers").read_text().split()):
                (base / "cgroup.subtree_control").write_text("+memory +pids")
                found.append(((base,), 2))
    return found
