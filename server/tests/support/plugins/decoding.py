"""A plugin that decodes an image again and again, for two seconds of processor time."""

import time
from collections.abc import Mapping
from typing import Any

import sightgate


class Decoding(sightgate.Plugin):
    name = "decoding"
    limits: Mapping[str, Any] = {"memory_mb": 1024, "timeout_s": 100}

    def analyze(self, image: sightgate.Image, options: dict[str, Any]) -> dict[str, Any]:
        times = 0
        while time.process_time() < 2.0 or not times:
            pixels = sightgate.Image(image.data, image.mime_type).pil.convert("L")
            times += 1
        return {"width": pixels.width, "height": pixels.height, "times": times}
