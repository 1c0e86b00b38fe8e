"""sleeps in C for an hour, holding the interpreter lock"""

import ctypes


class SleepsWithTheLock:
    name = "sleeps_with_the_lock"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        return {"slept": ctypes.PyDLL(None).sleep(3600)}
