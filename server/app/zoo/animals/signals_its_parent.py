"""sends SIGKILL to its parent, which may be the server"""

import os
import signal

from _attempts import reached


class SignalsItsParent:
    name = "signals_its_parent"

    def run(self, payload):
        return reached(kill=lambda: _kill(os.getppid()))


def _kill(parent):
    if parent <= 1:  # it has lost its parent already
        raise ProcessLookupError
    os.kill(parent, signal.SIGKILL)
