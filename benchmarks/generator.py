"""Runs a load in a process of its own: with wrk if it is on the PATH, else with the project's own generator."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import PATIENCE_S, Load

ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Call:
    """One request, sent again and again, and the numbers that its answer must hold."""

    port: int
    path: str
    content_type: str
    body: bytes
    expected: tuple[str, ...]


def generator_name() -> str:
    return "wrk" if shutil.which("wrk") else "benchmarks/load.py"


def run_load(call: Call, connections: int, seconds: float, prefix: tuple[str, ...] = ()) -> Load:
    """Load the server at 127.0.0.1. `prefix` is put before the command: how to enter the server's network.

    Raises:
        RuntimeError: The generator itself failed, as it does when nothing listens.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(call.body)
        body.flush()
        command = _wrk if shutil.which("wrk") else _own
        asked = [*prefix, *command(call, connections, seconds, body.name)]
        with Path(body.name).open("rb") as sent:
            done = subprocess.run(
                asked,
                stdin=sent,
                capture_output=True,
                check=False,
                cwd=ROOT,
                timeout=seconds + 2 * PATIENCE_S,
            )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return Load(**json.loads(done.stdout.splitlines()[-1]))


def start_load(call: Call, connections: int, seconds: float) -> "subprocess.Popen[bytes]":
    """Begin the own generator beside other work; the caller waits for it."""
    process = subprocess.Popen(
        _own(call, connections, seconds, ""), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    process.stdin.write(call.body)
    process.stdin.close()
    return process


def _own(call: Call, connections: int, seconds: float, body: str) -> list[str]:
    place = ["127.0.0.1", str(call.port), str(connections), str(seconds), call.path, call.content_type]
    return [sys.executable, "-m", "benchmarks.load", *place, *call.expected]


def _wrk(call: Call, connections: int, seconds: float, body: str) -> list[str]:
    # wrk counts whole seconds only.
    time = ["-d", f"{max(1, round(seconds))}s", "--timeout", f"{PATIENCE_S:.0f}s"]
    url = f"http://127.0.0.1:{call.port}{call.path}"
    return [
        "wrk",
        "-t1",
        f"-c{connections}",
        *time,
        "-s",
        str(SCRIPT),
        url,
        "--",
        body,
        call.content_type,
        *call.expected,
    ]
