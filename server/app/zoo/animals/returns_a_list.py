"""returns a list"""


class ReturnsAList:
    name = "returns_a_list"

    def run(self, payload):
        return [1, 2, 3]
