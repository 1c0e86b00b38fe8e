"""raises an exception whose text cannot be had"""


class _Textless(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class RaisesWithoutText:
    name = "raises_without_text"

    def run(self, payload):
        raise _Textless from _Textless()
