"""How a worker is kept apart: what it is started with, as data, and the policy that follows from it."""

import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sightgate
from app.governance.isolation import IsolationLevel
from app.plugins.sandbox.cgroups import Cgroups
from sightgate.manifest import Source
from sightgate.sandbox import Policy

MAX_RESULT_BYTES = 16 * 1024 * 1024
CANARY = "canary"
# The largest file in a folder that is granted, where the limit of the scratch folder does not hold.
GRANTED_FILE_MB = 1024
# The interpreter that the server's own environment was made from, and plugins' own environments too.
BASE_INTERPRETER: str = getattr(sys, "_base_executable", "") or sys.executable
_GPU_DEVICES = ("dev/nvidia*", "dev/dri", "dev/kfd")


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is to load and how. An empty ``plugin`` only describes the source.

    ``granted`` are the permissions that the operator has granted, by kind. ``environment`` is the folder of the virtual
    environment that the plugin runs in, empty for none of its own.
    """

    source: Source
    plugin: str = ""
    interpreter: str = sys.executable
    config: Mapping[str, Any] = field(default_factory=dict)
    memory_mb: int = 1024
    scratch_mb: int = 1024
    threads: int = 1
    max_result_bytes: int = MAX_RESULT_BYTES
    granted: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Confinement:
    """How workers are kept apart: where their scratch folders go, whether the kernel's sandbox is used, its groups, and
    the least that a worker must be kept apart for a plugin to run in it.
    """

    scratch_root: Path
    enforce: bool = True
    cgroups: Cgroups | None = None
    least_isolation: IsolationLevel = IsolationLevel.NONE

    @property
    def memory_means(self) -> str:
        """Return what enforces the memory limit, for people."""
        return "cgroup" if self.cgroups is not None else "watch"


def make_scratch(root: Path) -> Path:
    """Make a worker's own folder, and beside it a file that no worker may read. Raises OSError."""
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)  # a worker under another user must be able to pass through
    canary = root / CANARY
    if not canary.exists():
        canary.write_text("no worker may read this\n")
        canary.chmod(0o600)
    return Path(tempfile.mkdtemp(prefix="worker-", dir=root))


def policy_of(spec: WorkerSpec, confinement: Confinement, scratch: Path, user: int | None) -> Policy:
    """Return what the worker may do: its own folder, what its configuration names, and what was granted."""
    granted = spec.granted
    devices = (
        [str(path) for pattern in _GPU_DEVICES for path in Path("/").glob(pattern[1:])] if granted.get("gpu") else []
    )
    own = [str(Path(spec.source.value).parent)] if spec.source.kind == "path" else []
    if spec.environment:  # whose worker is read from here, and not from the environment
        own.append(str(Path(sightgate.__file__).parent))
    return Policy(
        enforce=confinement.enforce,
        read=(*own, *_paths_in(spec.config), *granted.get("read", ())),
        write=(str(scratch), *granted.get("write", ()), *devices),
        network=bool(granted.get("network")),
        processes=bool(granted.get("processes")),
        user=user,
        memory_mb=spec.memory_mb,
        file_mb=max(spec.scratch_mb, GRANTED_FILE_MB) if granted.get("write") else spec.scratch_mb,
        canary=str(confinement.scratch_root / CANARY),
    )


def unprivileged_user(spec: WorkerSpec, scratch: Path) -> int | None:
    """Return the user that a worker is to become, if the server is root and that user can reach all it needs."""
    if os.geteuid() != 0 or (nobody := nobody_here()) is None:
        return None
    needed = [*needed_by_all_workers(scratch.parent), Path(spec.interpreter)]
    if spec.source.kind == "path":
        needed.append(Path(spec.source.value))
    if spec.environment:
        needed += [Path(spec.environment), Path(BASE_INTERPRETER)]
    return nobody if all(reachable_by_all(path) for path in needed) else None


def nobody_here() -> int | None:
    """Return the number of the user without rights that a root's workers become, None if this system has none."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return None


def needed_by_all_workers(scratch_root: Path) -> list[Path]:
    """Return what every worker must reach, whatever user it is."""
    return [Path(sys.executable), Path(sys.prefix), Path(sightgate.__file__), scratch_root]


def reachable_by_all(path: Path) -> bool:
    """Tell whether every user can pass through the folders above ``path`` and read or pass it, links followed."""
    try:
        real = path.resolve(strict=True)
        above = all(folder.stat().st_mode & stat.S_IXOTH for folder in real.parents)
        return above and bool(real.stat().st_mode & (stat.S_IXOTH if real.is_dir() else stat.S_IROTH))
    except OSError:
        return False


def _paths_in(value: object) -> Iterator[str]:
    """Yield the absolute paths that the operator's configuration names, such as a model's: naming them grants them."""
    if isinstance(value, str):
        if value.startswith("/") and Path(value).exists():
            yield value
        return
    nested: Iterable[object] = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    )
    for item in nested:
        yield from _paths_in(item)
