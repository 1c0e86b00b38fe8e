"""returns a dict that holds itself"""


class ReturnsACycle:
    name = "returns_a_cycle"

    def run(self, payload):
        result = {"a": 1}
        result["self"] = result
        return result
