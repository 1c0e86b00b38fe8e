"""returns an object of its own class, whose every attribute is a trap"""


class _Trap:
    def __getattr__(self, name):
        raise RuntimeError(f"touched {name}")


class ReturnsAnObject:
    name = "returns_an_object"

    def run(self, payload):
        return {"object": _Trap()}
