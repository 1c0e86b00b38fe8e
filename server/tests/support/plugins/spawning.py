"""A plugin that leaves processes behind, then hangs. ``tag`` stands in their command lines."""

import contextlib
import os
import subprocess
import sys
import time
from typing import Any, ClassVar

_ENDLESS = "import time\nwhile True: time.sleep(60)"


class Spawning:
    name = "spawning"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": 2.0}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        tag, way = payload["options"]["tag"], payload["options"]["way"]
        command = [sys.executable, "-c", _ENDLESS, tag]
        # A system that lets a plugin start no processes leaves none behind either.
        with contextlib.suppress(OSError):
            if way == "double fork":
                _fork_twice(command)
            else:
                subprocess.Popen(command, start_new_session=way == "own session")
        while True:
            time.sleep(60)


def _fork_twice(command: list[str]) -> None:
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(command[0], command)
        os._exit(0)
    os.waitpid(child, 0)
