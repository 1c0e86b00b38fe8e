"""raises an exception with a text of 50 MB"""


class RaisesAHugeMessage:
    name = "raises_a_huge_message"

    def run(self, payload):
        raise ValueError("x" * 50_000_000)
