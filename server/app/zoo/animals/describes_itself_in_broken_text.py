"""describes itself in text that is no valid Unicode"""


class DescribesItselfInBrokenText:
    name = "describes_itself_in_broken_text"
    description = "\ud800"

    def run(self, payload):
        return {"described": True}
