"""answers, and answers the same call again when it has long ended"""

import threading

import _wire


class AnswersLate:
    name = "answers_late"

    def run(self, payload):
        frame = _wire.frame_of("result", _wire.call_id(), b'{"forged":true}')
        threading.Timer(0.4, _wire.send, [frame]).start()
        return {"forged": False}
