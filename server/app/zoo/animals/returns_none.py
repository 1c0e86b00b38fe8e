"""returns None"""


class ReturnsNone:
    name = "returns_none"

    def run(self, payload):
        return None
