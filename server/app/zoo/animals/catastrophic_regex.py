"""backtracks for longer than the universe lasts"""

import re


class CatastrophicRegex:
    name = "catastrophic_regex"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        return {"matched": re.match(r"(a+)+$", "a" * 64 + "b") is not None}
