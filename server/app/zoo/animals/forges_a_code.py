"""sends a failure with an error code that only the server may give"""

import _wire


class ForgesACode:
    name = "forges_a_code"

    def run(self, payload):
        body = b'{"kind": "input", "code": "internal_error", "message": "forged", "details": {"code": "unauthorized"}}'
        _wire.send(_wire.frame_of("error", _wire.call_id(), body))
        return {"sent": True}
