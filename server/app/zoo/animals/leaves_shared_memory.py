"""makes shared memory of the kind that outlives every process"""

import ctypes

from _attempts import reached


class LeavesSharedMemory:
    name = "leaves_shared_memory"

    def run(self, payload):
        return reached(segment=_make_segment, queue=_make_queue)


def _make_segment():
    _checked(ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600))


def _make_queue():
    _checked(ctypes.CDLL(None).msgget(0, 0o1600))


def _checked(result):
    if result < 0:
        raise OSError("denied")
