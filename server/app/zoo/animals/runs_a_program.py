"""runs other programs, in four ways"""

import os
import pty
import subprocess

from _attempts import reached


class RunsAProgram:
    name = "runs_a_program"

    def run(self, payload):
        return reached(
            subprocess=lambda: subprocess.run(["/bin/true"], check=True),
            shell=_shell,
            spawn=lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
            terminal=lambda: os.close(pty.openpty()[1]) or os.waitpid(os.forkpty()[0] or os._exit(0), 0),
        )


def _shell():
    if os.system("exit 7") >> 8 != 7:
        raise PermissionError
