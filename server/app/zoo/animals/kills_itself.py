"""sends itself SIGKILL"""

import os
import signal


class KillsItself:
    name = "kills_itself"

    def run(self, payload):
        os.kill(os.getpid(), signal.SIGKILL)
        return {"alive": True}
