"""Ends the call of a worker that keeps more in its scratch folder than it may, in bytes or in number of files.

The kernel limits one file, not a folder. A plugin may hide what it wrote: in folders that cannot be listed, too deep
for a path, or in files that are deleted but still open. The first two are seen; the last is seen where the server may
look into the worker's descriptors, which takes root's powers.
"""

import asyncio
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.plugins.sandbox.memory_watch import SHORT_OF_FILES

EVERY_S = 0.25
# However much is in there, looking takes at most this share of a core.
_SHARE_OF_A_CORE = 0.05
MOST_FILES = 20_000
_MOST_OPEN_FOLDERS = 64
_BLOCK = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# One for all: a plugin that makes it slow to look keeps no thread from the rest of the server.
_looking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sightgate-scratch")


@dataclass(frozen=True, slots=True)
class ScratchUse:
    """What is in a scratch folder: bytes on disk, and entries. ``too_deep``: it is nested so that no end was found."""

    used_bytes: int = 0
    files: int = 0
    too_deep: bool = False

    def exceeds(self, limit_bytes: int) -> bool:
        return self.used_bytes > limit_bytes or self.files > MOST_FILES or self.too_deep


class ScratchWatch:
    """Looks at a worker's scratch folder four times a second, while it is watched.

    One that was found empty is not looked at again before the worker has run or the folder has changed. The folder
    alone does not tell: a file that was never named, or was deleted while it was empty, is filled without changing it.
    """

    def __init__(self, folder: Path, pid: int, limit_mb: int, on_excess: Callable[[ScratchUse], None]) -> None:
        self._folder = folder
        self._pid = pid
        self._limit = limit_mb * 1024 * 1024
        self._on_excess = on_excess
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._empty_since: tuple[int, int] | None = None

    def start(self, after_s: float = EVERY_S) -> None:
        """Watch from now on."""
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(after_s, self._look)

    def close(self) -> None:
        """Stop watching."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        changed = self._last_change()
        if changed is not None and changed == self._empty_since:  # the usual case, without a thread
            self.start()
            return
        looking = asyncio.get_running_loop().run_in_executor(_looking, _look, self._folder, self._pid, self._limit)
        looking.add_done_callback(lambda done: self._saw(done, changed))

    def _saw(self, done: "asyncio.Future[tuple[ScratchUse, float]]", changed: tuple[int, int] | None) -> None:
        if self._closed or done.cancelled():
            return
        seen = done.exception() is None  # else the server was short of something: it looks again
        use, took_s = done.result() if seen else (ScratchUse(), 0.0)
        self._empty_since = changed if seen and use.files == 0 and use.used_bytes == 0 else None
        if use.exceeds(self._limit):
            self._on_excess(use)
        self.start(max(EVERY_S, took_s / _SHARE_OF_A_CORE))

    def _last_change(self) -> tuple[int, int] | None:
        """Return when the folder changed and how long the worker has run, in nanoseconds; None if that is not told."""
        with suppress(OSError, OverflowError):
            return self._folder.stat().st_mtime_ns, time.clock_gettime_ns(_processor_clock(self._pid))
        return None


def _look(folder: Path, pid: int, most_bytes: int) -> tuple[ScratchUse, float]:
    """Return what is in a folder, and how many seconds of a core it took to look, however long."""
    began = time.thread_time()
    return measure(folder, pid, most_bytes), time.thread_time() - began


def measure(folder: Path, pid: int, most_bytes: int) -> ScratchUse:
    """Return what is in ``folder``, or as much of it as exceeds the limits, and what process ``pid`` holds deleted.

    Raises OSError where the server itself may open no other file, and so cannot tell.
    """
    used = files = 0
    seen: set[int] = set()
    try:
        for found in _entries(folder):
            files += 1
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                if found.st_ino in seen:
                    continue
                seen.add(found.st_ino)
            used += found.st_blocks * _BLOCK
            if used > most_bytes or files > MOST_FILES:
                return ScratchUse(used, files)
    except _TooDeep:
        return ScratchUse(used, files, too_deep=True)
    held = _held_deleted(folder, pid)
    return ScratchUse(used + sum(held), files + len(held))


def _processor_clock(pid: int) -> int:
    """Return the clock of the time that a process has run, in all its threads, as the kernel numbers them."""
    return (~pid << 3) | 2


def _entries(top: Path) -> Iterator[os.stat_result]:
    """Yield what is below a folder. Folders are opened one in another, since a path may be longer than allowed."""
    way: list[_Level] = []
    try:
        with _suppress_others():
            way.append(_Level(os.open(top, _FOLDER), []))
            yield from way[-1].list()
        while way:
            level = way[-1]
            inner = _open(level.folders.pop(), level.descriptor) if level.folders else None
            if not level.folders:  # nothing is left to come back for
                os.close(way.pop().descriptor)
            if inner is not None:
                way.append(_Level(inner, []))
                yield from way[-1].list()
            if len(way) > _MOST_OPEN_FOLDERS:
                raise _TooDeep
    finally:
        for level in way:
            os.close(level.descriptor)


@dataclass(frozen=True, slots=True)
class _Level:
    """An open folder on the way down, and the folders in it that are still to be looked into."""

    descriptor: int
    folders: list[str]

    def list(self) -> Iterator[os.stat_result]:
        with _suppress_others(), os.scandir(self.descriptor) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        self.folders.append(entry.name)


def _open(name: str, within: int) -> int | None:
    for _ in range(2):
        with _suppress_others():
            try:
                return os.open(name, _FOLDER, dir_fd=within)
            except PermissionError:  # made so that it can be written, but not be listed
                os.chmod(name, stat.S_IRWXU, dir_fd=within)
                continue
        return None
    return None


@contextmanager
def _suppress_others() -> Iterator[None]:
    """Suppress each OSError, but for those that tell nothing of the folder: the server is short of descriptors."""
    try:
        yield
    except OSError as failed:
        if failed.errno in SHORT_OF_FILES:
            raise


def _held_deleted(folder: Path, pid: int) -> Collection[int]:
    """Return the bytes of each file on the folder's volume that the process holds open and nobody can find."""
    held: dict[int, int] = {}
    with _suppress_others():
        volume = folder.stat().st_dev
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found = descriptor.stat()
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 0 and found.st_dev == volume:
                    held[found.st_ino] = found.st_blocks * _BLOCK
    return held.values()


class _TooDeep(Exception):
    """Too many folders, each with more of them beside the way down."""
