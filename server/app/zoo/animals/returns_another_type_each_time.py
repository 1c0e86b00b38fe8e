"""returns a dict, then a list, then None, then a dict"""


class ReturnsAnotherTypeEachTime:
    name = "returns_another_type_each_time"

    def __init__(self):
        self.results = [{"turn": 1}, [2], None, {"turn": 4}]

    def run(self, payload):
        return self.results.pop(0)
