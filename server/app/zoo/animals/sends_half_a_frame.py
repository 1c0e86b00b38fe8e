"""sends half an answer and then nothing more"""

import time

import _wire


class SendsHalfAFrame:
    name = "sends_half_a_frame"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        frame = _wire.frame_of("result", _wire.call_id(), b'{"forged":true}')
        _wire.send(frame[: len(frame) // 2])
        time.sleep(3600)
        return {"sent": True}
