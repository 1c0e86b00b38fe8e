"""takes memory as fast as it can"""


class LeaksMemory:
    name = "leaks_memory"
    limits = {"memory_mb": 192}
    _kept = []

    def run(self, payload):
        for _ in range(96):
            self._kept.append(bytearray(b"x") * (16 << 20))
        return {"mib": 16 * len(self._kept)}
