"""A plugin that writes to its standard streams in every way."""

import contextlib
import os
import sys
from typing import Any


class Printing:
    name = "printing"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        with contextlib.suppress(OSError):  # an earlier call may have closed them
            _write(payload["options"].get("megabytes", 0))
        if payload["options"].get("close"):
            os.closerange(0, 3)
        return {"printed": True}


def _write(megabytes: int) -> None:
    print("a line of text", flush=True)
    os.write(1, b"\x00\xff\x10\x00\x00\x00\x02\x00\x00\x00{}raw bytes on 1\n")
    os.write(2, b"\xfe\xff raw bytes on 2\n")
    for _ in range(megabytes):
        sys.stdout.write("y" * 1024 * 1024)
    sys.stdout.flush()
