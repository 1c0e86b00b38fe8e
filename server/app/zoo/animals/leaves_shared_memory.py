"""makes shared memory of the kind that outlives every process"""

import ctypes

from _attempts import reached


IPC_RMID = 0
_libc = ctypes.CDLL(None)


class LeavesSharedMemory:
    name = "leaves_shared_memory"

    def run(self, payload):
        return reached(segment=_make_segment, queue=_make_queue)


def _make_segment():
    _checked(_libc.shmget(0, 1 << 20, 0o1600))


def _make_queue():
    _libc.msgctl(_checked(_libc.msgget(0, 0o1600)), IPC_RMID, None)


def _checked(result):
    if result < 0:
        raise OSError("denied")
    return result
