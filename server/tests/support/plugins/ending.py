"""A plugin whose worker ends, or must be ended: by a segmentation fault, an exit, a hang, or all the memory."""

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any, ClassVar


def _hang() -> None:
    while True:
        time.sleep(60)


def _hang_deaf() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            continue
    _hang()


def _hang_in_native_code() -> None:
    ctypes.PyDLL(None).pause()  # holds the interpreter's lock: no Python code of this process runs any more


def _linger() -> None:
    threading.Thread(target=_hang).start()
    sys.exit(5)


def _eat_memory() -> None:
    kept = []
    while True:
        kept.append(bytearray(64 * 1024 * 1024))


class Ending:
    name = "ending"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": 1.0, "memory_mb": 128, "workers": 1}

    def __init__(self) -> None:
        self.calls = 0

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        how = payload["options"].get("how", "")
        if how:
            sys.stderr.write(f"last words before {how}\n")
            sys.stderr.flush()
            _WAYS[how]()
        return {"calls": self.calls}


class EndingToo(Ending):
    """The same, for tests whose breaker or quarantine is their own."""

    name = "ending-too"


_WAYS: dict[str, Any] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit code": lambda: os._exit(3),
    "exit code 0": lambda: os._exit(0),
    "SystemExit": lambda: sys.exit(4),
    "SystemExit with a text": lambda: sys.exit("farewell"),
    "SystemExit with a thread left": _linger,
    "hang": _hang,
    "hang that ignores signals": _hang_deaf,
    "hang in native code": _hang_in_native_code,
    "memory": _eat_memory,
}
