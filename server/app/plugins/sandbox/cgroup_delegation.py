"""Control groups of version 2: whether groups below the server's own get the controllers that a worker's needs.

By the kernel's rule a group hands controllers on to its children only while no process is in itself, the root group
excepted. A server that is alone in its group, as ``systemd-run --scope -p Delegate=yes`` and services make it, moves
into a group below first, therefore. A server that shares its group with others moves nobody.
"""

import errno
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

# Not the name of a worker's group: those are swept away.
LEAF = "sightgate.server"


def base_of(own: Path) -> Path:
    """Return the group whose children workers' groups are to be, for a server that may have moved already."""
    return own.parent if own.name == LEAF else own


def delegate(base: Path, controllers: Collection[str], *, may_move: bool) -> bool:
    """Have ``base`` hand these controllers on to its children; tell whether it does. Where not, nothing has changed."""
    wanted = set(controllers)
    try:
        if not wanted <= _words(base / "cgroup.controllers"):
            return False
        if wanted <= _words(base / "cgroup.subtree_control"):
            return True
        _hand_on(base, wanted)
    except OSError as refused:
        return refused.errno == errno.EBUSY and may_move and _move_and_hand_on(base, wanted)
    return True


def _move_and_hand_on(base: Path, wanted: Collection[str]) -> bool:
    leaf, me = base / LEAF, str(os.getpid())
    try:
        if _words(base / "cgroup.procs") != {me}:
            return False
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(me)
        _hand_on(base, wanted)
    except OSError:
        with suppress(OSError):
            (base / "cgroup.procs").write_text(me)
            leaf.rmdir()
        return False
    return True


def _hand_on(base: Path, wanted: Collection[str]) -> None:
    # All or none: the kernel takes them in one write.
    (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))


def _words(file: Path) -> set[str]:
    return set(file.read_text().split())
