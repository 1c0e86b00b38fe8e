"""asks for minus one second and infinite memory"""


class HasImpossibleLimits:
    name = "has_impossible_limits"
    limits = {"timeout_s": -1, "memory_mb": float("inf")}

    def run(self, payload):
        return {"limits": "ignored"}
