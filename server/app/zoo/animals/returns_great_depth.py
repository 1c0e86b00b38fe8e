"""returns lists nested 100,000 deep"""


class ReturnsGreatDepth:
    name = "returns_great_depth"

    def run(self, payload):
        nested = []
        for _ in range(100_000):
            nested = [nested]
        return {"nested": nested}
