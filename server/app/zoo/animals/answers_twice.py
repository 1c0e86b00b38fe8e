"""sends a forged answer, then answers once more"""

import _wire


class AnswersTwice:
    name = "answers_twice"

    def run(self, payload):
        _wire.send(_wire.frame_of("result", _wire.call_id(), b'{"forged":true}'))
        return {"forged": False}
