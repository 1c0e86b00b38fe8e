"""raises an exception whose text is no valid Unicode and holds control sequences"""


class RaisesBrokenText:
    name = "raises_broken_text"

    def run(self, payload):
        raise ValueError("\ud800\x00\x1b[31m")
