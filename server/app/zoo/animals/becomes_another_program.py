"""replaces its process by another program"""

import os


class BecomesAnotherProgram:
    name = "becomes_another_program"

    def run(self, payload):
        os.execv("/bin/sleep", ["sleep", "20"])
