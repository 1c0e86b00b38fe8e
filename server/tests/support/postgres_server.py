"""A PostgreSQL of the test's own, on loopback and a free port, that can be killed, paused and started again."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.ports import lasting_port
from support.running_server import eventually, is_alive

DEBIANS = Path("/usr/lib/postgresql")
PATIENCE_S = 60.0
# PostgreSQL does not run as root.
USER = "nobody" if os.geteuid() == 0 else None


class PostgresServer:
    """One server process with all its children; its data outlasts it. ``url`` stays the same."""

    def __init__(self, folder: Path) -> None:
        self._programs = programs_of_postgres()
        self._folder = folder
        self._port = lasting_port()
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._make()

    @property
    def url(self) -> str:
        return f"postgresql://tests:{self._password}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and return when it takes connections: after a kill, when it has recovered."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "100",
        }
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=USER, process_group=0
            )
        eventually(self._is_ready, "PostgreSQL that takes connections")

    def kill(self) -> None:
        """End all its processes at once, as a power cut would."""
        processes = self._halt()
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait()
        # A new one refuses to start while children of the old one live.
        eventually(lambda: not any(map(is_alive, processes)), "end of PostgreSQL's processes")

    def pause(self) -> None:
        """Let it answer nothing, though its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in order, without waiting for its clients."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        secret = self._folder / "password"
        secret.write_text(self._password)
        if USER is not None:
            shutil.chown(self._folder, USER)
            shutil.chown(secret, USER)
        command = [str(self._programs / "initdb"), "-D", "data", "-U", "tests", "--auth=scram-sha-256", "-E", "UTF8"]
        made = subprocess.run(
            [*command, f"--pwfile={secret}", "--no-sync"],
            cwd=self._folder,
            user=USER,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        asked = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _halt(self) -> list[int]:
        """Stop the server, so that it starts no more, and return it and its children, each in a session of its own."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGSTOP)
            eventually(self._starts_none, "PostgreSQL that starts no more processes")
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            return [self._process.pid, *map(int, listed.read_text().split())]
        except OSError:
            return [self._process.pid]

    def _starts_none(self) -> bool:
        assert self._process is not None
        try:
            return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZX"
        except OSError:
            return True

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._halt():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(PATIENCE_S)


@contextlib.contextmanager
def started_postgres(folder: Path) -> Iterator[PostgresServer]:
    """A started server until the block ends. ``folder`` must be one that another user may enter."""
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def open_to_others(folder: Path) -> None:
    """Let another user come through to folders below: PostgreSQL's, which does not run as root."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.geteuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)


def programs_of_postgres() -> Path:
    """Return the folder of initdb and postgres. Raises FileNotFoundError."""
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else sorted(DEBIANS.glob("*/bin"))
    if not places:
        raise FileNotFoundError("PostgreSQL is not installed")
    return places[-1]
