"""leaves exit handlers that never end, then exits"""

import atexit
import sys
import time


class FaultsAtExit:
    name = "faults_at_exit"

    def run(self, payload):
        atexit.register(time.sleep, 3600)
        atexit.register(lambda: 1 / 0)
        sys.exit(5)
