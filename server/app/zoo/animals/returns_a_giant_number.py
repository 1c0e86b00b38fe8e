"""returns a whole number of a million digits"""


class ReturnsAGiantNumber:
    name = "returns_a_giant_number"

    def run(self, payload):
        return {"number": 10**1_000_000}
