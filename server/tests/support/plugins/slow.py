"""Plugins that take a while: they tell when they began and ended, on the machine's own clock.

How long is said in ``seconds``, or by whoever calls: until the sign whose name is the option ``until`` is given.
"""

import time
from pathlib import Path
from typing import Any, ClassVar


class _Slow:
    def __init__(self) -> None:
        self.turn = 0

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.turn += 1
        began = time.monotonic()
        time.sleep(payload["options"].get("seconds", 0.0))
        sign = payload["options"].get("until")
        while sign is not None and not (Path(__file__).parent / sign).exists():
            time.sleep(0.005)
        return {"turn": self.turn, "began": began, "ended": time.monotonic(), "tag": payload["options"].get("tag")}


class Slow(_Slow):
    name = "slow"
    limits: ClassVar[dict[str, Any]] = {"workers": 1}


class SlowEight(_Slow):
    name = "slow-eight"
    limits: ClassVar[dict[str, Any]] = {"workers": 8, "memory_mb": 128}


class Queue(_Slow):
    name = "queue"
    limits: ClassVar[dict[str, Any]] = {"workers": 1}
