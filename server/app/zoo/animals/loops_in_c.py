"""loops in C and never lets go of the interpreter lock"""


class LoopsInC:
    name = "loops_in_c"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        return {"sum": sum(range(10**12))}
