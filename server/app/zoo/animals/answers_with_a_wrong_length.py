"""announces an answer of 4 GiB"""

import struct

import _wire


class AnswersWithAWrongLength:
    name = "answers_with_a_wrong_length"

    def run(self, payload):
        _wire.send(struct.pack("<II", 40, 0xFFFF_FFFF) + b"{}")
        return {"sent": True}
