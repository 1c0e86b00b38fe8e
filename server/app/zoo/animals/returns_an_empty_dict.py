"""returns {}"""


class ReturnsAnEmptyDict:
    name = "returns_an_empty_dict"

    def run(self, payload):
        return {}
