"""sends itself SIGSTOP: stopped, not dead"""

import os
import signal


class StopsItself:
    name = "stops_itself"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        os.kill(os.getpid(), signal.SIGSTOP)
        return {"went_on": True}
