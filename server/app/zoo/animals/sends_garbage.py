"""sends bytes that are no frame"""

import _wire


class SendsGarbage:
    name = "sends_garbage"

    def run(self, payload):
        _wire.send(b"GET / HTTP/1.1\r\n\r\n" * 1000)
        return {"sent": True}
