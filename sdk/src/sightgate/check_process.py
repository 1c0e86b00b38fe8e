"""A process of its own for the contract check: a plugin that ends it, or its output, has not passed.

The process is given the writing end of a pipe, for what it finds; its own input and output are those of the command,
so that a plugin can print, and be debugged. It passes if it says on the pipe that it has come to its end, and ends
with exit code 0.
"""

import itertools
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]

_END: Row = {"end": True}
# A process that a plugin has left behind may hold the pipe open: its silence is looked behind so often.
_LOOK_EVERY_S = 0.1


def run_in_process(arguments: Sequence[str], pipe_option: str, show: Callable[[Row], None]) -> str:
    """Run ``python -m sightgate.check`` and hand on each row that it tells; return what was wrong with its end.

    ``pipe_option`` is the option that names the pipe's descriptor to it.
    """
    reading, writing = os.pipe()
    try:
        # Unbuffered, so that what was printed before a crash is seen; a fatal signal says where it came.
        command = [sys.executable, "-u", "-X", "faulthandler", "-m", "sightgate.check"]
        process = subprocess.Popen([*command, *arguments, pipe_option, str(writing)], pass_fds=(writing,))
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    ended = False
    try:
        for row in _rows(reading, process):
            ended = row == _END
            if not ended:
                show(row)
        status = process.wait()
    except (ValueError, TypeError):  # no JSON, or no finding
        return "it wrote where only the check writes"
    finally:
        process.kill()
        process.wait()
        os.close(reading)
    return "" if ended and status == 0 else how_it_ended(status)


def tell(rows: Iterable[Row], descriptor: int) -> None:
    """Be that process: tell each row on the pipe, and then the end. Does not return."""
    os.set_inheritable(descriptor, False)
    with os.fdopen(descriptor, "wb", closefd=False) as pipe:
        for row in itertools.chain(rows, [_END]):
            pipe.write(json.dumps(row).encode() + b"\n")
            pipe.flush()
    # As a worker does: the end waits for no thread and no exit handler that a plugin left behind.
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def how_it_ended(status: int) -> str:
    """Return how a process ended, for people."""
    if status >= 0:
        return f"its process ended with exit code {status}"
    try:
        return f"its process ended with signal {signal.Signals(-status).name}"
    except ValueError:
        return f"its process ended with signal {-status}"


def _rows(pipe: int, process: "subprocess.Popen[bytes]") -> Iterator[Row]:
    kept = b""
    while True:
        if not select.select([pipe], [], [], _LOOK_EVERY_S)[0]:
            if process.poll() is None:
                continue
            if not select.select([pipe], [], [], 0)[0]:
                return
        data = os.read(pipe, 65536)
        if not data:
            return
        *lines, kept = (kept + data).split(b"\n")
        for line in lines:
            row = json.loads(line)
            yield row
            if row == _END:
                return
