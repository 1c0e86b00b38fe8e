"""asks for a permission that nobody granted"""


class WantsTheNetwork:
    name = "wants_the_network"
    permissions = {"network": ["*"]}

    def run(self, payload):
        return {"network": True}
