"""What this machine offers for confining workers, and whether it is used; told so that nobody is misled."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

# landlock_create_ruleset(2): asked with this flag and no rules, it answers with the version of its interface.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_CREATE_RULESET_VERSION = 1


def sandbox_facts() -> Iterator[tuple[str, str]]:
    """Yield the name of each means and what this machine has of it."""
    yield "sandbox", "not used yet: workers are separate processes, with the rights of the server's user"
    if sys.platform != "linux":
        yield "sandbox means", f"none on {platform.system()}"
        return
    version = _landlock_version()
    yield "Landlock", f"version {version}" if version else "not there"
    yield "user namespaces", "allowed" if _user_namespaces() else "not allowed"
    yield "control groups", "version 2, may be written" if _writable_cgroup() else "none that may be written"


def _landlock_version() -> int:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    version: int = syscall(
        ctypes.c_long(_LANDLOCK_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint32(_LANDLOCK_CREATE_RULESET_VERSION),
    )
    return max(version, 0)


def _user_namespaces() -> bool:
    limit = _number(Path("/proc/sys/user/max_user_namespaces"))
    allowed = _number(Path("/proc/sys/kernel/unprivileged_userns_clone"))
    held_back = _number(Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"))
    return limit != 0 and (os.geteuid() == 0 or (allowed != 0 and held_back in (0, None)))


def _writable_cgroup() -> bool:
    root = Path("/sys/fs/cgroup")
    return (root / "cgroup.controllers").exists() and os.access(root / "cgroup.procs", os.W_OK)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
