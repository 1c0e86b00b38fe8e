"""Which files a worker can reach: Landlock, the kernel's access control for unprivileged processes.

Rights and structures: linux/landlock.h. The ABI version tells which rights the running kernel knows.
"""

import contextlib
import os
import stat
import struct
from collections.abc import Iterable

from sightgate.sandbox.kernel import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG = 1
RULE_PATH_BENEATH = 1

READ_FILE, READ_DIR = 1 << 2, 1 << 3
WRITE_FILE, TRUNCATE = 1 << 1, 1 << 14
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_EXECUTE = 1
_FILE_RIGHTS = _EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | 1 << 15
_READ = READ_FILE | READ_DIR
_NET_TCP = 0b11
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2


def abi() -> int:
    """Return the kernel's Landlock version, 0 if there is none."""
    try:
        return syscall(CREATE_RULESET, 0, 0, VERSION_FLAG)
    except OSError:
        return 0


def restrict(read: Iterable[str], write: Iterable[str], *, network: bool, execute: bool) -> None:
    """Leave this process, for good, only reading (and executing) below ``read``, and all rights below ``write``.

    Without ``network``, TCP and abstract unix sockets are denied as far as the kernel can tell; signals reach only
    processes under the same rules. Paths that are not there are passed over. Raises OSError where Landlock is missing.
    """
    version = abi()
    handled = _RIGHTS_BY_ABI[min(max(version, 1), 5)]
    net = 0 if network or version < 4 else _NET_TCP
    scoped = _SCOPE_SIGNAL | (0 if network else _SCOPE_ABSTRACT_UNIX) if version >= 6 else 0
    attributes = struct.pack("=QQQ", handled, net, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = syscall(CREATE_RULESET, attributes, size, 0)
    try:
        for path in read:
            _allow(ruleset, path, _READ | execute * _EXECUTE)
        for path in write:
            _allow(ruleset, path, handled & ~_EXECUTE)
        syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _FILE_RIGHTS
            syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
        finally:
            os.close(descriptor)
