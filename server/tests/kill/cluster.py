"""The processes that are killed: servers on their own folders, and the database that they share, if they do."""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.postgres_server import PostgresServer, open_to_others, started_postgres
from support.running_server import SERVE, Home, address_of, eventually, living_descendants, make_home

LEASE_S = 3
SETTINGS = {
    # What is killed on purpose must not be held against the plugin or the image.
    "breaker_ends": 1_000_000,
    "quarantine_after": 1_000_000,
    "lease_s": LEASE_S,
    "drain_s": 2,
    "large_result_bytes": 1024,
}


class Member:
    """One server's folders, and the process that serves on them now, if one does."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.url: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None

    def start(self) -> None:
        """Start it; returns when it serves, or when it has ended: the database may be away."""
        self._process = self.home.launch(SERVE)
        assert self._process.stdout is not None
        self.url = address_of(self._process.stdout)

    def kill(self) -> None:
        self.url = None
        if self._process is not None:
            self._process.kill()
            self._end()

    def terminate(self) -> int | None:
        """Have it drain, and return its exit code."""
        self.url = None
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        finally:
            self.kill()

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def workers(self) -> list[int]:
        """Return the pids of the plugins' processes."""
        return sorted(living_descendants(self._process.pid)) if self._process is not None else []

    @property
    def serves(self) -> bool:
        return self.url is not None and self._process is not None and self._process.poll() is None

    def _end(self) -> None:
        assert self._process is not None
        workers = self.workers()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers), "end of its workers")
        self._process = None


class Cluster:
    """All members, and their database."""

    def __init__(self, members: Sequence[Member], blobs: Path, postgres: PostgresServer | None = None) -> None:
        self.members = members
        self.blobs = blobs
        self.postgres = postgres

    @property
    def database(self) -> Path | str:
        """What `open_store` takes."""
        return self.postgres.url if self.postgres is not None else self.members[0].home.data / "jobs.sqlite3"

    def urls(self) -> list[str]:
        """Where a client may ask now."""
        return [member.url for member in self.members if member.url is not None]

    def start_all(self) -> None:
        """Start what does not serve; all serve when this returns."""
        for member in self.members:
            if not member.serves:
                eventually(
                    lambda member=member: member.start() or member.serves, f"a server that serves {member.home.log}"
                )


@contextlib.contextmanager
def sqlite_cluster(folder: Path) -> Iterator[Cluster]:
    """One server on SQLite."""
    home = make_home(folder / "one", "toiling", **SETTINGS)
    cluster = Cluster([Member(home)], home.data / "blobs")
    with _ended(cluster):
        yield cluster


@contextlib.contextmanager
def postgres_cluster(folder: Path) -> Iterator[Cluster]:
    """Two servers that share a PostgreSQL and a folder of blobs."""
    open_to_others(folder)
    with started_postgres(folder / "postgres") as postgres:
        shared = {"database_url": postgres.url, "blobs_url": folder / "blobs"}
        homes = [make_home(folder / name, "toiling", **SETTINGS, **shared) for name in ("one", "two")]
        cluster = Cluster([Member(home) for home in homes], folder / "blobs", postgres)
        with _ended(cluster):
            yield cluster


@contextlib.contextmanager
def _ended(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    finally:
        for member in cluster.members:
            member.signal(signal.SIGCONT)
            member.kill()
