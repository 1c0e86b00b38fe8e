"""says that it is ready, with another manifest, in the middle of a call"""

import _wire


class SaysReadyAgain:
    name = "says_ready_again"

    def run(self, payload):
        _wire.send(_wire.frame_of("ready", "", b'{"plugins": [], "isolation": {}}'))
        return {"said": True}
