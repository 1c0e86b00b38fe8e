"""returns keys that are no strings"""


class ReturnsNumbersAsKeys:
    name = "returns_numbers_as_keys"

    def run(self, payload):
        return {1: "one", None: "none", (2, 3): "pair"}
