"""returns a dict whose length, keys and items disagree and raise"""


class _Liar(dict):
    def __len__(self):
        return 10**9

    def __bool__(self):
        raise RuntimeError("neither")

    def items(self):
        yield "a", 1
        raise RuntimeError("enough")

    def __iter__(self):
        raise RuntimeError("no keys")


class ReturnsALyingDict:
    name = "returns_a_lying_dict"

    def run(self, payload):
        return _Liar(b=2)
