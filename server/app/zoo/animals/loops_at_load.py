"""never ends to be loaded"""


class LoopsAtLoad:
    name = "loops_at_load"

    def load(self):
        while True:
            pass

    def run(self, payload):
        return {"loaded": True}
