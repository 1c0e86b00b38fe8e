"""writes 10 MB to stderr, in small pieces"""

import sys


class FloodsStderr:
    name = "floods_stderr"

    def run(self, payload):
        for _ in range(10_000):
            sys.stderr.write("x" * 1_000)
        return {"printed": True}
