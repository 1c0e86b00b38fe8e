"""reads address 0"""

import ctypes


class Segfault:
    name = "segfault"

    def run(self, payload):
        return {"read": ctypes.string_at(0)}
