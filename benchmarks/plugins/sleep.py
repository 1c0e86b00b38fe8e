"""A plugin that waits and hardly computes, as one does that asks another service."""

import time


class Sleep:
    name = "sleep"
    description = "Waits for 100 ms, then returns the length of the image."
    limits = {"workers": 16}

    def run(self, payload):
        time.sleep(0.1)
        return {"bytes": len(payload["image"])}
