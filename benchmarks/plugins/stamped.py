"""The no-op of the job benchmark: the image's length, and when the function began."""

import time


class Stamped:
    name = "stamped"
    description = "Returns the length of the image and the clock at the call (monotonic, nanoseconds)."
    limits = {"workers": 2}

    def run(self, payload):
        return {"started_ns": time.monotonic_ns(), "bytes": len(payload["image"])}
