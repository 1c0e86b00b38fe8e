"""Runs a command where only loopback exists: in a network namespace of its own.

For a server that listens on every interface whatever it is told.

    python -m benchmarks.peers.own_network make COMMAND …        in a new namespace
    python -m benchmarks.peers.own_network enter PID COMMAND …   in that of a process

Ends with status 77 if the kernel gives no such namespace.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

# <linux/sched.h>, <linux/if.h>, <linux/sockios.h>
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
IFF_UP, SIOCSIFFLAGS = 0x1, 0x8914
REFUSED = 77

libc = ctypes.CDLL(None, use_errno=True)


def make() -> None:
    """Move this process to a new network namespace, and raise its loopback interface."""
    user, group = os.getuid(), os.getgid()
    try:
        _call("unshare", CLONE_NEWNET)
    except PermissionError:
        _call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def enter(pid: int) -> None:
    """Move this process to the network namespace of another, made by `make`."""
    process = os.pidfd_open(pid)
    try:
        _call("setns", process, CLONE_NEWNET)
    except PermissionError:
        _call("setns", process, CLONE_NEWUSER | CLONE_NEWNET)


def _call(name: str, *arguments: int) -> None:
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {errno.errorcode.get(number, number)}")


def main() -> None:
    what, *rest = sys.argv[1:]
    try:
        if what == "make":
            make()
        else:
            enter(int(rest.pop(0)))
    except OSError as refused:
        print(refused, file=sys.stderr)
        sys.exit(REFUSED)
    os.execvp(rest[0], rest)


if __name__ == "__main__":
    main()
