"""asks for a permission that does not exist"""


class WantsAnUnknownPermission:
    name = "wants_an_unknown_permission"
    permissions = {"root": True}

    def run(self, payload):
        return {"root": True}
