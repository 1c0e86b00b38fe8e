"""Try the forbidden things, and report what was really denied: facts, not intentions."""

import contextlib
import os
import socket
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

DENIED, OPEN = "denied", "open"


def probe(canary: str, scratch: str, server_pid: int) -> dict[str, str]:
    """Return for each capability ``denied`` or ``open``, and the ``user`` that this process runs as.

    ``read_outside`` tries the canary, ``write_outside`` the folder above the scratch folder; ``signals``,
    ``scheduling`` and ``server_memory`` try the server: to signal it, to change when and where it runs, and to read its
    environment.
    """
    return {
        "network": _tried(_open_socket),
        "read_outside": _tried(lambda: Path(canary).read_bytes()) if canary else "not probed",
        "write_outside": _tried(lambda: _write_in(Path(scratch).parent)),
        "processes": _tried(_fork),
        "programs": _tried(_execute),
        "signals": _tried(lambda: os.kill(server_pid, 0)),
        "scheduling": _tried(lambda: _reschedule(server_pid)),
        "server_memory": _tried(lambda: Path(f"/proc/{server_pid}/environ").read_bytes()),
        "user": str(os.getuid()),
    }


def _tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except PermissionError:
        return DENIED
    except OSError:
        return OPEN if attempt is _execute else DENIED
    return OPEN


def _open_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def _write_in(folder: Path) -> None:
    file = folder / f"probe-{uuid.uuid4().hex}"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(descriptor)
    with contextlib.suppress(OSError):
        file.unlink()


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _reschedule(pid: int) -> None:
    # To what it is already: nothing changes where this is open.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
        return
    if sys.platform == "linux":
        os.sched_setaffinity(pid, os.sched_getaffinity(pid))
    else:
        raise PermissionError


def _execute() -> None:
    # A program that is not there: "no such file" means that executing as such is not denied.
    os.execv(f"/nonexistent-{uuid.uuid4().hex}", ["probe"])
