"""waits for a lock that it holds itself"""

import threading


class Deadlocks:
    name = "deadlocks"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
        return {"got": True}
