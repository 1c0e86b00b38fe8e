"""returns 15 MB: this must succeed"""


class ReturnsAsMuchAsItMay:
    name = "returns_as_much_as_it_may"

    def run(self, payload):
        return {"text": "x" * 15_000_000}
