"""changes the payload that it was given"""


class MutatesItsPayload:
    name = "mutates_its_payload"

    def run(self, payload):
        size = len(payload["image"])
        payload["options"]["added"] = [payload]
        payload.clear()
        return {"bytes": size}
