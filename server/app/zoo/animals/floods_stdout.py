"""prints 200 MB"""

import sys


class FloodsStdout:
    name = "floods_stdout"

    def run(self, payload):
        for _ in range(200):
            sys.stdout.write("x" * 1_000_000)
        return {"printed": True}
