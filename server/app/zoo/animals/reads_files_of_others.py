"""reads what is not its own: passwords, the root folder, the folders beside its own"""

import os
from pathlib import Path

from _attempts import reached


class ReadsFilesOfOthers:
    name = "reads_files_of_others"

    def run(self, payload):
        return reached(
            passwords=lambda: Path("/etc/passwd").read_bytes(),
            root=lambda: os.listdir("/"),
            neighbours=lambda: os.listdir(".."),
            home=lambda: os.listdir("/home"),
            kernel_log=lambda: os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK),
        )
