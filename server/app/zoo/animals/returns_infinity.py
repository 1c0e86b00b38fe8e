"""returns infinity"""


class ReturnsInfinity:
    name = "returns_infinity"

    def run(self, payload):
        return {"score": float("inf")}
