"""announces an answer that is shorter than what it sends"""

import _wire


class AnswersWithAShortLength:
    name = "answers_with_a_short_length"

    def run(self, payload):
        _wire.send(_wire.frame_of("result", _wire.call_id(), b"{}")[:-1] + b'"more": "than said"}')
        return {"sent": True}
