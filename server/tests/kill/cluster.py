"""The processes that are killed: servers on their own folders, and the stores that they share, if they do."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.postgres_server import PostgresServer
from support.running_server import SERVE, Home, address_of, eventually, is_alive, living_descendants, make_home
from support.s3_server import CREDENTIALS, S3Server, s3_server
from support.stores import postgres_beside

from kill.receiver import SECRET, Receiver

LEASE_S = 3
PATIENCE_S = 60.0
SETTINGS = {
    # What is killed on purpose must not be held against the plugin or the image.
    "breaker_ends": 1_000_000,
    "quarantine_after": 1_000_000,
    "lease_s": LEASE_S,
    "drain_s": 2,
    # Less than a bucket hangs at times.
    "blob_timeout_s": 2,
    "large_result_bytes": 1024,
    "webhook_secret": SECRET,
    "webhook_timeout_s": 2,
    "webhook_allow_networks": "127.0.0.0/8",
}


class Member:
    """One server's folders, and the process on them now, if there is one. ``url`` is set while it serves."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.url: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def launch(self) -> None:
        """Start it. It serves soon, or ends: the database may be away."""
        process = self.home.launch(SERVE)
        self._process = process
        threading.Thread(target=self._note_address, args=(process,), daemon=True).start()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def serves(self) -> bool:
        return self.runs and self.url is not None

    def kill(self) -> None:
        """End it at once; returns when it and all that it started are gone."""
        process = self._take()
        if process is None:
            return
        started = living_descendants(process.pid)
        process.kill()
        process.wait(PATIENCE_S)
        eventually(lambda: not any(map(is_alive, started)), "end of all that the server had started")

    def terminate(self) -> int | None:
        """Have it drain, and return its exit code; None if it had not come so far as to serve."""
        served = self.serves
        process = self._take()
        if process is None:
            return None
        process.terminate()
        code = process.wait(PATIENCE_S)
        return code if served else None

    def pause(self) -> None:
        """Let it do nothing, though its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def workers(self) -> list[int]:
        """Return the pids of all processes that it started."""
        return sorted(living_descendants(self._process.pid)) if self._process is not None else []

    def _take(self) -> "subprocess.Popen[str] | None":
        with self._lock:
            self.url = None
            process, self._process = self._process, None
        return process

    def _note_address(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as said:
            url = address_of(said)
            with self._lock:
                if self._process is process:
                    self.url = url
            said.read()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


class Cluster:
    """All members, their database, and where their blobs lie. ``s3`` is what those lie in, if it is no folder.

    ``has_room`` is set while few jobs wait: clients are quicker than workers, and each job has to end at last.
    """

    def __init__(
        self,
        members: Sequence[Member],
        blobs: Path | str,
        receiver: Receiver,
        postgres: PostgresServer | None = None,
        s3: S3Server | None = None,
    ) -> None:
        self.members = members
        self.blobs = blobs
        self.receiver = receiver
        self.postgres = postgres
        self.s3 = s3
        self.has_room = threading.Event()
        self.has_room.set()

    @property
    def database(self) -> Path | str:
        """What `open_store` takes."""
        return self.postgres.url if self.postgres is not None else self.members[0].home.data / "jobs.sqlite3"

    def urls(self) -> list[str]:
        """Where a client may ask now."""
        return [member.url for member in self.members if member.url is not None]

    def launch_ended(self) -> None:
        """Start what does not run."""
        for member in self.members:
            if not member.runs:
                member.launch()

    def start_all(self) -> None:
        """All serve when this returns."""

        def all_serve() -> bool:
            self.launch_ended()
            return all(member.serves for member in self.members)

        eventually(all_serve, f"servers that serve; see {[str(member.home.log) for member in self.members]}")


@contextlib.contextmanager
def sqlite_cluster(folder: Path, receiver: Receiver) -> Iterator[Cluster]:
    """One server on SQLite."""
    home = make_home(folder / "one", "toiling", **SETTINGS, outbound_ports=receiver.port)
    cluster = Cluster([Member(home)], home.data / "blobs", receiver)
    with _ended(cluster):
        yield cluster


@contextlib.contextmanager
def postgres_cluster(folder: Path, receiver: Receiver) -> Iterator[Cluster]:
    """Two servers that share a PostgreSQL and a folder of blobs."""
    with _sharing(folder, folder / "blobs", receiver) as cluster:
        yield cluster


@contextlib.contextmanager
def s3_cluster(folder: Path, receiver: Receiver) -> Iterator[Cluster]:
    """Two servers that share a PostgreSQL and a bucket, which can hang."""
    with s3_server() as s3, _in_environment(CREDENTIALS), _sharing(folder, s3.url("kill"), receiver, s3) as cluster:
        yield cluster


@contextlib.contextmanager
def _sharing(folder: Path, blobs: Path | str, receiver: Receiver, s3: S3Server | None = None) -> Iterator[Cluster]:
    with postgres_beside() as postgres:
        shared = {"database_url": postgres.url, "blob_url": blobs, "outbound_ports": receiver.port}
        homes = [make_home(folder / name, "toiling", **SETTINGS, **shared) for name in ("one", "two")]
        cluster = Cluster([Member(home) for home in homes], blobs, receiver, postgres, s3)
        with _ended(cluster):
            yield cluster


@contextlib.contextmanager
def _in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Of this process, which reads the bucket at the end, and of all that it starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _ended(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    finally:
        if cluster.s3 is not None:
            cluster.s3.resume()
        for member in cluster.members:
            member.resume()
            member.kill()
