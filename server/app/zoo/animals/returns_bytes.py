"""returns bytes"""


class ReturnsBytes:
    name = "returns_bytes"

    def run(self, payload):
        return {"image": payload["image"]}
