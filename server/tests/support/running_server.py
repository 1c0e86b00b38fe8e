"""A Sightgate server as a real process, on folders of the test's own."""

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import httpx

from support.images import PNG
from support.plugins import write_plugins

PATIENCE_S = 60.0
PNG_TEXT = base64.b64encode(PNG).decode()
SIGHTGATE = Path(sys.executable).with_name("sightgate")
SERVE = (str(SIGHTGATE), "serve", "--port", "0")
# Where the environment forbids bytecode, each start would compile all libraries anew, which takes most of its time.
BYTECODE = Path(__file__).resolve().parents[3] / ".pytest_cache" / "bytecode"
_NOT_KEPT = ("SIGHTGATE_", "PYTHONDONTWRITEBYTECODE")


T = TypeVar("T")


@dataclass(frozen=True)
class Home:
    """The folders of one server, its settings, and the file that takes its log. They outlast the process."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def plugins(self) -> Path:
        return self.folder / "plugins"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def environment(self) -> dict[str, str]:
        """Return the environment of the server: nothing of the caller's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_KEPT)}
        ours = {
            "PYTHONPYCACHEPREFIX": str(BYTECODE),
            "SIGHTGATE_INSTALLED_PLUGINS": "false",
            "SIGHTGATE_DATA_DIR": str(self.data),
            "SIGHTGATE_PLUGINS_DIR": str(self.plugins),
            "SIGHTGATE_LOG_FORMAT": "json",
        }
        return kept | ours | dict(self.settings)

    def launch(self, command: Sequence[str] = SERVE) -> "subprocess.Popen[str]":
        """Start a process that logs to ``log``; it is not ready yet."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment(), stdout=subprocess.PIPE, stderr=log, text=True
            )


@dataclass
class RunningServer:
    """One server process that serves, and a client of it."""

    home: Home
    process: "subprocess.Popen[str]"
    http: httpx.Client

    @property
    def url(self) -> str:
        return str(self.http.base_url)

    @property
    def port(self) -> int:
        port = self.http.base_url.port
        assert port is not None
        return port

    def analyze(
        self, plugin: str, options: Mapping[str, Any] | None = None, image: bytes = PNG, mime_type: str = ""
    ) -> httpx.Response:
        """Send a raw image to ``POST /v1/analyze``."""
        query = {"plugin": plugin, "options": json.dumps(options or {})}
        return self.http.post("/v1/analyze", params=query, content=image, headers={"content-type": mime_type})

    def submit(self, plugin: str, options: Mapping[str, Any] | None = None, image: bytes = PNG) -> httpx.Response:
        """Send a raw image to ``POST /v1/jobs``."""
        query = {"plugin": plugin, "options": json.dumps(options or {})}
        return self.http.post("/v1/jobs", params=query, content=image, headers={"content-type": ""})

    def post_job(
        self, plugin: str, options: Mapping[str, Any] | None = None, key: str | None = None, **terms: Any
    ) -> httpx.Response:
        """Send an image as JSON to ``POST /v1/jobs``, on terms."""
        body = {"plugin": plugin, "image": PNG_TEXT, "mime_type": "image/png", "options": options or {}, **terms}
        return self.http.post("/v1/jobs", json=body, headers={"idempotency-key": key} if key is not None else {})

    def accepted(self, plugin: str, options: Mapping[str, Any] | None = None, **terms: Any) -> str:
        """Return the id of a job that must be accepted."""
        answer = self.post_job(plugin, options, **terms)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        answer = self.http.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def until_status(self, job_id: str, status: str) -> dict[str, Any]:
        """Wait until the job has a status, and return it."""

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] == status else None

        return eventually(reached, f"job {job_id} that is {status}")

    def result(self, plugin: str, options: Mapping[str, Any] | None = None, image: bytes = PNG) -> dict[str, Any]:
        """Return the result of a call that must succeed."""
        answer = self.analyze(plugin, options, image)
        assert answer.status_code == 200, answer.text[:2000]
        result: dict[str, Any] = answer.json()["result"]
        return result

    def row(self, plugin: str) -> dict[str, Any]:
        """Return the plugin's row of the registry."""
        answer = self.http.get(f"/v1/plugins/{plugin}")
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()
        return row

    def jobs(self, **query: str | int) -> list[dict[str, Any]]:
        """Return one page of jobs."""
        answer = self.http.get("/v1/jobs", params={"limit": 500, **query})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["jobs"]
        return rows

    def ended_job(self, job_id: str) -> dict[str, Any]:
        """Wait for the job's end and return it."""

        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").json()
            return job if job["status"] in ("SUCCESS", "FAILED", "CANCELLED") else None

        return eventually(ended, f"the end of job {job_id}")

    def give(self, sign: str) -> None:
        """Let those calls go on, of plugins that wait for signs, that wait for this one."""
        (self.home.plugins / sign).touch()

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of one event."""
        return [line for line in log_lines(self.home.log) if line.get("event") == event]

    def descendants(self) -> set[int]:
        """Return the pids of all living processes that the server started, directly or not."""
        return living_descendants(self.process.pid)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """End the server in order; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            finally:
                self.process.kill()
        return self.process.wait()


@contextmanager
def running(
    home: Home, key: str | None = None, port: int = 0, command: Sequence[str] | None = None
) -> Iterator[RunningServer]:
    """Run a server on ``home`` until the block ends, on a free port or on the one that another had before."""
    process = home.launch(command or (*SERVE[:-1], str(port)))
    assert process.stdout is not None
    try:
        url = address_of(process.stdout)
        assert url is not None, f"the server ended before it served: {home.log.read_text()[-4000:]}"
        headers = {"authorization": f"Bearer {key}"} if key is not None else {}
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False, limits=limits) as http:
            server = RunningServer(home, process, http)
            try:
                yield server
            finally:
                server.stop()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def address_of(stdout: IO[str]) -> str | None:
    """Return the URL that a starting server prints, or None if it ends without."""
    for line in stdout:
        if line.startswith("Sightgate is at "):
            return line.split()[3]
    return None


def new_sign() -> str:
    """Return the name of a sign that nobody has given yet."""
    return f"sign-{secrets.token_hex(8)}"


def make_home(folder: Path, *plugins: str, **settings: object) -> Home:
    """Make the folders of a server with some of the test plugins. ``settings`` are named without their prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Home(folder, {f"SIGHTGATE_{name.upper()}": str(value) for name, value in settings.items()})
    write_plugins(home.plugins, *plugins)
    return home


def log_lines(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a log that are JSON objects; a line that is still being written is left out."""
    lines = []
    for text in log.read_text(errors="replace").splitlines():
        if text.startswith("{"):
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue
    return lines


def eventually(probe: Callable[[], T | None], what: str) -> T:
    """Return the first true value of ``probe``; fails if there is none within a minute."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if value := probe():
            return value
        time.sleep(0.02)
    raise AssertionError(f"there was no {what} within {PATIENCE_S:g} s")


def living_descendants(pid: int) -> set[int]:
    """Return the pids below ``pid`` that are no zombies."""
    found: set[int] = set()
    pending = [pid]
    while pending:
        children = set(_children(pending.pop())) - found
        pending += children
        found |= children
    return {child for child in found if is_alive(child)}


def _children(pid: int) -> Iterator[int]:
    """Yield the children of a process that may end meanwhile, with its threads or without."""
    try:
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                yield from map(int, listing.read_text().split())
    except OSError:  # what the listing of the threads raises
        return


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_with(word: str) -> set[int]:
    """Return the pids of the living processes whose command line holds ``word``."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in entry.read_bytes():
                found.add(int(entry.parent.name))
        except OSError:
            continue
    return {pid for pid in found if pid != os.getpid() and is_alive(pid)}
