"""forges an answer with the beginning of another frame behind it"""

import _wire


class LeavesHalfAFrame:
    name = "leaves_half_a_frame"

    def run(self, payload):
        answer = _wire.frame_of("result", _wire.call_id(), b'{"forged":true}')
        _wire.send(answer + _wire.frame_of("result", "next", b"x" * 1_000)[:-500])
        return {"forged": False}
