"""Start a server as a process on a free loopback port, with folders of its own, and end it with all it started."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from app.plugins.sandbox.remove_tree import remove_tree
from app.zoo.adapters import SECRET, Adapter, Place
from app.zoo.catalog import CONTROL
from app.zoo.traces import Watch, planted_files, remove_segments

START_S = 90.0
END_S = 20.0

# A foreign server gets a parent that an animal may kill without ending us, and no memory without bound.
_PARENT = """
import resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
server = subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=sys.stderr)
print(server.pid, flush=True)
sys.exit(server.wait())
"""


class DidNotStart(Exception):
    """The server ended, or said nothing, before it served; the message holds the end of its log."""


@dataclass(slots=True)
class Server:
    """A server that serves. When it has been ended, ``exit_code`` is set, None if it had to be killed, and
    ``left_at_end`` says what it left running.
    """

    url: str
    watch: Watch
    exit_code: int | None = None
    left_at_end: Sequence[str] = ()


@contextmanager
def running(adapter: Adapter, animals: Collection[str], python: str) -> Iterator[Server]:
    """Run a server that holds these animals and the control. Raises DidNotStart."""
    root = Path(tempfile.mkdtemp(prefix="zoo-of-sightgate-"))
    watch = Watch(0, Place(root))
    before = watch.look()
    try:
        watch.place.prepare({CONTROL, *animals})
        process = _launch(adapter, watch.place, port := _free_port(), animals, python)
        try:
            pid = process.pid if adapter.one_for_all else _pid_told_by(process)
            watch = replace(watch, pid=pid, parents=frozenset({process.pid}))
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(f"{url}{adapter.ready}", process, watch.place)
            server = Server(url, watch)
            yield server
            remove_segments(watch.look().segments)
            server.exit_code = _end(process, pid)
            end = replace(watch.look(), files=before.files)  # its folders are ours to remove
            server.left_at_end = end.left_since(before, workers_may_stay=False)
        finally:
            remove_segments(watch.look().segments)
            _end(process, watch.pid)
            watch.end_all()
            if process.stdout is not None:
                process.stdout.close()
    finally:
        for path in planted_files():
            if str(path) not in before.files:
                path.unlink(missing_ok=True)
        remove_tree(root)


def _launch(
    adapter: Adapter, place: Place, port: int, animals: Collection[str], python: str
) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTGATE_")}
    environment = kept | adapter.environment(place) | {SECRET: str(place.root)}
    command = adapter.command(place, port, animals, python)
    if not adapter.one_for_all:
        command = [sys.executable, "-c", _PARENT, *command]
    with place.log.open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=place.temporary,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log if adapter.one_for_all else subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def _pid_told_by(parent: "subprocess.Popen[str]") -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline() or 0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _wait_until_ready(url: str, process: "subprocess.Popen[str]", place: Place) -> None:
    until = time.monotonic() + START_S
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < until and process.poll() is None:
            with suppress(httpx.TransportError):
                if client.get(url).status_code == httpx.codes.OK:
                    return
            time.sleep(0.05)
    raise DidNotStart(place.log.read_text(errors="replace")[-2_000:])


def _end(process: "subprocess.Popen[str]", pid: int) -> int | None:
    """Ask the server to end; kill it after a while. Return its exit code if it ended by itself."""
    for kind, patience in ((signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(pid or process.pid, kind)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        if process.returncode is not None:
            return process.returncode if kind is signal.SIGTERM else None
    return None
