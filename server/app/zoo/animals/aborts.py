"""calls abort()"""

import os


class Aborts:
    name = "aborts"

    def run(self, payload):
        os.abort()
