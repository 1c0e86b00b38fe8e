"""reports impossible progress without end, and never answers"""

import _wire


class FloodsProgress:
    name = "floods_progress"
    limits = {"timeout_s": 1}

    def run(self, payload):
        frame = _wire.frame_of("progress", _wire.call_id(), done="NaN", total=-1, message="x" * 1000)
        while True:
            _wire.send(frame * 100)
