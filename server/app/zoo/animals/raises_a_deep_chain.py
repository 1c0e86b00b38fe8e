"""raises an exception with 5,000 causes behind it"""


class RaisesADeepChain:
    name = "raises_a_deep_chain"

    def run(self, payload):
        raised = ValueError("the first")
        for number in range(5_000):
            following = ValueError(f"cause {number}")
            following.__cause__ = raised
            raised = following
        raise raised
