"""raises SystemExit(4)"""

import sys


class SystemExits:
    name = "system_exit"

    def run(self, payload):
        sys.exit(4)
