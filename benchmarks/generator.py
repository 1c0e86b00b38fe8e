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
    """One request, sent again and again, and the numbers that its answer must hold.

    A caller rests for `pause` seconds after an answer; only the own generator can.
    """

    port: int
    path: str
    content_type: str
    body: bytes
    expected: tuple[str, ...]
    pause: float = 0.0


def generator_name() -> str:
    return "wrk" if shutil.which("wrk") else "benchmarks/load.py"


def run_load(call: Call, connections: int, seconds: float, prefix: tuple[str, ...] = ()) -> Load:
    """Load the server at 127.0.0.1. `prefix` is put before the command: how to enter the server's network.

    Raises:
        RuntimeError: The generator itself failed, as it does when nothing listens.
    """
    if call.pause or not shutil.which("wrk"):
        return _run([*prefix, *_own(call, connections, seconds)], call, seconds)
    with tempfile.NamedTemporaryFile() as body:
        body.write(call.body)
        body.flush()
        measured = _run([*prefix, *_wrk(call, connections, seconds, body.name)], call, seconds)
    # wrk leaves when its time is over; what it asked last must not burden the next run.
    _run([*prefix, *_own(call, 1, 0.01)], call, PATIENCE_S)
    return measured


def _run(command: list[str], call: Call, seconds: float) -> Load:
    limit = seconds + 2 * PATIENCE_S
    done = subprocess.run(command, input=call.body, capture_output=True, check=False, cwd=ROOT, timeout=limit)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return Load(**json.loads(done.stdout.splitlines()[-1]))


def _own(call: Call, connections: int, seconds: float) -> list[str]:
    place = ["127.0.0.1", str(call.port), str(connections), str(seconds), call.path, call.content_type]
    return [sys.executable, "-m", "benchmarks.load", *place, *call.expected, "--pause", str(call.pause)]


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
