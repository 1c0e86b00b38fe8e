"""leaves a daemon: double fork and a session of its own"""

import os
import time


class DoubleForks:
    name = "double_forks"

    def run(self, payload):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(20)
            os._exit(0)
        return {"daemon": "started"}
