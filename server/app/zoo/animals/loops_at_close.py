"""answers, and never ends to close"""


class LoopsAtClose:
    name = "loops_at_close"

    def run(self, payload):
        return {"answered": True}

    def close(self):
        while True:
            pass
