"""changes when and where its parent, which may be the server, runs: its priority, its processors"""

import ctypes
import os
import platform

from _attempts import reached

IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
WHO_PROCESS, BEST_EFFORT = 1, 2 << 13 | 4


class SlowsItsParent:
    name = "slows_its_parent"

    def run(self, payload):
        parent = os.getppid()
        # To what they are already, so that nothing is slow where this is possible.
        return reached(
            priority=lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent)),
            processors=lambda: os.sched_setaffinity(parent, os.sched_getaffinity(parent)),
            disk=lambda: _set_disk_priority(parent),
        )


def _set_disk_priority(parent):
    if ctypes.CDLL(None).syscall(IOPRIO_SET[platform.machine()], WHO_PROCESS, parent, BEST_EFFORT) != 0:
        raise PermissionError
