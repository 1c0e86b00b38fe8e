"""loops without end"""


class LoopsForever:
    name = "loops_forever"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        while True:
            pass
