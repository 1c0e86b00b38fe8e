"""The least a plugin can do: what is left of a call's time is Sightgate's."""


class Null:
    name = "null"
    description = "Returns the length of the image."
    limits = {"workers": 2}

    def run(self, payload):
        return {"bytes": len(payload["image"])}
