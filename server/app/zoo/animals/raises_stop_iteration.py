"""raises StopIteration, which coroutines take as their end"""


class RaisesStopIteration:
    name = "raises_stop_iteration"

    def run(self, payload):
        raise StopIteration({"forged": "result"})
