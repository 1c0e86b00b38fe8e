"""Plugins that keep something of every call."""

import os
from typing import Any, ClassVar


class Leaking:
    name = "leaking"
    limits: ClassVar[dict[str, Any]] = {"memory_mb": 512}

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.kept.append(os.urandom(payload["options"].get("bytes", 0)))
        return {"pid": os.getpid(), "calls": len(self.kept)}


class LeakingToo(Leaking):
    name = "leaking-too"
