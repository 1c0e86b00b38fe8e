"""Plugins whose worker does not stay: it ends after it was loaded, cannot be loaded yet, or ends after an answer."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sightgate import Unavailable


class Steady:
    name = "steady"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid()}


class Fleeting(Steady):
    """Lives for a moment after its worker is ready."""

    name = "fleeting"

    def load(self) -> None:
        threading.Thread(target=_leave_when_idle).start()


class Wanting(Steady):
    """Is not to be had before its model is there."""

    name = "wanting"

    def load(self) -> None:
        if not (Path(__file__).parent / "model").exists():
            raise Unavailable("its model is not there")


class Raising(Steady):
    name = "raising-at-load"

    def load(self) -> None:
        if not (Path(__file__).parent / "model").exists():
            raise ValueError("no")


class Protocol(Steady):
    """Writes on its socket while it is loaded."""

    name = "breaking-the-protocol"

    def load(self) -> None:
        for descriptor in range(3, 64):
            try:
                if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("socket:"):
                    os.write(descriptor, b"HTTP/1.1 200 OK\r\n\r\n")
            except OSError:
                continue
        threading.Event().wait(60)


def _leave_when_idle() -> None:
    """End the process once its worker waits for a call: how long it takes until then, no time tells."""
    main = threading.main_thread().ident
    assert main is not None
    while sys._current_frames()[main].f_code.co_name != "_receive":
        time.sleep(0.001)
    time.sleep(0.05)
    os._exit(7)
