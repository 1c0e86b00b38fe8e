"""Plugins that tell how far they are, by both ways that the SDK offers, and one that fails a number of times first.

With the option ``until`` each step lasts until the sign of that name and the step's number is given.
"""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sightgate


@dataclass(frozen=True)
class Options:
    steps: int = 3
    pause: float = 0.1
    fails: bool = False
    until: str = ""


def _wait(pause: float, sign: str, step: int) -> None:
    time.sleep(pause)
    while sign and not (Path(__file__).parent / f"{sign}-{step}").exists():
        time.sleep(0.005)


class Steps(sightgate.Plugin):
    name = "steps"

    def analyze(self, image: sightgate.Image, options: Options) -> dict[str, Any]:
        for step in range(options.steps):
            self.progress(step + 1, options.steps, f"step {step + 1}")
            _wait(options.pause, options.until, step + 1)
        if options.fails:
            raise ValueError("no step is left")
        return {"steps": options.steps}


class PlainSteps:
    name = "plain-steps"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        for step in range(3):
            sightgate.progress(step + 1, 3)
            _wait(0.1, payload["options"].get("until", ""), step + 1)
        return {"steps": 3}


class Flaky:
    """Fails as often as it is asked to, counted by the option ``tag``, then succeeds."""

    name = "flaky"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        options = payload["options"]
        self.calls[options["tag"]] += 1
        if self.calls[options["tag"]] <= options["failures"]:
            raise ValueError(f"failure {self.calls[options['tag']]}")
        return {"calls": self.calls[options["tag"]]}
