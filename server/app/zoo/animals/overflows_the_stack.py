"""recurses through C without a limit"""

import sys


class OverflowsTheStack:
    name = "overflows_the_stack"

    def run(self, payload):
        sys.setrecursionlimit(10**9)
        return {"depth": _deeper(0)}


def _deeper(depth):
    return max([depth], key=lambda _: _deeper(depth + 1))
