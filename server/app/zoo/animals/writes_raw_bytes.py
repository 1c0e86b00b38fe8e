"""writes bytes that are no text, and terminal control sequences, to descriptors 1 and 2"""

import os


class WritesRawBytes:
    name = "writes_raw_bytes"

    def run(self, payload):
        for number in (1, 2):
            os.write(number, bytes(range(256)) + b"\x1b]0;owned\x07\x1b[2J")
        return {"written": True}
