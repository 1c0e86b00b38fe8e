"""answers, and answers the same call again while the next one runs"""

import threading
import time

import _wire


class AnswersDuringTheNextCall:
    name = "answers_during_the_next_call"

    def run(self, payload):
        frame = _wire.frame_of("result", _wire.call_id(), b'{"forged":true}')
        threading.Timer(0.5, _wire.send, [frame]).start()
        time.sleep(0.4)
        return {"forged": False}
