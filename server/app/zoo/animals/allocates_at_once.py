"""asks for 64 TiB in one piece"""


class AllocatesAtOnce:
    name = "allocates_at_once"
    limits = {"memory_mb": 192}

    def run(self, payload):
        return {"bytes": len(bytearray(1 << 46))}
