"""ends its main thread, and takes memory in another"""

import ctypes
import mmap
import platform
import threading
import time


class EndsItsMainThread:
    name = "ends_its_main_thread"
    limits = {"memory_mb": 192, "timeout_s": 10}

    def run(self, payload):
        threading.Thread(target=_take, daemon=True).start()
        ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)


def _take():
    kept = []
    for _ in range(24):
        kept.append(mmap.mmap(-1, 64 << 20))
        kept[-1].write(bytes(64 << 20))
    time.sleep(20)
