"""asks the kernel not to end it when its parent ends, and to let others look into it"""

import ctypes

from _attempts import reached

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


class ClearsItsDeathSignal:
    name = "clears_its_death_signal"

    def run(self, payload):
        return reached(
            outlive=lambda: _set(PR_SET_PDEATHSIG, 0),
            be_looked_into=lambda: _set(PR_SET_DUMPABLE, 1),
        )


def _set(option, value):
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0) != 0:
        raise PermissionError
