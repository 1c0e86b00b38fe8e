"""sends a result that is no strict JSON"""

import _wire


class ForgesAResult:
    name = "forges_a_result"

    def run(self, payload):
        _wire.send(_wire.frame_of("result", _wire.call_id(), b'{"score": NaN, "text": "\\ud800"}'))
        return {"sent": True}
