"""What a server and its plugins leave on a machine: processes, files, descriptors, memory. Read from /proc (Linux)."""

import ctypes
import os
import signal
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.zoo.adapters import Place

PLANTED = "sightgate-zoo-"  # what animals call the files that they write where they must not
_SHARED_FOLDERS = (Path("/tmp"), Path("/dev/shm"))
_PROC = Path("/proc")
_IPC_RMID = 0
# A worker is a socket, a pipe, its memory's figures and a shared segment; a connection or a file may always be open.
_DESCRIPTORS_PER_WORKER = 4
_DESCRIPTORS_LOOSE = 3
_GROWTH_MB = 96.0
_FEW = 3


def can_look() -> bool:
    """Tell whether this system shows its processes."""
    return (_PROC / "self/environ").exists()


@dataclass(frozen=True, slots=True)
class Traces:
    """All that belongs to one server at one moment.

    ``workers``: the processes that the server started itself; ``others``: those that these started, or that lost
    their parent. ``groups``: the kernel's control groups of workers. ``segments``: System V shared memory that one of
    these processes made. ``resident_mb``: the server's own memory.
    """

    workers: frozenset[int]
    others: frozenset[int]
    scratches: frozenset[str]
    groups: frozenset[str]
    files: frozenset[str]
    segments: frozenset[int]
    descriptors: int
    resident_mb: float

    def left_since(self, before: "Traces", *, workers_may_stay: bool) -> list[str]:
        """Return, in words, what is there now and was not before, and should not be."""
        new_workers = self.workers - before.workers
        stray = self.others - before.others
        allowed = len(new_workers) if workers_may_stay else 0
        left = _processes(sorted(stray if workers_may_stay else stray | new_workers))
        if allowed > 1:
            left.append(f"{allowed} workers of one plugin")
        if (scratches := len(self.scratches - before.scratches)) > allowed:
            left.append(f"{scratches} scratch folders")
        if (groups := len(self.groups - before.groups)) > allowed:
            left.append(f"{groups} control groups")
        left += [f"file {name}" for name in sorted({Path(path).name for path in self.files - before.files})]
        left += [f"shared memory {number}" for number in sorted(self.segments - before.segments)]
        grown = self.descriptors - before.descriptors
        if grown > allowed * _DESCRIPTORS_PER_WORKER + _DESCRIPTORS_LOOSE:
            left.append(f"{grown} open descriptors in the server")
        if (grown_mb := self.resident_mb - before.resident_mb) > _GROWTH_MB:
            left.append(f"{grown_mb:.0f} MiB in the server")
        return left


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at one server: its process and its folders."""

    pid: int
    place: Place
    parents: frozenset[int] = frozenset()

    def look(self) -> Traces:
        """Return what is there now."""
        workers = frozenset(_children(self.pid))
        ours = frozenset(_descendants(self.pid)) | frozenset(_carrying(str(self.place.root)))
        return Traces(
            workers=workers,
            others=ours - workers - self.parents - {self.pid},
            scratches=frozenset(path.name for path in (self.place.data / "scratch").glob("worker-*")),
            groups=frozenset(_groups_of(self.pid)),
            files=frozenset(_files(self.place)),
            segments=frozenset(_segments({self.pid, *ours})),
            descriptors=_descriptors(self.pid),
            resident_mb=_resident_mb(self.pid),
        )

    def computing_s(self) -> float:
        """Return the processor time that the server and all below it have used, seconds."""
        return sum(_processor_s(pid) for pid in (self.pid, *_descendants(self.pid)))

    def end_all(self) -> None:
        """Kill what is left of the server, told by the run's own folder in its environment."""
        for pid in _carrying(str(self.place.root)):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def remove_segments(left: Iterable[int]) -> None:
    """Remove shared memory that an animal left."""
    for number in left:
        ctypes.CDLL(None).shmctl(number, _IPC_RMID, None)


def _children(pid: int) -> Iterator[int]:
    for listing in (_PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):
            yield from (int(child) for child in listing.read_text().split())


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    pending = [pid]
    while pending:
        new = set(_children(pending.pop())) - found
        found |= new
        pending += new
    return found


def _carrying(word: str) -> Iterator[int]:
    """Yield the processes that name the run's folder in their environment, whoever their parent is by now."""
    for entry in _PROC.glob("[0-9]*/environ"):
        with suppress(OSError):
            if word.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                yield int(entry.parent.name)


def _groups_of(pid: int) -> Iterator[str]:
    with suppress(OSError):
        # The server was started by us and is in our own groups; its folders outlive it if it forgets them.
        for line in (_PROC / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            folder = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
            yield from (group.name for group in folder.glob(f"sightgate-{pid}-*"))


def _files(place: Place) -> Iterator[str]:
    results = place.data / "blobs"  # made for the first large one; kept with the rows of its calls
    for path in (*place.animals.glob("**/*"), *place.data.glob("*"), *(place.data / "scratch").glob("*")):
        if not path.name.startswith("worker-") and path != results:
            yield str(path)
    yield from (str(path) for path in planted_files())


def planted_files() -> Iterator[Path]:
    """Yield the files that animals wrote into folders that all programs share."""
    for folder in _SHARED_FOLDERS:
        yield from folder.glob(f"{PLANTED}*")


def _segments(makers: Container[int]) -> Iterator[int]:
    with suppress(OSError):
        for line in (_PROC / "sysvipc/shm").read_text().splitlines()[1:]:
            _, number, _, _, maker = line.split()[:5]
            if int(maker) in makers:
                yield int(number)


def _descriptors(pid: int) -> int:
    with suppress(OSError):
        return sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())
    return 0


def _resident_mb(pid: int) -> float:
    with suppress(OSError, IndexError, ValueError):
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)
    return 0.0


def _processor_s(pid: int) -> float:
    with suppress(OSError, IndexError, ValueError):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _processes(pids: Sequence[int]) -> list[str]:
    if len(pids) > _FEW:
        return [f"{len(pids)} processes"]
    return [f"process {_describe(pid)}" for pid in pids]


def _describe(pid: int) -> str:
    with suppress(OSError, IndexError):
        name, _, rest = (_PROC / str(pid) / "stat").read_text().partition("(")[2].rpartition(")")
        return f"{pid} ({name}, {rest.split()[0]})"
    return str(pid)
