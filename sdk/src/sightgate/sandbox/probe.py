"""Try the forbidden things, and report what was really denied: facts, not intentions."""

import contextlib
import os
import socket
import uuid
from collections.abc import Callable
from pathlib import Path

DENIED, OPEN = "denied", "open"


def probe(canary: str, scratch: str, server_pid: int) -> dict[str, str]:
    """Return for each capability ``denied`` or ``open``, and the ``user`` that this process runs as.

    ``read_outside`` tries the canary, ``write_outside`` the folder above the scratch folder; ``server`` tries to read
    the server's environment and to signal it.
    """
    return {
        "network": _tried(_open_socket),
        "read_outside": _tried(lambda: Path(canary).read_bytes()) if canary else "not probed",
        "write_outside": _tried(lambda: _write_in(Path(scratch).parent)),
        "processes": _tried(_fork),
        "programs": _tried(_execute),
        "signals": _tried(lambda: os.kill(server_pid, 0)),
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


def _execute() -> None:
    # A program that is not there: "no such file" means that executing as such is not denied.
    os.execv(f"/nonexistent-{uuid.uuid4().hex}", ["probe"])
