"""sends half an answer and dies"""

import os

import _wire


class DiesWhileAnswering:
    name = "dies_while_answering"

    def run(self, payload):
        frame = _wire.frame_of("result", _wire.call_id(), b'{"forged":true}')
        _wire.send(frame[: len(frame) // 2])
        os._exit(8)
