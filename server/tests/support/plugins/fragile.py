"""Plugins whose worker does not stay: it ends after it was loaded, cannot be loaded yet, or ends after an answer."""

import os
import threading
from pathlib import Path
from typing import Any

from sightgate import Unavailable


class Steady:
    name = "steady"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid()}


class Fleeting(Steady):
    """Lives for a moment."""

    name = "fleeting"

    def load(self) -> None:
        threading.Timer(0.05, os._exit, (7,)).start()


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
