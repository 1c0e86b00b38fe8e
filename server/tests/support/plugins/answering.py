"""Well-behaved plain plugins. Each counts its calls, so that a test sees whether it was called."""

from typing import Any, ClassVar


class _Counting:
    def __init__(self) -> None:
        self.calls = 0

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        return {
            "calls": self.calls,
            "bytes": len(payload["image"]),
            "type": type(payload["image"]).__name__,
            "mime_type": payload["mime_type"],
            "options": payload["options"],
            "keys": sorted(payload),
        }


class Echo(_Counting):
    name = "echo"
    version = "1.2.3"
    description = "Tells what it was given."


class Second(_Counting):
    name = "second"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": 5}


class Resting(_Counting):
    """Never called by a test: its row shows what a fresh plugin looks like."""

    name = "resting"


class _Hidden(_Counting):
    name = "hidden"
