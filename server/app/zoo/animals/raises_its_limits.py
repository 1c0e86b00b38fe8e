"""raises its own limits, becomes root, and asks for real-time priority"""

import os
import resource

from _attempts import reached

_NONE = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class RaisesItsLimits:
    name = "raises_its_limits"

    def run(self, payload):
        return reached(
            memory=lambda: resource.setrlimit(resource.RLIMIT_DATA, _NONE),
            files=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, _NONE),
            user=lambda: os.setuid(0),
            priority=_realtime,
            nice=lambda: os.nice(-1),
        )


def _realtime():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
