"""takes hold of its parent as a debugger does"""

import ctypes
import os

from _attempts import reached

PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


class TracesItsParent:
    name = "traces_its_parent"

    def run(self, payload):
        return reached(trace=_seize, memory=lambda: os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR)))


def _seize():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_SEIZE, os.getppid(), None, None) != 0:
        raise PermissionError
    libc.ptrace(PTRACE_DETACH, os.getppid(), None, None)
