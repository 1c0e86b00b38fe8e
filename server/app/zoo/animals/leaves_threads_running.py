"""answers, and leaves four threads at work (for some seconds, for those who must run on)"""

import threading
import time


class LeavesThreadsRunning:
    name = "leaves_threads_running"

    def run(self, payload):
        for _ in range(4):
            threading.Thread(target=_work, daemon=True).start()
        return {"answered": True}


def _work():
    until = time.monotonic() + 10
    while time.monotonic() < until:
        pass
