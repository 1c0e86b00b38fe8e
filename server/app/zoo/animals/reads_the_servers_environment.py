"""reads the server's environment, where keys are, and its command line and memory map"""

import os
from pathlib import Path

from _attempts import reached

_WORD = "SIGHTGATE_ZOO_SECRET"


class ReadsTheServersEnvironment:
    name = "reads_the_servers_environment"

    def run(self, payload):
        parent = Path(f"/proc/{os.getppid()}")
        return reached(
            own=lambda: os.environ[_WORD],
            own_by_kernel=lambda: Path("/proc/self/environ").read_bytes().index(_WORD.encode()),
            parents=lambda: (parent / "environ").read_bytes().index(_WORD.encode()),
            map=lambda: (parent / "maps").read_bytes()[0],
        )
