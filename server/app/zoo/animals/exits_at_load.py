"""leaves by os._exit while it is loaded"""

import os


class ExitsAtLoad:
    name = "exits_at_load"

    def load(self):
        os._exit(7)

    def run(self, payload):
        return {"loaded": True}
