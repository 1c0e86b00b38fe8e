"""The same as `null`, with workers of its own: for what must not share them."""


class NullToo:
    name = "null_too"
    description = "Returns the length of the image."
    limits = {"workers": 2}

    def run(self, payload):
        return {"bytes": len(payload["image"])}
