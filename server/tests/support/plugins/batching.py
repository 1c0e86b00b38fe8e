"""A plugin that takes several images at once, and says how many."""

import os
import time
from collections.abc import Mapping
from typing import Any

import sightgate


class Batching(sightgate.Plugin):
    name = "batching"
    limits: Mapping[str, Any] = {"max_batch": 8, "batch_wait_ms": 2_000, "timeout_s": 6}

    def analyze(self, image: sightgate.Image, options: dict[str, Any]) -> dict[str, Any]:
        return self._answer(image, options, 1)

    def analyze_batch(self, images: list[sightgate.Image], options: list[dict[str, Any]]) -> list[Any]:
        if any(option.get("how") == "raises" for option in options):
            raise ValueError("one of them is poisonous")
        return [self._answer(image, option, len(images)) for image, option in zip(images, options, strict=True)]

    def _answer(self, image: sightgate.Image, options: dict[str, Any], together: int) -> Any:
        how = options.get("how")
        if how == "raises":
            raise ValueError("this one is poisonous")
        if how == "exits":
            os._exit(9)
        if how == "exits in company" and together > 1:
            os._exit(9)
        if how == "needs too much in company" and together > 1:
            raise MemoryError
        if how == "hangs":
            time.sleep(60)
        if how == "nothing":
            return None
        return {"tag": options.get("tag"), "width": image.pil.width, "together": together, "pid": os.getpid()}
