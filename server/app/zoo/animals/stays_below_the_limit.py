"""takes three quarters of the memory that it may use: this must succeed"""


class StaysBelowTheLimit:
    name = "stays_below_the_limit"
    limits = {"memory_mb": 256}

    def run(self, payload):
        return {"bytes": len(bytearray(b"x") * (192 << 20))}
