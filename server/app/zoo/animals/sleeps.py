"""sleeps for an hour"""

import time


class Sleeps:
    name = "sleeps"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        time.sleep(3600)
        return {"awake": True}
