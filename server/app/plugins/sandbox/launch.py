"""Start a worker process: clean environment, own scratch folder, own session, output captured."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.plugins.sandbox.process_tree import WORKER_VARIABLE, new_mark
from sightgate.manifest import Source
from sightgate.protocol import HELLO, encode_frame_head

MAX_RESULT_BYTES = 16 * 1024 * 1024
_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

# The kernel ends a worker when the thread that started it ends: one lasting thread starts them all.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sightgate-launch")


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is to load and how. An empty ``plugin`` only describes the source."""

    source: Source
    plugin: str = ""
    interpreter: str = sys.executable
    config: Mapping[str, Any] = field(default_factory=dict)
    memory_mb: int = 1024
    threads: int = 1
    max_result_bytes: int = MAX_RESULT_BYTES


@dataclass(slots=True)
class Launched:
    """A started process: the server's end of its socket, the read end of its output, its scratch folder."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    output: int
    scratch: Path
    mark: str


async def launch(spec: WorkerSpec, scratch_root: Path) -> Launched:
    """Start a worker and send it ``hello``. Raises OSError if the system refuses another process."""
    return await asyncio.get_running_loop().run_in_executor(_launcher, _launch, spec, scratch_root)


def _launch(spec: WorkerSpec, scratch_root: Path) -> Launched:
    scratch_root.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=scratch_root))
    mark = new_mark()
    try:
        ours, theirs = socket.socketpair()
        output, output_end = os.pipe()
        try:
            process = subprocess.Popen(
                [spec.interpreter, "-I", "-u", "-m", "sightgate.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                pass_fds=(theirs.fileno(),),
                env=worker_environment(scratch, spec.threads, mark),
                cwd=scratch,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(output_end)
        ours.sendall(hello(spec))
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    ours.setblocking(False)
    os.set_blocking(output, False)
    return Launched(process, ours, output, scratch, mark)


def hello(spec: WorkerSpec) -> bytes:
    """Return the first frame for a worker."""
    body = json.dumps(
        {
            "source": spec.source.to_data(),
            "plugin": spec.plugin,
            "config": dict(spec.config),
            "server_pid": os.getpid(),
            "memory_mb": spec.memory_mb,
            "max_result_bytes": spec.max_result_bytes,
        }
    ).encode()
    return encode_frame_head({"kind": HELLO}, len(body)) + body


def worker_environment(scratch: Path, threads: int, mark: str) -> dict[str, str]:
    """Return a worker's environment: nothing of the server's but the locale; home and temporary files in scratch."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment.update(dict.fromkeys(_THREAD_COUNTS, str(max(1, threads))))
    environment.update(PATH=os.defpath, HOME=str(scratch), TMPDIR=str(scratch), PYTHONDONTWRITEBYTECODE="1")
    environment[WORKER_VARIABLE] = mark
    return environment


def how_it_ended(returncode: int) -> str:
    """Return how a process ended, for people."""
    details = describe_exit(returncode)
    return f"signal {details['signal']}" if "signal" in details else f"exit code {returncode}"


def describe_exit(returncode: int) -> dict[str, Any]:
    """Return how a process ended, as details for the caller: ``signal`` by name, or ``exit_code``."""
    if returncode < 0:
        try:
            return {"signal": signal.Signals(-returncode).name}
        except ValueError:
            return {"signal": str(-returncode)}
    return {"exit_code": returncode}
