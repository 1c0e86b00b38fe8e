"""replaces built-in functions for all code of its process"""

import builtins


class BreaksTheBuiltins:
    name = "breaks_the_builtins"

    def run(self, payload):
        builtins.isinstance = lambda *arguments: True
        builtins.len = lambda thing: -1
        return {"broken": True}
