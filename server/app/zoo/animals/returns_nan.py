"""returns NaN"""


class ReturnsNan:
    name = "returns_nan"

    def run(self, payload):
        return {"score": float("nan")}
