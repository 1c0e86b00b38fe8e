"""Starts one server on loopback, waits until it is ready, and ends all of it."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import own_network
from benchmarks.peers.catalog import Peer
from benchmarks.peers.environments import FOLDER, ROOT, LeftOut
from benchmarks.peers.processes import MARK, Memory, find_processes, measure_memory, stop

READY_S = 90.0
NETWORK = (sys.executable, "-m", "benchmarks.peers.own_network")


@dataclass(frozen=True)
class Running:
    """A started server. `prefix` goes before a command that shall reach it."""

    peer: Peer
    port: int
    process: "subprocess.Popen[bytes]"
    mark: str
    prefix: tuple[str, ...]

    def memory(self) -> Memory:
        return measure_memory(find_processes(self.process.pid, self.mark))


@contextlib.contextmanager
def serving(peer: Peer, programs: Path) -> Iterator[Running]:
    """Start the peer; what it prints goes to `.bench/NAME-server.log`.

    Raises:
        LeftOut: It did not become ready.
    """
    # Short: Ray puts sockets below, whose paths may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="b", ignore_cleanup_errors=True) as folder:
        peer.prepare(Path(folder))
        words = _words(programs, folder)
        mark = secrets.token_hex(8)
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / ".gitignore").write_text("*\n")
        with (FOLDER / f"{peer.name}-server.log").open("wb") as log:
            process = _start(peer, words, mark, folder, log.fileno())
        prefix = (*NETWORK, "enter", str(process.pid)) if peer.own_network else ()
        running = Running(peer, int(words["port"]), process, mark, prefix)
        try:
            _wait_until_ready(running)
            yield running
        finally:
            stop(process, mark)


def _start(peer: Peer, words: dict[str, str], mark: str, folder: str, log: int) -> "subprocess.Popen[bytes]":
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SIGHTGATE_", "RAY_", "MLSERVER_"))
    }
    variables = {name: value.format(**words) for name, value in peer.variables.items()}
    environment = {**kept, "PYTHONPATH": str(ROOT), MARK: mark, **variables}
    command = [part.format(**words) for part in peer.command]
    if peer.own_network:
        command = [*NETWORK, "make", *command]
    return subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _words(programs: Path, folder: str) -> dict[str, str]:
    with contextlib.ExitStack() as taken:
        probes = [taken.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        port, port2, port3 = (str(probe.getsockname()[1]) for probe in probes)
    return {"bin": str(programs), "folder": folder, "port": port, "port2": port2, "port3": port3}


def _wait_until_ready(running: Running) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        ended = running.process.poll()
        if ended == own_network.REFUSED and running.peer.own_network:
            raise LeftOut("it listens on every interface, and this system gives no network namespace to keep it in")
        if ended is not None:
            raise LeftOut(f"it did not start (exit status {ended})")
        if _answers(running):
            return
        time.sleep(0.5)
    raise LeftOut(f"it was not ready within {READY_S:.0f} s")


def _answers(running: Running) -> bool:
    url = f"http://127.0.0.1:{running.port}{running.peer.ready}"
    program = f"import urllib.request as r; r.urlopen({url!r}, timeout=3).close()"
    asked = [*running.prefix, sys.executable, "-c", program]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(asked, env=environment, cwd=ROOT, capture_output=True, check=False).returncode == 0
