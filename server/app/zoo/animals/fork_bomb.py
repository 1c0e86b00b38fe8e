"""forks, and its forks fork (32 processes, so that it ends on servers that let it)"""

import os
import time


class ForkBomb:
    name = "fork_bomb"
    limits = {"timeout_s": 3}

    def run(self, payload):
        first = os.getpid()
        for _ in range(5):
            os.fork()
        if os.getpid() != first:
            time.sleep(20)
            os._exit(0)
        return {"forked": True}
