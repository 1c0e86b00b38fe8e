"""sends SIGKILL to its whole process group"""

import os
import signal


class KillsItsGroup:
    name = "kills_its_group"

    def run(self, payload):
        os.killpg(os.getpgid(0), signal.SIGKILL)
        return {"alive": True}
