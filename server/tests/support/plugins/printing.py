"""A plugin that writes to its standard streams in every way."""

import os
import sys
from typing import Any


class Printing:
    name = "printing"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        print("a line of text", flush=True)
        os.write(1, b"\x00\xff\x10\x00\x00\x00\x02\x00\x00\x00{}raw bytes on 1\n")
        os.write(2, b"\xfe\xff raw bytes on 2\n")
        for _ in range(payload["options"].get("megabytes", 0)):
            sys.stdout.write("y" * 1024 * 1024)
        sys.stdout.flush()
        if payload["options"].get("close"):
            for descriptor in (0, 1, 2):
                os.close(descriptor)
        return {"printed": True}
