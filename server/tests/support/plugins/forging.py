"""A plugin that finds its worker's socket and writes frames of its own on it."""

import json
import os
import resource
import stat
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any


class Forging:
    name = "forging"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        if "late" in payload["options"]:
            frame = _result(_own_call(), b'{"forged":true}')
            threading.Thread(target=_write_later, args=(frame, payload["options"]), daemon=True).start()
            _wait_for(payload["options"].get("until"))
            return {"honest": True, "pid": os.getpid()}
        for data in _FORGERIES[payload["options"]["what"]](_own_call()):
            _write(data)
        return {"honest": True, "pid": os.getpid()}


def _write_later(data: bytes, options: dict[str, Any]) -> None:
    time.sleep(options["late"])
    _wait_for(options.get("from"))
    _write(data)
    Path(options.get("from", "forged")).touch()


def _wait_for(sign: str | None) -> None:
    """Wait until the sign of that name is given, if there is one."""
    while sign is not None and not (Path(__file__).parent / sign).exists():
        time.sleep(0.005)


def _write(data: bytes) -> None:
    for descriptor in _sockets():
        os.write(descriptor, data)


def _sockets() -> list[int]:
    found = []
    for descriptor in range(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                found.append(descriptor)
        except OSError:
            continue
    return found


def _own_call() -> str:
    frame = sys._getframe()
    while frame is not None:
        header = frame.f_locals.get("header")
        if isinstance(header, dict) and "call" in header:
            return str(header["call"])
        frame = frame.f_back  # type: ignore[assignment]
    raise LookupError("no call")


def _frame(header: dict[str, Any], body: bytes) -> bytes:
    encoded = json.dumps({"v": 1, **header}).encode()
    return struct.pack("<II", len(encoded), len(body)) + encoded + body


def _result(call: str, body: bytes) -> bytes:
    return _frame({"kind": "result", "call": call, "cpu_s": 0, "peak_bytes": 0}, body)


def _error(call: str, **failure: Any) -> bytes:
    return _frame({"kind": "error", "call": call}, json.dumps(failure).encode())


_FORGERIES: dict[str, Any] = {
    "garbage": lambda call: [os.urandom(64)],
    "text": lambda call: [b"HTTP/1.1 200 OK\r\n\r\n"],
    "endless body": lambda call: [struct.pack("<II", 20, 0xFFFF_FFFF)],
    "endless header": lambda call: [struct.pack("<II", 0xFFFF_FFFF, 0)],
    "no header": lambda call: [struct.pack("<II", 0, 0)],
    "another call": lambda call: [_result("somebody-elses", b'{"forged":true}')],
    "unknown kind": lambda call: [_frame({"kind": "hello", "call": call}, b"{}")],
    "second ready": lambda call: [_frame({"kind": "ready"}, b'{"plugins":[]}')],
    "two answers": lambda call: [_result(call, b'{"forged":1}'), _result(call, b'{"forged":2}')],
    "an answer and half a frame": lambda call: [_result(call, b'{"forged":1}') + _result("next", bytes(4_000))[:2_000]],
    "half a frame": lambda call: [_result(call, bytes(4_000))[:2_000]],
    "none": lambda call: [],
    "no JSON": lambda call: [_result(call, b"\x80\x04N.")],
    "NaN": lambda call: [_result(call, b'{"n":NaN}')],
    "a list": lambda call: [_result(call, b"[1]")],
    "deep": lambda call: [_result(call, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")],
    "foreign failure": lambda call: [_error(call, kind="raised", message="m" * 100_000, exception="E" * 100_000)],
    "failure with a forged code": lambda call: [
        _error(call, kind="input", code="internal_error", message="x", details={"code": "x", "job_id": "x"})
    ],
    "failure of the wrong shape": lambda call: [_error(call, kind=["list"], message={"a": 1})],
}
