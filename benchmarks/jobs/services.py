"""Redis and PostgreSQL of the benchmark's own, on loopback and a free port, with their data in a folder of its own."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.jobs.catalog import Service
from benchmarks.peers.environments import LeftOut
from benchmarks.peers.processes import MARK, stop

READY_S = 60.0
DEBIANS = Path("/usr/lib/postgresql")


@contextlib.contextmanager
def service(kind: Service, folder: Path, mark: str) -> Iterator[str]:
    """The URL of a new, empty server of that kind, or "" if none is asked for.

    Raises:
        LeftOut: It is not installed, or does not start.
    """
    if not kind:
        yield ""
        return
    start = _postgres if kind == "postgres" else _redis
    port = free_port()
    place = folder / "service"
    place.mkdir()
    command, url, user = start(kind, place, port)
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, kind)
        yield url
    finally:
        stop(process, mark)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Started = tuple[list[str], str, str | None]


def _redis(kind: Service, place: Path, port: int) -> Started:
    program = shutil.which("redis-server")
    if program is None:
        raise LeftOut("redis-server is not installed")
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(place)]
    if kind != "redis":
        command += ["--appendonly", "yes", "--appendfsync", "always"]
    return command, f"redis://127.0.0.1:{port}/0", None


def _postgres(kind: Service, place: Path, port: int) -> Started:
    programs = _programs_of_postgres()
    # PostgreSQL does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    password = secrets.token_hex(16)
    (place / "password").write_text(password)
    if user is not None:
        shutil.chown(place, user)
        shutil.chown(place / "password", user)
    made = subprocess.run(
        [
            programs / "initdb",
            "-D",
            "data",
            "-U",
            "benchmark",
            "--auth=scram-sha-256",
            "--pwfile=password",
            "-E",
            "UTF8",
        ],
        cwd=place,
        user=user,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        raise LeftOut("PostgreSQL's initdb failed")
    options = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    command = [str(programs / "postgres"), "-D", "data"]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return command, f"postgresql://benchmark:{password}@127.0.0.1:{port}/postgres", user


def _programs_of_postgres() -> Path:
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else sorted(DEBIANS.glob("*/bin"))
    if not places:
        raise LeftOut("PostgreSQL is not installed")
    return places[-1]


def _wait_for(port: int, process: "subprocess.Popen[bytes]", kind: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise LeftOut(f"its {kind} did not start")
