"""takes all memory while it is loaded"""


class LeaksAtLoad:
    name = "leaks_at_load"
    limits = {"memory_mb": 192}

    def load(self):
        self.kept = [bytearray(b"x") * (16 << 20) for _ in range(96)]

    def run(self, payload):
        return {"mib": 16 * len(self.kept)}
