"""raises an exception whose text is never finished"""


class _Endless(Exception):
    def __str__(self):
        while True:
            pass


class NeverEndsToText:
    name = "never_ends_to_text"
    limits = {"timeout_s": 0.5}

    def run(self, payload):
        raise _Endless
