"""closes the socket to the server and goes on"""

import os
import time

import _wire


class ClosesItsSocket:
    name = "closes_its_socket"

    def run(self, payload):
        os.close(_wire.descriptor())
        time.sleep(3600)
        return {"closed": True}
