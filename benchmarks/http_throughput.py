"""Requests a second of a no-op: Sightgate (validating, isolating, recording, measuring) beside bare FastAPI."""

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"
ROOT = Path(__file__).parent.parent
CONNECTIONS = 16
ROUNDS, SECONDS = 5, 4.0


@dataclass(frozen=True)
class Throughput:
    """Medians over the rounds: requests a second and p99 in milliseconds of both, and the ratio round by round."""

    sightgate_s: float
    bare_s: float
    sightgate_p99_ms: float
    bare_p99_ms: float
    ratio: float
    ratio_min: float
    ratio_max: float


def measure_http(image: bytes) -> Throughput:
    """Start both servers, load them in turn, and compare round by round."""
    with tempfile.TemporaryDirectory() as data, _bare() as bare_port, _sightgate(Path(data)) as port:
        rounds = []
        for _ in range(ROUNDS):
            ours = _load(port, "/v1/analyze?plugin=null", image)
            theirs = _load(bare_port, "/analyze", image)
            rounds.append((ours, theirs))
    ratios = [ours["requests_s"] / theirs["requests_s"] for ours, theirs in rounds]
    return Throughput(
        statistics.median(ours["requests_s"] for ours, _ in rounds),
        statistics.median(theirs["requests_s"] for _, theirs in rounds),
        statistics.median(ours["p99_ms"] for ours, _ in rounds),
        statistics.median(theirs["p99_ms"] for _, theirs in rounds),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def _load(port: int, path: str, image: bytes) -> dict[str, float]:
    asked = [sys.executable, "-m", "benchmarks.load", "127.0.0.1", str(port), str(CONNECTIONS), str(SECONDS), path]
    done = subprocess.run([*asked, "image/jpeg"], input=image, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    answer: dict[str, float] = json.loads(done.stdout)
    if answer["failed"]:
        raise SystemExit(f"{path}: {answer['failed']:.0f} answers were not 200; the figures would mean nothing")
    return answer


@contextlib.contextmanager
def _sightgate(data: Path) -> Iterator[int]:
    port = _free_port()
    settings = {
        "SIGHTGATE_PORT": str(port),
        "SIGHTGATE_DATA_DIR": str(data),
        "SIGHTGATE_PLUGINS_DIR": str(PLUGINS),
        "SIGHTGATE_INSTALLED_PLUGINS": "false",
        "SIGHTGATE_LOG_FORMAT": "json",
    }
    command = [str(Path(sys.executable).parent / "sightgate"), "serve"]
    with _server(command, settings, f"http://127.0.0.1:{port}/health/ready"):
        yield port


@contextlib.contextmanager
def _bare() -> Iterator[int]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.bare_fastapi:app", "--port", str(port), "--no-access-log"]
    with _server(command, {}, f"http://127.0.0.1:{port}/openapi.json"):
        yield port


@contextlib.contextmanager
def _server(command: list[str], settings: dict[str, str], ready: str) -> Iterator[None]:
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(ready, process)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the server for {url} ended with {process.returncode}")
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(url, timeout=1).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} was not ready within 30 s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
