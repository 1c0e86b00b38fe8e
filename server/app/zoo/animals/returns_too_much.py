"""returns 20 MB"""


class ReturnsTooMuch:
    name = "returns_too_much"

    def run(self, payload):
        return {"text": "x" * 20_000_000}
