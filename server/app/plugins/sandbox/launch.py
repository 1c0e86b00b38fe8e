"""Start a worker process: clean environment, own scratch folder, own session, output captured."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.plugins.sandbox.cgroups import Cgroup
from app.plugins.sandbox.confinement import (
    BASE_INTERPRETER,
    Confinement,
    WorkerSpec,
    make_scratch,
    policy_of,
    unprivileged_user,
)
from app.plugins.sandbox.process_tree import WORKER_VARIABLE, new_mark
from app.plugins.sandbox.remove_tree import remove_tree
from app.plugins.sandbox.shared_segment import SIZE, SharedSegment
from sightgate import environment_worker
from sightgate.protocol import HELLO, encode_frame_head
from sightgate.sandbox import Policy

_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# An image's arrays are gone after each call. By default the C library then gives their memory back to the kernel, which
# clears it anew for the next call: a third of the time of a plain NumPy plugin. A worker keeps it, as far as its heap's
# free end goes. The most that the C library takes for a block in the heap is 32 MiB; larger ones are given back.
_KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}

NICER_BY = 5
# The longest that the kernel may take to end a process, seconds.
END_S = 30.0

# The kernel ends a worker when the thread that started it ends: one lasting thread starts them all.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sightgate-launch")


@dataclass(slots=True)
class Launched:
    """A started process: the server's end of its socket, the read end of its output, its scratch folder and group."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    output: int
    scratch: Path
    mark: str
    cgroup: Cgroup | None
    segment: SharedSegment | None


async def launch(spec: WorkerSpec, confinement: Confinement) -> Launched:
    """Start a worker and send it ``hello``. Raises OSError if the system refuses another process."""
    return await asyncio.get_running_loop().run_in_executor(_launcher, _launch, spec, confinement)


def _launch(spec: WorkerSpec, confinement: Confinement) -> Launched:
    with contextlib.ExitStack() as undo:
        scratch = make_scratch(confinement.scratch_root)
        undo.callback(remove_tree, scratch)
        cgroup = confinement.cgroups.make(spec.memory_mb) if confinement.cgroups is not None else None
        if cgroup is not None:
            undo.callback(cgroup.end)
        user = unprivileged_user(spec, scratch) if confinement.enforce else None
        if user is not None:
            os.chown(scratch, user, user)
        launched = _start(spec, scratch, cgroup, undo)
        if cgroup is not None:
            cgroup.add(launched.process.pid)
        # Plugins may take all processors; the server, which owes every caller an answer, goes first.
        os.setpriority(os.PRIO_PROCESS, launched.process.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICER_BY)
        # Nothing of the plugin's is imported before this frame has come.
        launched.connection.sendall(hello(spec, policy_of(spec, confinement, scratch, user), launched.segment))
        launched.connection.setblocking(False)
        os.set_blocking(launched.output, False)
        undo.pop_all()
    return launched


def _start(spec: WorkerSpec, scratch: Path, cgroup: Cgroup | None, undo: contextlib.ExitStack) -> Launched:
    """Start the process; whatever comes after, ``undo`` takes back all that was opened and started here."""
    mark = new_mark()
    with contextlib.ExitStack() as theirs_end:
        ours, theirs = socket.socketpair()
        undo.callback(ours.close)
        theirs_end.callback(theirs.close)
        output, output_end = os.pipe()
        undo.callback(os.close, output)
        theirs_end.callback(os.close, output_end)
        segment = SharedSegment.make()
        if segment is not None:
            undo.callback(segment.close)
        process = subprocess.Popen(
            [*worker_command(spec), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output_end,
            stderr=output_end,
            pass_fds=(theirs.fileno(), *((segment.descriptor,) if segment is not None else ())),
            env=worker_environment(scratch, spec, mark),
            cwd=scratch,
            start_new_session=True,
        )
        undo.callback(_end, process)
    return Launched(process, ours, output, scratch, mark, cgroup, segment)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that nobody was told of, with what it started in its group, and take its exit status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)


def worker_command(spec: WorkerSpec) -> list[str]:
    """Return the program of a worker; its socket's number comes last."""
    if spec.environment:  # what lies in there, its python too, is its author's: nothing of it runs before the sandbox
        return [BASE_INTERPRETER, "-I", "-S", "-u", environment_worker.__file__, spec.environment]
    # No bytecode is kept (-I ignores the variable that says so): a reload must not find that of the old code.
    return [spec.interpreter, "-I", "-B", "-u", "-m", "sightgate.worker"]


def hello(spec: WorkerSpec, policy: Policy, segment: SharedSegment | None) -> bytes:
    """Return the first frame for a worker."""
    body = json.dumps(
        {
            "source": spec.source.to_data(),
            "plugin": spec.plugin,
            "config": dict(spec.config),
            "server_pid": os.getpid(),
            "policy": policy.to_data(),
            "max_result_bytes": spec.max_result_bytes,
            "segment": [segment.descriptor, SIZE] if segment is not None else None,
        }
    ).encode()
    return encode_frame_head({"kind": HELLO}, len(body)) + body


def worker_environment(scratch: Path, spec: WorkerSpec, mark: str) -> dict[str, str]:
    """Return a worker's environment: nothing of the server's but the locale; home and temporary files in scratch."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment.update(dict.fromkeys(_THREAD_COUNTS, str(max(1, spec.threads))))
    environment.update(PATH=os.defpath, HOME=str(scratch), TMPDIR=str(scratch), PYTHONDONTWRITEBYTECODE="1")
    environment.update(_KEEPS_MEMORY)
    environment[WORKER_VARIABLE] = mark
    if not spec.granted.get("gpu"):
        environment["CUDA_VISIBLE_DEVICES"] = ""
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
