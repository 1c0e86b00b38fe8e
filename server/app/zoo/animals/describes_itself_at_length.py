"""describes itself in 50 MB"""


class DescribesItselfAtLength:
    name = "describes_itself_at_length"
    description = "x" * 50_000_000

    def run(self, payload):
        return {"described": True}
