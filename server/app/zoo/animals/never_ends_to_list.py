"""returns an array whose conversion is never finished"""


class _Endless:
    def tolist(self):
        while True:
            pass


class NeverEndsToList:
    name = "never_ends_to_list"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        return {"array": _Endless()}
